"""What the audit explorer shows is what was asked for: each field of its form alone."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.audit_examples import OTHER, PATIENT
from tests.support.memory_audit import MemoryAudit

from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Actor, Context, entry, events
from chartloom.guard.authority import AccessDenied
from chartloom.guard.staff import Principal, Staff
from chartloom.serve import LogCheck
from chartloom.serve import audit as page
from chartloom.serve.audit import Answer, Search
from chartloom.serve.people import is_our_id
from chartloom.serve.sessions import Visitor

HOUR_US = 3_600_000_000
T0 = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000


def context(actor: str, hour: int, *, refresh: bool = False, **more: Any) -> Context:
    return Context(T0 + hour * HOUR_US, Actor(actor, **more), Purpose.TREATMENT, refresh=refresh)


MADE = (
    events.patient_read(context("ann", 0), PATIENT),
    events.patient_read(context("bob", 1), OTHER),
    events.transformation(context("worker", 2, service=True), "adt", 1, 5, 5, "abc", 2),
    events.patient_read(context("svc", 3, service=True, behalf="ann"), OTHER),
    events.disclosure(context("bob", 4), PATIENT, "court-4", "record", "court-order"),
    events.sign_in(context("ann", 5), "oidc"),
    events.patient_read(context("eve", 6, refresh=True), OTHER),
)


def search(*persons: str, gone: str = "", **asked: str) -> Answer:
    log = MemoryAudit()
    log.append([entry(e) for e in MADE])
    doors = SimpleNamespace(audit=log, newest_head=lambda: None, log_check=LogCheck)
    console: Any = SimpleNamespace(doors=doors, zone=UTC)
    grant: Any = SimpleNamespace(persons=persons)
    return page._search(grant, console, Search(person="x" if persons else "", **asked), gone)


def numbers(*persons: str, **asked: str) -> list[int]:
    return [e.seq for e in search(*persons, **asked).events]


def test_without_a_question_all_is_shown_but_the_work_of_workers() -> None:
    assert numbers() == [6, 5, 4, 2, 1]
    assert numbers(work="1") == [7, 6, 5, 4, 3, 2, 1]
    assert numbers(actor="eve") == []  # the page only stayed open
    assert numbers(actor="eve", work="1") == [7]
    assert numbers(kind="transform") == numbers(kind="transform", work="1") == [3]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"actor": "ann"}, [6, 4, 1]),
        ({"actor": "svc"}, [4]),
        ({"actor": "nobody"}, []),
        ({"kind": "read"}, [4, 2, 1]),
        ({"kind": "disclosure"}, [5]),
        ({"since": "2026-03-01T04:00"}, [6, 5]),
        ({"until": "2026-03-01T01:00"}, [1]),
        ({"since": "2026-03-01T01:00", "until": "2026-03-01T04:00"}, [4, 2]),
        ({"before": "4"}, [2, 1]),
        ({"actor": "ann", "kind": "read", "before": "4"}, [1]),
    ],
)
def test_each_field_restricts(asked: dict[str, str], found: list[int]) -> None:
    assert numbers(**asked) == found


def test_of_a_person_only_what_is_about_them() -> None:
    answer = search(PATIENT)
    assert [e.seq for e in answer.events] == [5, 1]
    assert [v.actor for v in answer.viewings] == ["bob", "ann"]
    assert [d.recipients for d in answer.disclosures] == [("court-4",)]
    assert numbers(PATIENT, kind="read") == [1]
    late = search(PATIENT, since="2026-03-01T01:00")
    assert [e.seq for e in late.events] == [5]
    assert [v.actor for v in late.viewings] == ["bob"]
    early = search(PATIENT, until="2026-03-01T04:00")
    assert early.disclosures == ()


def test_a_grant_for_the_log_is_about_no_person() -> None:
    """Whatever it covers: who did not ask for a person is told of no viewings."""
    log = MemoryAudit()
    log.append([entry(e) for e in MADE])
    doors = SimpleNamespace(audit=log, newest_head=lambda: None, log_check=LogCheck)
    console: Any = SimpleNamespace(doors=doors, zone=UTC)
    grant: Any = SimpleNamespace(persons=(PATIENT,))
    answer = page._search(grant, console, Search(), "")
    assert [e.seq for e in answer.events] == [6, 5, 4, 2, 1]
    assert (answer.viewings, answer.patients) == ((), ())


def test_of_nobody_no_viewings_are_told() -> None:
    answer = search()
    assert (answer.viewings, answer.disclosures, answer.patients) == ((), (), ())


def test_of_whom_nobody_is_known_the_record_is_told_all_the_same() -> None:
    answer = search("*", gone=OTHER)
    assert [e.seq for e in answer.events] == [4, 2]
    assert answer.patients == (OTHER,)
    assert answer.gone
    assert not search(PATIENT).gone


def test_ids_of_ours_have_one_form() -> None:
    for typed in (PATIENT, PATIENT.upper(), "-"):
        assert is_our_id(typed)
    for typed in ("", "4711", PATIENT[:-1], PATIENT + "0", f" {PATIENT}", "Weber"):
        assert not is_our_id(typed)


@pytest.mark.parametrize("destroyed", [True, False])
@pytest.mark.parametrize("known", [(PATIENT,), ()])
def test_who_is_gone(known: tuple[str, ...], destroyed: bool) -> None:
    found = SimpleNamespace(source_patients=known)
    gatherer = SimpleNamespace(known_of=lambda _: found)
    doors = SimpleNamespace(is_destroyed=lambda _: destroyed)
    console: Any = SimpleNamespace(authority=SimpleNamespace(gatherer=gatherer), doors=doors)
    assert page._is_gone(console, PATIENT) is (destroyed and not known)


@pytest.mark.parametrize(
    ("person", "gone", "may", "page_shown"),
    [(PATIENT, False, True, True), (PATIENT, False, False, False), (PATIENT, True, True, False),
     ("", False, True, False), ("", False, False, False)],
)  # fmt: skip
def test_only_who_may_see_the_log_is_told_that_a_person_is_not_there(
    monkeypatch: pytest.MonkeyPatch, person: str, gone: bool, may: bool, page_shown: bool
) -> None:
    """All others are denied as for a person who is there."""

    def permit(*_: object) -> None:
        raise AccessDenied

    monkeypatch.setattr(page, "meant", lambda *_: person)
    monkeypatch.setattr(page, "_is_gone", lambda *_: gone)
    visitor = Visitor(Principal("ann"))
    scope = {"chartloom.visitor": visitor, "chartloom.request_id": "r"}
    request: Any = SimpleNamespace(
        scope=scope, query_params={}, client=None, headers={}, method="GET"
    )
    console: Any = SimpleNamespace(
        handles=SimpleNamespace(reveal=lambda *_: {}), may=lambda *_: may,
        doors=SimpleNamespace(staff=Staff), authority=SimpleNamespace(permit=permit),
        page=lambda request, template, status=200, **shown: status,
    )  # fmt: skip
    if page_shown:
        assert page._page(console, request) == 404  # type: ignore[comparison-overlap]
    else:
        with pytest.raises(AccessDenied):
            page._page(console, request)


@pytest.mark.parametrize(
    ("person", "gone", "asked"),
    [(PATIENT, False, ""), (PATIENT, True, PATIENT), ("", False, "")],
)
def test_of_who_is_there_the_record_is_that_of_the_grant(
    monkeypatch: pytest.MonkeyPatch, person: str, gone: bool, asked: str
) -> None:
    """Not of an id that was typed: only of a person whose keys were destroyed."""
    ran: list[str] = []

    def run(work: object, console: object, search: object, of: str) -> None:
        ran.append(of)

    monkeypatch.setattr(page, "meant", lambda *_: person)
    monkeypatch.setattr(page, "_is_gone", lambda *_: gone)
    scope = {"chartloom.visitor": Visitor(Principal("ann")), "chartloom.request_id": "r"}
    request: Any = SimpleNamespace(
        scope=scope, query_params={}, client=None, headers={}, method="GET"
    )
    permit = SimpleNamespace(run=run)
    console: Any = SimpleNamespace(
        handles=SimpleNamespace(reveal=lambda *_: {}), doors=SimpleNamespace(staff=Staff),
        authority=SimpleNamespace(permit=lambda *_: permit), page=lambda *_, **shown: None,
    )  # fmt: skip
    page._page(console, request)
    assert ran == [asked]
