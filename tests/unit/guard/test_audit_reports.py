"""Who saw a person, the accounting of disclosures, and what a privacy officer is shown."""

from __future__ import annotations

from typing import Any

from chartloom.domain.audit import GENESIS
from chartloom.guard.audit import (
    Actor,
    Concern,
    Context,
    Facts,
    Finding,
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
from chartloom.guard.audit.unusual import robust_z, unusual_volume

DAY_US = 86_400_000_000
T0 = 1_780_012_800_000_000  # a midnight in UTC


def pid(n: int) -> str:
    return f"00000000-0000-5000-8000-{n:012d}"


def ctx(actor: str, at_us: int, **more: Any) -> Context:
    return Context(at_us, Actor(actor, ("clinician",)), "TREAT", **more)


def log(*made: dict[str, Any]) -> list[Seen]:
    """Through canonical bytes and the chain, as a report gets them."""
    return list(read_events(chain(0, GENESIS, [entry(e) for e in made])))


STAFF = {
    "dr-a": Facts("person-a", surname="aa", address="a1"),
    "dr-b": Facts("person-b", surname="bb", address="b1"),
}
PATIENTS = {
    pid(1): Facts("person-a", "aa", "a1"),  # dr-a's own record
    pid(2): Facts("person-c", "cc", "a1"),  # lives with dr-a
    pid(3): Facts("person-d", "aa", "d1"),  # shares dr-a's name
    pid(4): Facts("person-e", "ee", "e1"),
    pid(5): Facts("person-f"),  # nothing known
}


def report(seen: list[Seen], since_us: int = T0, until_us: int = T0 + DAY_US) -> list[Finding]:
    return privacy_report(seen, STAFF, PATIENTS.get, since_us, until_us)


def concerns(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(f.concern.value, f.actor, f.patient) for f in found]


# Who saw


def test_who_saw_a_person_by_any_of_their_records() -> None:
    seen = log(
        events.patient_read(ctx("dr-a", T0), pid(1)),
        events.patient_read(ctx("dr-a", T0 + 5), pid(2)),
        events.search(ctx("dr-b", T0 + 10), {"family": b"x"}, patients=[pid(4), pid(2)]),
        events.patient_read(ctx("dr-b", T0 + 20), pid(2), denied="no-relation"),
        events.patient_read(ctx("dr-c", T0 + 30), pid(3)),
        events.patient_read(
            Context(T0 + 40, Actor("svc", service=True, behalf="dr-c"), "HQUALIMP"), pid(1)
        ),
        events.sign_in(ctx("dr-d", T0 + 50), "oidc"),
        events.export(ctx("dr-e", T0 + 60), "ndjson", 9, patients=[pid(1)]),
    )
    found = who_saw(seen, [pid(1), pid(2)])
    assert [(v.actor, v.purpose, v.behalf, v.times, v.denied) for v in found] == [
        ("dr-e", "TREAT", "", 1, 0),
        ("svc", "HQUALIMP", "dr-c", 1, 0),
        ("dr-b", "TREAT", "", 1, 1),
        ("dr-a", "TREAT", "", 2, 0),
    ]
    assert found[3].first_us == T0
    assert found[3].last_us == T0 + 5
    assert found[2].kinds == ("search",)
    assert [v.actor for v in who_saw(seen, [pid(1)], since_us=T0 + 1, until_us=T0 + 41)] == ["svc"]
    assert who_saw(seen, [pid(9)]) == []


def test_emergency_access_counts_as_seeing() -> None:
    seen = log(events.glass_broken(ctx("dr-a", T0), "g1", pid(4), "emergency", T0 + 9))
    assert [v.kinds for v in who_saw(seen, [pid(4)])] == [("glass-broken",)]


# Accounting of disclosures


def test_disclosures_are_accounted_for() -> None:
    seen = log(
        events.disclosure(ctx("him", T0), pid(1), "court-4", "record", "court-order"),
        events.disclosure(ctx("him", T0 + 5), pid(1), "registry", "case-report", "public-health"),
        events.disclosure(ctx("him", T0 + 9), pid(1), "registry", "case-report", "public-health"),
        events.disclosure(ctx("him", T0 + 9), pid(2), "court-4", "record", "court-order"),
        events.export(
            ctx("him", T0 + 20), "cohort", 2, patients=[pid(1)], recipient="uni", data_use="use-3"
        ),
        events.export(ctx("him", T0 + 21), "cohort", 2, patients=[pid(1)]),
        events.export(
            ctx("him", T0 + 22), "cohort", 0, patients=[pid(1)], recipient="uni", denied="policy"
        ),
        events.patient_read(ctx("dr-a", T0 + 30), pid(1)),
    )
    lines = accounting(seen, [pid(1)])
    assert [(d.recipients, d.what, d.reason, d.times) for d in lines] == [
        (("court-4",), "record", "court-order", 1),
        (("registry",), "case-report", "public-health", 2),
        (("uni",), "cohort", "use-3", 1),
    ]
    assert (lines[1].first_us, lines[1].last_us) == (T0 + 5, T0 + 9)
    assert len(accounting(seen, [pid(1)], since_us=T0 + 6)) == 2


# Families and names


def test_own_record_family_and_name() -> None:
    seen = log(
        *[events.patient_read(ctx("dr-a", T0 + i), pid(i)) for i in range(1, 6)],
        *[events.patient_read(ctx("dr-b", T0 + i), pid(i)) for i in range(1, 6)],
        events.patient_read(ctx("dr-a", T0 + 9), pid(2), denied="no-relation"),
    )
    assert concerns(report(seen)) == [
        ("own-family", "dr-a", pid(2)),
        ("own-record", "dr-a", pid(1)),
        ("same-name", "dr-a", pid(3)),
        ("denied", "dr-a", ""),
    ]
    assert report(seen)[0].times == 2
    assert report(seen)[0].events == (2, 11)


def test_unknown_facts_never_match() -> None:
    staff = {"dr-x": Facts("person-x")}
    seen = log(events.patient_read(ctx("dr-x", T0), pid(5)))
    assert privacy_report(seen, staff, PATIENTS.get, T0, T0 + DAY_US) == []
    assert report(log(events.patient_read(ctx("dr-a", T0), pid(99)))) == []


def test_people_behind_services_are_looked_at_too() -> None:
    actor = Actor("svc", service=True, behalf="dr-a")
    seen = log(events.patient_read(Context(T0, actor), pid(2)))
    assert concerns(report(seen)) == [("own-family", "dr-a", pid(2))]
    alone = log(events.patient_read(Context(T0, Actor("dr-a", service=True)), pid(2)))
    assert report(alone) == []


def test_searches_for_the_own_name() -> None:
    own, other = bytes.fromhex("aa"), bytes.fromhex("cc")
    seen = log(
        events.search(ctx("dr-a", T0), {"family": own}),
        events.search(ctx("dr-a", T0 + 1), {"any": own}),
        events.search(ctx("dr-a", T0 + 2), {"family": other}),
        events.search(ctx("dr-a", T0 + 3), {"identifier": own}),
        events.search(ctx("dr-b", T0 + 4), {"family": own}),
    )
    found = report(seen)
    assert concerns(found) == [("own-name-search", "dr-a", "")]
    assert found[0].times == 2


def test_famous_patients_and_employees() -> None:
    seen = log(
        events.patient_read(ctx("dr-b", T0), pid(4), labels=["VIP"]),
        events.patient_read(ctx("dr-b", T0), pid(5), labels=["EMP", "PSY"]),
        events.patient_read(ctx("dr-b", T0), pid(3), labels=["HIV"]),
    )
    assert concerns(report(seen)) == [("vip", "dr-b", pid(4)), ("employee", "dr-b", pid(5))]


def test_only_the_asked_days_are_reported() -> None:
    seen = log(
        events.patient_read(ctx("dr-a", T0 - 1), pid(2)),
        events.patient_read(ctx("dr-a", T0), pid(1)),
        events.patient_read(ctx("dr-a", T0 + DAY_US), pid(3)),
    )
    assert concerns(report(seen)) == [("own-record", "dr-a", pid(1))]


# Break-glass


def test_unreviewed_glass_stays_until_it_is_reviewed() -> None:
    broken = events.glass_broken(ctx("dr-b", T0 - 9 * DAY_US), "g1", pid(4), "emergency", T0)
    today = events.glass_broken(ctx("dr-b", T0 + 1), "g2", pid(5), "emergency", T0)
    refused = events.glass_broken(ctx("dr-b", T0 + 2), "g3", pid(5), "x", T0, denied="too-often")
    review = events.glass_reviewed(ctx("po", T0 + 3), "g2", pid(5), "justified")
    assert concerns(report(log(broken, today, refused, review))) == [
        ("glass-unreviewed", "dr-b", pid(4)),
        ("denied", "dr-b", ""),
        ("glass", "dr-b", pid(5)),
    ]
    failed = events.glass_reviewed(ctx("dr-b", T0 + 4), "g1", pid(4), "justified")
    failed["outcome"] = "4"
    assert Concern.GLASS_UNREVIEWED in {f.concern for f in report(log(broken, failed))}
    done = events.glass_reviewed(ctx("po", T0 + 5), "g1", pid(4), "unjustified")
    assert report(log(broken, done)) == []


# Volume


def day_of_reads(actor: str, day: int, patients: int) -> list[dict[str, Any]]:
    at = T0 + day * DAY_US
    return [events.patient_read(ctx(actor, at + i), pid(100 + i)) for i in range(patients)] + [
        events.patient_read(ctx(actor, at + 500), pid(100))
    ]  # again: the same patient


def test_a_day_unlike_own_days_and_peers_stands_out() -> None:
    made: list[dict[str, Any]] = []
    for day in range(-8, 1):
        for actor, usual in (("dr-a", 6), ("dr-b", 7), ("dr-c", 5)):
            made += day_of_reads(actor, day, 80 if (actor, day) == ("dr-b", 0) else usual)
    found = [f for f in report(log(*made)) if f.concern == Concern.VOLUME]
    assert [(f.actor, f.times) for f in found] == [("dr-b", 80)]
    unusual = found[0].unusual
    assert unusual is not None
    assert unusual.usual == 7
    assert unusual.peers == 5.5
    assert unusual.score > 20


def test_a_busy_day_of_all_is_not_unusual_and_few_patients_never_are() -> None:
    busy: list[dict[str, Any]] = []
    for day in range(-8, 1):
        for n in range(6):
            busy += day_of_reads(f"dr-{n}", day, 40 if day == 0 else 12)
    assert report(log(*busy)) == []
    small: list[dict[str, Any]] = []
    for day in range(-8, 1):
        small += day_of_reads("dr-a", day, 9 if day == 0 else 1)
    assert report(log(*small)) == []


def test_robust_z() -> None:
    assert robust_z(10, [1, 2]) is None
    assert robust_z(5, [5] * 9) == 0
    assert robust_z(9, [4] * 9) == 2.5  # Poisson floor: (9 - 4) / sqrt(4)
    wild = [10, 11, 9, 10, 12, 8, 500]
    score = robust_z(30, wild)
    assert score is not None
    assert score > 5  # one wild day hides nothing
    assert unusual_volume({}, {}, "2026-01-01") == []
    assert unusual_volume({("a", "2026-01-01"): ["p"] * 99}, {}, "2026-01-01") == []


def test_kinds_are_told_apart() -> None:
    assert Kind.READ == "read"


def _reads(*times: tuple[int, bool], actor: str = "dr-b", patient: int = 4) -> list[Seen]:
    return log(
        *(
            events.patient_read(
                ctx(actor, T0 + at_s * 1_000_000, refresh=refresh), pid(patient), ["chart/summary"]
            )
            for at_s, refresh in times
        )
    )


def test_a_page_that_refreshes_itself_was_opened_once() -> None:
    seen = _reads((0, False), (5, True), (10, True), (130, True), (131, False), (600, True))
    (viewing,) = who_saw(seen, [pid(4)])
    # The last one follows nothing: what the browser says is not believed then.
    assert (viewing.times, viewing.refreshed) == (3, 3)
    assert viewing.last_us == T0 + 600_000_000


def test_saying_refresh_hides_nobody() -> None:
    (viewing,) = who_saw(_reads((0, True), (5, True)), [pid(4)])
    assert (viewing.times, viewing.refreshed) == (1, 1)
    seen = _reads((0, True), actor="dr-a", patient=2)
    assert Concern.OWN_FAMILY in {f.concern for f in report(seen)}


def test_the_report_counts_openings() -> None:
    seen = _reads((0, False), (5, True), (10, True), actor="dr-a", patient=2)
    (found,) = [f for f in report(seen) if f.concern is Concern.OWN_FAMILY]
    assert found.times == 1
