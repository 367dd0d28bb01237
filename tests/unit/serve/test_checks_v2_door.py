"""The HL7 v2 door for other systems: who may connect, and what a question may name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.formats.hl7v2 import Authority
from chartloom.formats.hl7v2.query import Parameter, Query, QueryKind
from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.v2 import V2Door
from chartloom.serve.client_registry.v2_terms import Wrong, read_search

NAMED = Domains([Domain("TEST", "1.2.3", "http://test.example/ids")])


class Listed:
    """A list of certificates, of clients or of those that are denied."""

    def __init__(self, *certificates: bytes, broken: bool = False) -> None:
        self.certificates, self.broken = certificates, broken

    def denied(self, certificate: bytes) -> bool:
        if self.broken:
            raise ConfigurationError("cannot be read")
        return certificate in self.certificates

    def of_certificate(self, certificate: bytes) -> object | None:
        return "client" if certificate in self.certificates else None


def knows(certificate: bytes, denied: Listed | None = None, by_application: bool = False) -> bool:
    rules = SimpleNamespace(by_application=by_application)
    door: Any = SimpleNamespace(_rules=rules, _denied=denied, _clients=Listed(b"ours"))
    return V2Door.knows(door, certificate)


def test_who_may_connect() -> None:
    assert knows(b"ours")
    assert knows(b"ours", Listed(b"another"))
    assert knows(b"", by_application=True)
    assert not knows(b"")
    assert not knows(b"theirs")
    assert not knows(b"theirs", by_application=True)
    assert not knows(b"ours", Listed(b"ours"))
    assert not knows(b"ours", Listed(broken=True))


class Reply:
    """Keeps the error that is answered."""

    def error(self, code: str, error: Any) -> Any:
        return code, error.location


def test_a_number_of_an_authority_that_is_not_known_is_not_looked_up() -> None:
    asked: list[str] = []
    registry = SimpleNamespace(
        domains=NAMED, decline=lambda asker, transaction: asked.append("declined"),
        cross_reference=lambda *_: asked.append("looked up"),
    )  # fmt: skip
    door: Any = SimpleNamespace(_registry=registry)
    reply, asker = Reply(), object()
    for authority in (Authority("NOWHERE"), Authority()):
        query = Query(QueryKind.CROSS_REFERENCE, number="7", authority=authority)
        answer = V2Door._cross_reference(door, reply, asker, query)  # type: ignore[arg-type]
        assert answer == ("AE", "QPD-3[1].4")
    assert asked == ["declined", "declined"]


@pytest.mark.parametrize("held", [{}, {"a": "x", "q": "other"}, {"a": "x"}])
def test_a_pointer_goes_on_with_the_same_question_only(held: dict[str, str]) -> None:
    searched: list[Any] = []
    registry = SimpleNamespace(
        domains=NAMED, decline=lambda *_: None, search=lambda *a, **m: searched.append(a)
    )
    handles = SimpleNamespace(reveal=lambda pointer, name: held)
    door: Any = SimpleNamespace(_registry=registry, _handles=handles)
    query = Query(QueryKind.DEMOGRAPHICS, parameters=(Parameter("PID.5.1", "Weber", 1),),
                  pointer="p")  # fmt: skip
    reply: Any = Reply()
    answer: Any = V2Door._demographics(door, reply, object(), query, "c")  # type: ignore[arg-type]
    assert (answer[0], searched) == ("AE", [])


def wrong(*parameters: tuple[str, str], domains: tuple[Authority, ...] = ()) -> str:
    """The condition that a search is refused by; "" if it is not."""
    held = tuple(Parameter(path, value, n) for n, (path, value) in enumerate(parameters, 1))
    try:
        read_search(Query(QueryKind.DEMOGRAPHICS, parameters=held, domains=domains), NAMED)
    except Wrong as refused:
        return refused.error.condition
    return ""


@pytest.mark.parametrize(
    ("path", "value", "condition"),
    [
        ("PID.5.1", "Weber", ""), ("PID.5.1", "We*", ""), ("PID.5.1", "*", "102"),
        ("PID.5.1", " *", "102"), ("PID.5.1", "", "102"), ("PID.5.1", "*er", "102"),
        ("PID.5.1", "We?er", "102"), ("PID.5.1", "W*e*", "102"), ("PID.5.1", "W?*", "102"),
        ("PID.7", "19840125", ""), ("PID.7", "1984", ""), ("PID.7", "soon", "102"),
        ("PID.7", "19841325", "102"), ("PID.7", "", "102"),
        ("PID.8", "F", ""), ("PID.8", "f", ""), ("PID.8", "X9", "103"), ("PID.8", "", "103"),
        ("PID.3.1", "7", ""), ("PID.3.4.1", "TEST", "101"), ("PID.3.9", "7", "103"),
        ("PID.99", "7", "103"), ("PV1.3", "7", "103"),
    ],
)  # fmt: skip
def test_parameters(path: str, value: str, condition: str) -> None:
    assert wrong((path, value)) == condition


def test_authorities_are_known_or_refused() -> None:
    assert wrong(("PID.3.1", "7"), ("PID.3.4.1", "TEST")) == ""
    assert wrong(("PID.3.1", "7"), ("PID.3.4.1", "NOWHERE")) == "204"
    assert wrong(("PID.3.1", "7"), domains=(Authority("TEST"),)) == ""
    assert wrong(("PID.3.1", "7"), domains=(Authority("TEST"), Authority("NOWHERE"))) == "204"
