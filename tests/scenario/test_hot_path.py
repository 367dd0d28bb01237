"""Real messages through the real store: in, chart, corrected, cancelled, late, merged, replayed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from tests.support.clock import FakeClock
from tests.support.hl7_examples import adt, oru

from chartloom.chart import ChartSummary, summary
from chartloom.domain.errors import LaneLost
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Arrival, Format, LandingOutcome, MessageState
from chartloom.domain.store import MessageFilter, ReplayScope
from chartloom.engines.postgres import PostgresStore
from chartloom.formats.hl7v2 import peek
from chartloom.hot import BatchReport, Worker
from chartloom.normalize import Mapping, load_mapping
from chartloom.sources.intake import Hl7Intake

FEED = Feed("adt", "it", "it", "mllp", Format.HL7V2, namespace="hospital")
LAB = Feed("lab", "lab", "lab", "mllp", Format.HL7V2, namespace="hospital")
FEEDS = {"adt": FEED, "lab": LAB}
POTASSIUM, SODIUM = "2823-3^Potassium^LN", "2951-2^Sodium^LN"
ADMITTED = "20240101080000"


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return load_mapping("hl7v2")


class Site:
    """One store with one worker; ``send`` is landing and working until nothing waits."""

    def __init__(self, store: PostgresStore, mapping: Mapping, batch_max: int = 500) -> None:
        self.store, self.reports = store, list[BatchReport]()
        self.grant: Grant = store.guard.mint("tester", Purpose.TREATMENT)
        self.namespace = EXAMPLE_NAMESPACE  # so that two stores can be compared
        self.worker = Worker(
            store,
            {name: (feed, mapping) for name, feed in FEEDS.items()},
            self.namespace,
            store.clock,
            lambda: self.grant,
            "w1",
            64,
            batch_max,
            on_batch=self.reports.append,
        )
        store.save_project_version(mapping.fingerprint, mapping.files)

    def arrival(self, body: bytes, feed: str = "") -> Arrival:
        seen = peek(body)
        name = feed or ("lab" if b"|LAB|" in body[:40] else "adt")
        return Hl7Intake(FEEDS[name], self.namespace).arrival(body, seen, self.store.clock.now_us())

    def send(self, *bodies: bytes) -> list[LandingOutcome]:
        receipts = self.store.land([self.arrival(b) for b in bodies])
        self.work()
        return [r.outcome for r in receipts]

    def work(self) -> None:
        while True:
            try:
                if not self.worker.run_once():
                    return
            except LaneLost:  # after a rebuild, once
                continue

    def patient(self, number: str = "123") -> str:
        return self.arrival(adt("A08", "x", ADMITTED, number=number)).source_patient

    def chart(self, number: str = "123") -> ChartSummary:
        person = self.store.person(self.grant, self.patient(number))
        return summary(self.store.sections(self.grant, person.source_patients), 0)

    def digest(self) -> str:
        return self.store.digest(self.grant)


@pytest.fixture
def site(store_factory: Callable[..., PostgresStore], mapping: Mapping) -> Site:
    return Site(store_factory(clock=FakeClock()), mapping)


def stay_of(chart: ChartSummary) -> dict[str, Any]:
    (entry,) = chart.sections["encounters"].entries
    return entry


def result_of(chart: ChartSummary, name: str = "Potassium") -> dict[str, Any]:
    (found,) = [e for e in chart.sections["results"].entries if e["text"] == name]
    return found


STORY = [
    adt("A01", "1", ADMITTED, {3: "ICU^1^1", 44: ADMITTED}, patient={11: "1 Main St^^Town"}),
    oru("2", "20240101100000", ((POTASSIUM, "5.50", "H"),), drawn="20240101090000"),
    adt("A02", "3", "20240102080000", {3: "WARD^2^1", 6: "ICU^1^1", 44: ADMITTED}),
    oru("4", "20240102100000", ((POTASSIUM, "4.10", "N"),), drawn="20240102090000", order="F2"),
    oru(
        "5",
        "20240102110000",
        ((POTASSIUM, "4.60", "N"), (SODIUM, "140", "N")),
        drawn="20240102090000",
        order="F2",
        status="C",
    ),
    adt("A03", "6", "20240105090000", {3: "WARD^2^1", 45: "20240105090000"}),
    adt("A08", "7", "20240106090000", {3: "WARD^2^1"}, patient={13: "555-1234"}),
]


def test_messages_become_a_chart(site: Site) -> None:
    site.send(*STORY)
    chart = site.chart()
    assert chart.patient is not None
    assert chart.patient["name"] == "JANE DOE"
    assert chart.patient["birth_date"] == "1970-01-01"
    assert chart.patient["addresses"][0]["text"] == "1 Main St, Town"
    assert chart.patient["telecom"][0]["value"] == "555-1234"
    stay = stay_of(chart)
    assert (stay["status"], stay["class"]) == ("finished", "IMP")
    assert stay["start"].startswith("2024-01-01T08:00")
    assert stay["end"].startswith("2024-01-05T09:00")
    assert [p["text"] for p in stay["locations"]] == ["ICU 1 1", "WARD 2 1"]
    assert stay["attending"] == "ANN ATTEND"
    potassium = result_of(chart)
    assert (potassium["unit"], potassium["count"]) == ("mmol/L", 2)
    latest, previous = potassium["points"]
    assert (latest["value"], latest["status"], latest["corrected"]) == ("4.60", "corrected", True)
    assert (previous["value"], previous["flags"]) == ("5.50", ["H"])
    assert previous["range"] == {"low": "3.5", "high": "5.1", "text": "3.5-5.1"}
    reports = chart.sections["reports"].entries
    assert [len(r["results"]) for r in reports] == [2, 1]
    assert sum(r.quarantined for r in site.reports) == 0


@pytest.mark.parametrize("seed", range(4))
def test_late_messages_and_small_batches_end_in_the_same_chart(
    store_factory: Callable[..., PostgresStore], mapping: Mapping, seed: int
) -> None:
    in_order = Site(store_factory(clock=FakeClock()), mapping)
    in_order.send(*STORY)
    late = Site(store_factory(clock=FakeClock()), mapping, batch_max=1 + seed)
    shuffled = random.Random(seed).sample(STORY, len(STORY))
    for body in shuffled:
        late.send(body)
    assert late.chart() == in_order.chart()


def test_duplicates_are_not_applied_and_reused_control_ids_are(site: Site) -> None:
    assert site.send(STORY[0]) == [LandingOutcome.LANDED]
    before = site.digest()
    assert site.send(STORY[0]) == [LandingOutcome.DUPLICATE]
    assert site.digest() == before
    other = adt("A08", "1", "20240101090000", {3: "ICU^1^1"}, patient={13: "555-9999"})
    assert site.send(other) == [LandingOutcome.CONFLICT]
    row = site.store.search(site.grant, MessageFilter())[0]
    issues = site.store.detail(site.grant, row.position).issues
    assert "control-id-reused" in [i.code for i in issues]
    assert site.chart().patient["telecom"][0]["value"] == "555-9999"  # type: ignore[index]


def test_a_cancelled_admission_leaves_no_stay(site: Site) -> None:
    site.send(STORY[0], adt("A11", "9", "20240101090000", {3: "ICU^1^1"}))
    chart = site.chart()
    assert chart.sections["encounters"].entries == ()
    assert chart.sections["encounters"].total == 0
    assert chart.patient is not None


def test_a_cancelled_transfer_puts_the_patient_back(site: Site) -> None:
    site.send(STORY[0], STORY[2])
    assert stay_of(site.chart())["location"] == "WARD 2 1"
    site.send(adt("A12", "9", "20240102090000", {3: "ICU^1^1", 44: ADMITTED}))
    assert stay_of(site.chart())["location"] == "ICU 1 1"


def test_a_cancelled_discharge_opens_the_stay_again(site: Site) -> None:
    site.send(STORY[0], STORY[5])
    assert stay_of(site.chart())["status"] == "finished"
    site.send(adt("A13", "9", "20240105100000", {3: "WARD^2^1", 44: ADMITTED, 45: '""'}))
    stay = stay_of(site.chart())
    assert (stay["status"], "end" in stay) == ("in-progress", False)
    assert stay["start"].startswith("2024-01-01T08:00")


def test_what_a_source_nulls_is_gone_and_what_it_omits_stays(site: Site) -> None:
    site.send(
        STORY[0],
        adt("A08", "9", "20240103090000", {3: "ICU^1^1"}, patient={11: '""'}),
    )
    patient = site.chart().patient
    assert patient is not None
    assert "addresses" not in patient
    assert patient["name"] == "JANE DOE"


def test_merged_records_are_one_chart_and_resources_stay_where_they_were(site: Site) -> None:
    site.send(
        adt("A01", "1", ADMITTED, {3: "ICU^1^1"}),
        oru("2", ADMITTED, ((POTASSIUM, "5.5", "H"),), drawn=ADMITTED, number="999"),
        oru("3", ADMITTED, ((POTASSIUM, "4.0", "N"),), drawn="20240103080000", order="F9"),
    )
    assert site.chart().source_patients == (site.patient(),)
    before = {s.id: s for s in _states(site, "999")}
    site.send(adt("A40", "4", "20240103090000", more=("MRG|999^^^HOSP^MR",)))
    chart = site.chart()
    assert set(chart.source_patients) == {site.patient("123"), site.patient("999")}
    assert [p["value"] for p in result_of(chart)["points"]] == ["4.0", "5.5"]
    assert site.chart("999") == chart
    assert {s.id: s for s in _states(site, "999")} == before


def _states(site: Site, number: str) -> Sequence[Any]:
    placed = site.store.timeline(site.grant, (site.patient(number),))
    return [p.state for p in placed]


def test_garbage_is_quarantined_and_its_lane_goes_on(site: Site) -> None:
    site.send(b"MSH|^~\\&|", *STORY)
    rows = site.store.search(site.grant, MessageFilter(state=MessageState.QUARANTINED))
    assert len(rows) == 1
    assert stay_of(site.chart())["status"] == "finished"
    assert site.store.waiting(site.grant) == 0


def test_a_message_that_trips_the_code_waits_for_the_fix(
    store_factory: Callable[..., PostgresStore], mapping: Mapping
) -> None:
    site = Site(store_factory(clock=FakeClock()), mapping)
    faulty: Any = Faulty(mapping, b"ADT^A02")
    site.worker.mappings = {"adt": (FEED, faulty), "lab": (LAB, mapping)}
    site.send(*STORY)
    (row,) = site.store.search(site.grant, MessageFilter(state=MessageState.QUARANTINED))
    assert row.quarantine == "internal-fault"
    detail = site.store.detail(site.grant, row.position).issues[0].detail
    assert detail.startswith("KeyError at test_hot_path:")
    assert "secret" not in detail
    assert [p["text"] for p in stay_of(site.chart())["locations"]] == ["ICU 1 1", "WARD 2 1"]
    site.worker.mappings = {name: (feed, mapping) for name, feed in FEEDS.items()}
    assert site.store.retry(site.grant, ReplayScope(positions=(row.position,))) == 1
    site.work()
    assert site.store.search(site.grant, MessageFilter(state=MessageState.QUARANTINED)) == []
    straight = Site(store_factory(clock=FakeClock()), mapping)
    straight.send(*STORY)
    assert site.chart() == straight.chart()


class Faulty:
    """A mapping with a bug in one message type."""

    def __init__(self, real: Mapping, trips_on: bytes) -> None:
        self.real, self.trips_on = real, trips_on
        self.name, self.fingerprint, self.files = real.name, real.fingerprint, real.files

    def derive(self, message: Any, feed: Feed, namespace: Any) -> Any:
        if self.trips_on in message.body:
            raise KeyError("secret value of a patient")
        return self.real.derive(message, feed, namespace)


def test_replay_gives_the_identical_store(
    store_factory: Callable[..., PostgresStore], mapping: Mapping
) -> None:
    site = Site(store_factory(clock=FakeClock()), mapping, batch_max=3)
    bodies = [*STORY, *_busy_patients()]
    random.Random(7).shuffle(bodies)
    for start in range(0, len(bodies), 7):
        site.send(*bodies[start : start + 7])
    site.send(b"MSH|^~\\&|", adt("A40", "m", "20240103090000", more=("MRG|999^^^HOSP^MR",)))
    before = site.digest()
    assert site.store.rebuild(site.grant) == len(bodies) + 2
    assert site.digest() != before
    site.worker.batch_max = 500
    site.work()
    assert site.digest() == before


def _busy_patients() -> list[bytes]:
    """Enough results to overflow a series, with corrections and withdrawals."""
    sent = []
    for n in range(60):
        day = f"202402{1 + n % 28:02}"
        status = "X" if n % 9 == 0 else "C" if n % 5 == 0 else "F"
        sent.append(
            oru(
                f"b{n}",
                f"{day}1200{n:02}",
                ((POTASSIUM, f"4.{n:02}", "N"), (SODIUM, f"1{n:02}", "N")),
                drawn=f"{day}0800{n % 7:02}",
                order=f"B{n % 28}",
                status=status,
                number=f"{n % 2}",
            )
        )
    return sent


class Unstorable(Faulty):
    """A mapping that lets through half a surrogate pair, which no store can hold."""

    def derive(self, message: Any, feed: Feed, namespace: Any) -> Any:
        derived = self.real.derive(message, feed, namespace)
        if self.trips_on in message.body:
            first = derived.contributions[0]
            odd = msgspec.structs.replace(first, resource={**first.resource, "language": "\ud800"})
            derived = msgspec.structs.replace(derived, contributions=(odd,))
        return derived


def test_one_culprit_in_a_batch_is_found(site: Site, mapping: Mapping) -> None:
    odd: Any = Unstorable(mapping, b"ADT^A02")
    site.worker.mappings = {"adt": (FEED, odd), "lab": (LAB, mapping)}
    site.send(*STORY)
    (row,) = site.store.search(site.grant, MessageFilter(state=MessageState.QUARANTINED))
    assert row.message_type == "ADT^A02"
    assert row.quarantine in ("internal-fault", "store-refused")
    assert site.store.waiting(site.grant) == 0
    assert stay_of(site.chart())["status"] == "finished"
    assert result_of(site.chart())["count"] == 2
