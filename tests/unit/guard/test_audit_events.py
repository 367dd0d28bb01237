"""AuditEvents are valid FHIR R4, say what happened, and cannot carry text."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.audit_examples import NOW_US, OTHER, PATIENT, context, every_kind

from chartloom.domain.grant import Purpose
from chartloom.formats.fhir import decode_json, validate
from chartloom.guard.audit import (
    Actor,
    Context,
    Kind,
    canonical,
    entry,
    events,
    instant,
    instant_us,
    read_event,
)
from chartloom.guard.audit.vocabulary import ACTIONS, CODES

EVENTS = every_kind()
SECRET = "Mustermann, Erika"


@pytest.mark.parametrize("name", EVENTS)
def test_every_kind_is_valid_r4(name: str) -> None:
    body = canonical(EVENTS[name])
    resource, problems = decode_json(body)
    assert problems == []
    assert validate(resource) == []


def test_the_schema_is_really_asked() -> None:
    for wrong in (
        {**EVENTS["read"], "action": "X"},
        {**EVENTS["read"], "entity": []},
        {k: x for k, x in EVENTS["read"].items() if k != "agent"},
    ):
        assert validate(wrong) != []


def test_every_kind_has_an_example() -> None:
    assert {read_event(1, canonical(e)).kind for e in EVENTS.values()} == set(Kind)
    assert set(CODES) == set(Kind)
    assert set(ACTIONS.values()) <= {"C", "R", "U", "D"}


def test_what_is_written_is_read_back() -> None:
    seen = read_event(7, canonical(EVENTS["read"]))
    assert seen.seq == 7
    assert seen.at_us == NOW_US
    assert (seen.kind, seen.actor, seen.roles) == ("read", "staff-17", ("clinician",))
    assert (seen.purpose, seen.address, seen.denied) == ("TREAT", "10.1.2.3", "")
    assert seen.patients == (PATIENT,)
    assert seen.things == (f"Observation/{OTHER}", "section/labs")
    assert seen.details == {"grant": "a" * 32, "policy": "v1", "count": "3"}


def test_searches_hold_fingerprints_only() -> None:
    event = EVENTS["search"]
    query = next(e["query"] for e in event["entity"] if "query" in e)
    assert base64.b64decode(query).decode() == f"birthdate={'ff' * 16}&family={'00' * 16}"
    seen = read_event(1, canonical(event))
    assert seen.fingerprints == {"birthdate": "ff" * 16, "family": "00" * 16}
    assert seen.patients == (PATIENT, OTHER)


def test_denials_say_so() -> None:
    assert read_event(1, canonical(EVENTS["read-denied"])).denied == "no-relation"
    assert EVENTS["read-denied"]["outcome"] == "4"
    assert EVENTS["read"]["outcome"] == "0"
    assert read_event(1, canonical(EVENTS["denied-bare"])).denied == "denied"


def test_services_name_whom_they_act_for() -> None:
    seen = read_event(1, canonical(EVENTS["transformation"]))
    assert (seen.service, seen.behalf, seen.people) == (True, "staff-17", ("worker-1", "staff-17"))
    assert seen.details["failed"] == "2"


def test_profiles_and_labels() -> None:
    def profile(name: str) -> str:
        return EVENTS[name]["meta"]["profile"][0].rpartition("BasicAudit.")[2]

    assert profile("read") == "PatientRead"
    assert profile("read-directory") == "Read"
    assert profile("search") == "Query"
    assert profile("search-one") == "PatientQuery"
    assert profile("disclosure") == "PrivacyDisclosure.Source"
    assert read_event(1, canonical(EVENTS["read-vip"])).labels == ("VIP",)
    assert read_event(1, canonical(EVENTS["disclosure"])).recipients == ("court-4",)
    assert EVENTS["glass"]["purposeOfEvent"][0]["coding"][0]["code"] == Purpose.BREAK_GLASS


def _with_text() -> list[Any]:
    c = context()

    def other(**more: Any) -> Context:
        return Context(NOW_US, Actor("a"), **more)

    return [
        lambda: events.patient_read(c, SECRET),
        lambda: events.patient_read(c, PATIENT, [SECRET]),
        lambda: events.patient_read(c, PATIENT, labels=[SECRET]),
        lambda: events.patient_read(c, PATIENT, denied=SECRET),
        lambda: events.patient_read(Context(NOW_US, Actor(SECRET)), PATIENT),
        lambda: events.patient_read(Context(NOW_US, Actor("")), PATIENT),
        lambda: events.patient_read(Context(NOW_US, Actor("a", (SECRET,))), PATIENT),
        lambda: events.patient_read(Context(NOW_US, Actor("a", behalf=SECRET)), PATIENT),
        lambda: events.patient_read(Context(NOW_US, Actor("a", address="evil.test")), PATIENT),
        lambda: events.patient_read(other(observer=SECRET), PATIENT),
        lambda: events.patient_read(other(request_id=SECRET), PATIENT),
        lambda: events.patient_read(other(purpose=SECRET), PATIENT),
        lambda: events.patient_read(other(policy_version=SECRET), PATIENT),
        lambda: events.search(c, {SECRET: bytes(16)}),
        lambda: events.search(c, {}, patients=[SECRET]),
        lambda: events.export(c, SECRET, 1),
        lambda: events.export(c, "x", 1, recipient=SECRET),
        lambda: events.disclosure(c, PATIENT, SECRET, "a", "b"),
        lambda: events.disclosure(c, PATIENT, "a", SECRET, "b"),
        lambda: events.disclosure(c, PATIENT, "a", "b", SECRET),
        lambda: events.transformation(c, SECRET, 1, 2, 3, "v"),
        lambda: events.sign_in(c, SECRET),
        lambda: events.sign_out(c, SECRET),
        lambda: events.glass_broken(c, SECRET, PATIENT, "x", 1),
        lambda: events.glass_broken(c, "g", PATIENT, SECRET, 1),
        lambda: events.glass_reviewed(c, "g", PATIENT, SECRET),
        lambda: events.change(c, Kind.POLICY_CHANGED, SECRET),
        lambda: events.change(c, Kind.POLICY_CHANGED, "x", note=SECRET),
        lambda: events.key_shredded(c, PATIENT, SECRET),
    ]


@pytest.mark.parametrize("build", _with_text())
def test_text_is_refused_and_not_repeated(build: Any) -> None:
    with pytest.raises(ValueError, match=r"audit event|patient id|IP address") as refused:
        build()
    assert "Muster" not in str(refused.value)


@settings(deadline=None)
@given(st.integers(0, 4_000_000_000_000_000))
def test_instants_keep_microseconds(at_us: int) -> None:
    text = instant(at_us)
    assert instant_us(text) == at_us
    assert datetime.fromisoformat(text).tzinfo == UTC


@pytest.mark.parametrize(
    "text", ["", "2026-03-01T08:15:30Z", "2026-03-01T08:15:30.000001+00:00", "x" * 27]
)
def test_other_instants_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instant_us(text)


def test_canonical_bytes_do_not_depend_on_order() -> None:
    event = EVENTS["read"]
    backwards = dict(reversed(event.items()))
    assert canonical(backwards) == canonical(event)
    assert canonical({"b": 1, "a": "\u00e9\n"}) == '{"a":"\u00e9\\n","b":1}'.encode()
    assert entry(event).at_us == NOW_US


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"recorded":"x","agent":[]}', canonical(EVENTS["read"])[:-1]]
)
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(1, body)


@pytest.mark.parametrize("service", [True, False])
def test_only_services_stand_there_as_such(service: bool) -> None:
    about = Context(1, Actor("ann", service=service), Purpose.OPERATIONS)
    user = events.patient_read(about, "p", ["chart"])["agent"][0]
    roles = {c["code"] for role in user.get("role", ()) for c in role["coding"]}
    assert roles == ({"service"} if service else set())
