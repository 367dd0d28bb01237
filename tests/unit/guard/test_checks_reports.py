"""What a report leaves out, and why: each reason alone."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from chartloom.domain.audit import GENESIS
from chartloom.guard.audit import (
    Actor,
    Concern,
    Context,
    Facts,
    Kind,
    Seen,
    accounting,
    chain,
    entry,
    events,
    privacy_report,
    read_events,
    who_saw,
)
from chartloom.guard.audit.canonical import canonical
from chartloom.guard.audit.seen import read_event
from chartloom.guard.audit.unusual import unusual_volume

DAY_US = 86_400_000_000
T0 = 1_780_012_800_000_000  # a midnight in UTC
OWN = Facts("person-a", surname="aa", address="a1")
PATIENTS = 40


def pid(n: int) -> str:
    return f"00000000-0000-5000-8000-{n:012d}"


def ctx(actor: str, at_us: int = T0, **more: Any) -> Context:
    return Context(at_us, Actor(actor, ("clinician",), **more), "TREAT")


def log(*made: dict[str, Any]) -> list[Seen]:
    return list(read_events(chain(0, GENESIS, [entry(e) for e in made])))


def concerns(*made: dict[str, Any], patient: Facts | None = OWN) -> list[str]:
    found = privacy_report(log(*made), {"dr-a": OWN}, lambda _: patient, T0, T0 + DAY_US)
    return [f.concern.value for f in found]


# Relations


def test_a_search_that_finds_the_family_opens_no_record() -> None:
    family = Facts("person-b", "bb", "a1")
    search = events.search(ctx("dr-a"), {"birthdate": b"x"}, patients=[pid(1)])
    assert concerns(events.patient_read(ctx("dr-a"), pid(1)), patient=family) == ["own-family"]
    assert concerns(search, patient=family) == []


def test_of_whom_no_own_record_is_known_none_is_compared() -> None:
    assert concerns(events.patient_read(ctx("dr-b"), pid(1))) == []


def test_a_patient_is_asked_about_once() -> None:
    asked: Counter[str] = Counter()

    def patient(id: str) -> None:
        asked[id] += 1

    seen = log(*[events.patient_read(ctx("dr-a", T0 + n), pid(n % 2)) for n in range(6)])
    privacy_report(seen, {"dr-a": OWN}, patient, T0, T0 + DAY_US)
    assert asked == {pid(0): 1, pid(1): 1}


# Who saw, and to whom it went


def test_who_changed_something_about_a_person_saw_nothing() -> None:
    seen = log(
        events.key_shredded(ctx("officer"), pid(1), "court-order"),
        events.glass_reviewed(ctx("officer"), "g", pid(1), "justified"),
        events.glass_broken(ctx("dr-a"), "g", pid(1), "emergency", T0 + 9),
    )
    assert [v.actor for v in who_saw(seen, [pid(1)])] == ["dr-a"]


def test_only_what_left_the_house_is_accounted_for() -> None:
    def to(kind: str) -> Seen:
        return Seen(1, T0, kind, "dr-a", patients=(pid(1),), recipients=("court",))

    for kind in Kind:
        left = kind in (Kind.DISCLOSURE, Kind.EXPORT)
        assert bool(accounting([to(kind)], [pid(1)])) is left, kind


# Volume


def busy(make: Any) -> list[dict[str, Any]]:
    """Six quiet days, then a busy one."""
    quiet = [events.patient_read(ctx("dr-b", T0 - day * DAY_US), pid(0)) for day in range(1, 7)]
    return quiet + [make(ctx("dr-b", T0 + n), pid(n)) for n in range(PATIENTS)]


def test_only_what_was_seen_is_volume() -> None:
    volume = Concern.VOLUME.value
    assert volume in concerns(*busy(events.patient_read))
    assert volume not in concerns(*busy(lambda c, p: events.patient_read(c, p, denied="policy")))
    assert volume not in concerns(*busy(lambda c, p: events.key_shredded(c, p, "court-order")))


def test_a_day_that_was_not_asked_for_is_not_reported() -> None:
    days = {f"2026-01-{n:02d}": 2 for n in range(1, 8)} | {"2026-01-08": PATIENTS}
    volume = {("a", day): [pid(n) for n in range(count)] for day, count in days.items()}
    [found] = unusual_volume(volume, {}, "2026-01-08")
    assert (found.patients, found.usual, found.peers, found.peer_score) == (PATIENTS, 2, 0.0, None)
    assert unusual_volume(volume, {}, "2026-01-09") == []


def test_who_has_no_days_of_their_own_is_compared_with_others() -> None:
    volume = {(f"peer-{n}", "2026-01-08"): [pid(0), pid(1)] for n in range(6)}
    volume["new", "2026-01-08"] = [pid(n) for n in range(PATIENTS)]
    [found] = unusual_volume(volume, {}, "2026-01-08")
    assert (found.actor, found.usual, found.own_score, found.peers) == ("new", 0.0, None, 2)


def test_only_earlier_days_are_own_history() -> None:
    counts = {f"2026-01-{n:02d}": 2 for n in range(1, 12)} | {"2026-01-05": PATIENTS}
    volume = {("a", day): [pid(n) for n in range(count)] for day, count in counts.items()}
    assert unusual_volume(volume, {}, "2026-01-05") == []  # four days before are too few
    del volume["a", "2026-01-05"]
    volume["a", "2026-01-06"] = [pid(n) for n in range(PATIENTS)]
    volume["a", "2026-01-12"] = volume["a", "2026-01-01"]
    assert unusual_volume(volume, {}, "2026-01-06") == []
    volume["a", "2025-12-31"] = volume["a", "2026-01-01"]
    [found] = unusual_volume(volume, {}, "2026-01-06")
    assert found.day == "2026-01-06"


def test_a_peer_who_was_away_is_compared_by_other_days() -> None:
    volume = {("peer", f"2026-01-{n:02d}"): [pid(0), pid(1)] for n in range(1, 7)}
    volume["a", "2026-01-08"] = [pid(n) for n in range(PATIENTS)]
    [found] = unusual_volume(volume, {}, "2026-01-08")
    assert (found.actor, found.peers) == ("a", 2)


# Reading back


def test_a_service_has_no_other_role_for_being_one() -> None:
    [seen] = log(events.patient_read(ctx("svc", service=True), pid(1)))
    assert (seen.service, seen.roles) == (True, ("clinician",))


def test_a_search_for_everything_has_no_terms() -> None:
    [seen] = log(events.search(ctx("dr-a"), {}, patients=[]))
    assert seen.fingerprints == {}


@pytest.mark.parametrize("code", ["AUT", "110152"])
def test_who_asks_is_nobody_else(code: str) -> None:
    """Whatever type the agent has that asked: it is not for whom, nor to whom."""
    event = events.patient_read(ctx("dr-a"), pid(1))
    [user] = [a for a in event["agent"] if a["requestor"]]
    user["type"] = {"coding": [{"code": code}]}
    seen = read_event(1, canonical(json.loads(json.dumps(event))))
    assert (seen.actor, seen.behalf, seen.recipients) == ("dr-a", "", ())
