"""What other systems may ask the doors of identity: each thing that is refused, by itself."""

from __future__ import annotations

from types import MethodType, SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import MadeAnew
from chartloom.domain.resource import ResourceState
from chartloom.serve.client_registry import fhir
from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.fhir_params import read_parameters
from chartloom.serve.client_registry.people import Known
from chartloom.serve.client_registry.registry import ClientRegistry, Declined, _has_number

TEST = Domain("TEST", "1.2.3", "http://test.example/ids")
NAMED = Domains([TEST])
GRANT: Any = object()


def code_of(*pairs: tuple[str, str]) -> str:
    """Why a search is refused; "" if it is not."""
    try:
        read_parameters(pairs, NAMED)
    except Declined as declined:
        return declined.code
    return ""


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("family", "Weber", ""), ("family:exact", "Weber", ""),
        ("family:contains", "Weber", "not-supported"), ("family:missing", "true", "not-supported"),
        ("gender:exact", "male", "not-supported"), ("identifier:exact", "7", "not-supported"),
        ("phone", "1", "not-supported"), ("_sort", "family", "not-supported"),
        ("gender", "male", ""), ("gender", "m", "code-invalid"), ("gender", "Male", "code-invalid"),
        ("active", "true", ""), ("active", "false", ""), ("active", "yes", "invalid"),
        ("active", "True", "invalid"), ("active", "1", "invalid"),
        ("identifier", "http://test.example/ids|7", ""), ("identifier", "7", ""),
        ("identifier", "urn:oid:1.2.3|7", ""),
        ("identifier", "http://other.example|7", "unknown-domain"),
        ("identifier", "http://test.example/ids|", ""),
        ("identifier", "http://other.example|", "unknown-domain"),
        ("identifier", "|", "invalid"), ("identifier", "http://test.example/ids| ", ""),
        ("identifier", "http://test.example/ids|7,http://test.example/ids|", "invalid"),
        ("birthdate", "1984-02", ""), ("birthdate", "soon", "invalid"),
        ("birthdate", "1984-13", "invalid"), ("birthdate", "", "invalid"),
        ("_count", "1", ""), ("_count", "999999", ""), ("_count", "1000000", "invalid"),
        ("_count", "0", "invalid"), ("_count", "-1", "invalid"), ("_count", "", "invalid"),
        ("_count", "\u0667", "invalid"), ("_count", "x", "invalid"), ("_count", "1e3", "invalid"),
        ("family", "", "invalid"), ("family", "a,,b", "invalid"), ("family", ",", "invalid"),
        ("given", ",".join("a" * 20), ""), ("given", ",".join("a" * 21), "invalid"),
        ("given", "a" * 200, ""), ("given", "a" * 201, "too-long"),
        ("_id", "a" * 4001, "invalid"), ("_id", "a,b", ""), ("_id", "", "invalid"),
    ],
)  # fmt: skip
def test_parameters_of_a_search(name: str, value: str, code: str) -> None:
    assert code_of((name, value)) == code


def request(body: bytes) -> Any:
    return SimpleNamespace(scope={"chartloom.body": body})


@pytest.mark.parametrize("body", [
    b"", b'\xef\xbb\xbf{"resourceType": "Parameters"}',
    b"[]", b"7", b'"x"', b"{", b'{"resourceType": "Parameters", "resourceType": "Parameters"}',
    b'{"resourceType": "Patient"}', b"{}", b'{"resourceType": "Parameters", "parameter": "x"}',
    b'{"resourceType": "Parameters", "parameter": [{"valueString": "x"}]}',
    b'{"resourceType": "Parameters", "parameter": [{"name": "x"}]}',
    b'{"resourceType": "Parameters", "parameter": '
    b'[{"name": "x", "valueString": "a", "resource": {"resourceType": "Patient"}}]}',
])  # fmt: skip
def test_a_body_that_is_no_question(body: bytes) -> None:
    good = b'{"resourceType": "Parameters", "parameter": [{"name": "x", "valueString": "a"}]}'
    assert fhir._parameters(request(good)) == {"x": ["a"]}
    with pytest.raises(Declined) as declined:
        fhir._parameters(request(body))
    assert declined.value.code == "structure"


PATIENT = {"resourceType": "Patient"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "required"), ({"resource": []}, "required"), ({"resource": ["x"]}, "required"),
        ({"resource": [PATIENT, PATIENT]}, "required"), ({"resource": [{}]}, "structure"),
        ({"resource": [{"resourceType": "Person"}]}, "structure"),
        ({"resource": [PATIENT], "everybody": [True]}, "not-supported"),
    ],
)  # fmt: skip
def test_who_is_to_be_matched(given: dict[str, list[object]], code: str) -> None:
    assert fhir._patient({"resource": [PATIENT], "count": [1]}) == PATIENT
    with pytest.raises(Declined) as declined:
        fhir._patient(given)
    assert declined.value.code == code


@pytest.mark.parametrize("values", [[], ["true"], [1], [0], [None], [True, True], [False, True]])
def test_what_is_neither_true_nor_false(values: list[object]) -> None:
    assert fhir._boolean({"x": [True]}, "x") is True
    assert fhir._boolean({"x": [False]}, "x") is fhir._boolean({}, "x") is False
    with pytest.raises(Declined):
        fhir._boolean({"x": values}, "x")


@pytest.mark.parametrize("values", [[], ["1"], [0], [-1], [1.0], [None], [1, 1], [1, 2]])
def test_what_is_no_number(values: list[object]) -> None:
    assert (fhir._number({"x": [1]}, "x", 7), fhir._number({}, "x", 7)) == (1, 7)
    with pytest.raises(Declined):
        fhir._number({"x": values}, "x", 7)


def test_ids_have_the_form_of_fhir() -> None:
    assert all(map(fhir._is_id, ("a", "A.7-z", "x" * 64)))
    assert not any(map(fhir._is_id, ("", "x" * 65, "a b", "a/b", "\u00e4", "a_b", "a\n")))


def test_while_charts_are_made_anew_nobody_is_looked_for() -> None:
    """Neither found nor not found: who is asked for may not be there yet."""
    looks = [False, False]
    door: Any = SimpleNamespace(_store=SimpleNamespace(made_anew=lambda grant: looks.pop(0)))
    door._look = lambda grant: ClientRegistry._look(door, grant)
    assert ClientRegistry._whole(door, GRANT, lambda grant: "found") == "found"
    for later in ([True], [False, True]):
        looks[:] = later
        with pytest.raises(MadeAnew):
            ClientRegistry._whole(door, GRANT, lambda grant: "found")


OURS = "http://test.example/ids"


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("sourceIdentifier", f"{OURS}|7")], ""),
        ([("sourceIdentifier", f"{OURS}|7"), ("targetSystem", OURS)], ""),
        ([("sourceIdentifier", f"{OURS}|7"), ("targetSystem", f"{OURS}, {OURS}|")], ""),
        ([("sourceIdentifier", f"{OURS}|7"), ("targetSystem", "urn:x")], "unknown-target"),
        ([("sourceIdentifier", f"{OURS}|7"), ("targetSystem", f"{OURS},urn:x")], "unknown-target"),
        ([("sourceIdentifier", f"{OURS}|7"), ("targetSystem", "")], "unknown-target"),
        ([("sourceIdentifier", "urn:x|7")], "unknown-domain"),
        ([("sourceIdentifier", f"{OURS}|")], "invalid"),
        ([("sourceIdentifier", "7")], "required"), ([("sourceIdentifier", "|7")], "required"),
        ([], "required"),
        ([("sourceIdentifier", f"{OURS}|7"), ("sourceIdentifier", f"{OURS}|8")], "required"),
        ([("sourceIdentifier", f"{OURS}|7"), ("everybody", "1")], "not-supported"),
    ],
)  # fmt: skip
def test_what_numbers_are_asked_for(pairs: list[tuple[str, str]], code: str) -> None:
    door: Any = SimpleNamespace(_registry=SimpleNamespace(domains=NAMED))
    params = SimpleNamespace(multi_items=lambda: pairs)
    asked: Any = SimpleNamespace(method="GET", query_params=params)
    if code:
        with pytest.raises(Declined) as declined:
            fhir._Door._asked_numbers(door, asked)
        assert declined.value.code == code
        of_authority = "Assigning Authority not found" in declined.value.what
        assert of_authority is (code == "unknown-domain")
    else:
        domain, value, targets = fhir._Door._asked_numbers(door, asked)
        assert (domain, value, set(targets) <= {TEST}) == (TEST, "7", True)


def patient(*numbers: tuple[str, str]) -> ResourceState:
    found = [{"system": system, "value": value} for system, value in numbers]
    return ResourceState({"resourceType": "Patient", "id": "p", "identifier": found}, "p", {})


def test_whose_number_it_is() -> None:
    def has(*states: ResourceState, merged: tuple[ResourceState, ...] = ()) -> bool:
        return _has_number(Known("x", states, merged), TEST, "a7")

    right, other = patient((OURS, "A7")), patient((OURS, "8"), ("urn:x", "a7"))
    assert has(right)
    assert has(other, right)
    assert has(other, merged=(right,))
    assert not has(other)
    assert not has(patient())


@pytest.mark.parametrize(
    ("pages", "code"),
    [
        ([(["right"], "")], ""),
        ([(["right"], "behind")], "too-costly"),
        ([([], "x"), ([], "behind")], "too-costly"),
        ([([], "")], "unknown-key"),
        ([(["other"], "")], "unknown-key"),
        ([(["right"], "x"), (["right"], "")], "duplicate-key"),
    ],
)
def test_whose_numbers_are_told_is_one_person_and_known_to_be(
    pages: list[tuple[list[str], str]], code: str
) -> None:
    known = {"right": Known("x", (patient((OURS, "7")),)), "other": Known("y", (patient(),))}
    found = [([known[name] for name in names], after) for names, after in pages]
    permit = SimpleNamespace(search=lambda told, whole, work: work(GRANT))
    registry: Any = SimpleNamespace(
        _candidates=lambda *asked: iter(found), domains=NAMED, _need=lambda *asked: None,
        authority=SimpleNamespace(permit=lambda *asked: permit), _whole=None,
    )  # fmt: skip
    registry._numbered = MethodType(ClientRegistry._numbered, registry)
    asker: Any = SimpleNamespace(principal=None, asking=None)

    def ask() -> Any:
        return ClientRegistry.cross_reference(registry, asker, TEST, "7", [], "ITI-83")

    if code:
        with pytest.raises(Declined) as declined:
            ask()
        assert declined.value.code == code
    else:
        assert ask()[0] is known["right"]
