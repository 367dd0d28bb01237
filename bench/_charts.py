"""Charts of simulated lives, made by the real mapping, merge and views, without a store."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from chartloom.chart import ChartSummary, merge, place, rebuild_part, summary, view_key
from chartloom.domain.chart import PlacedState, SectionView, ViewKey
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.issues import Severity
from chartloom.domain.message import Message
from chartloom.domain.resource import ResourceState, Stamp
from chartloom.normalize import load_mapping
from chartloom.simulate import FEEDS, Hospital, SimMessage
from chartloom.simulate.therapies import SOURCES, Life, write
from chartloom.simulate.truth import PersonTruth

_MAPPINGS = {"hl7v2": load_mapping("hl7v2"), "fhir": load_mapping("fhir")}


def chart_of(life: Life, now_us: int) -> tuple[ChartSummary, dict[str, str]]:
    """(the person's chart at ``now_us``, resource id -> feed that spoke of it last)."""
    states: dict[str, ResourceState] = {}
    speakers: dict[str, str] = {}
    for position, happening in enumerate(life.happenings, start=1):
        body = write(happening, life.person)
        feed = SOURCES[happening.source]
        message = Message(position, feed.name, body, happening.at_us, hashlib.sha256(body).digest())
        derived = _MAPPINGS[feed.mapping].derive(message, feed, EXAMPLE_NAMESPACE)
        refused = [i.code for i in derived.issues if i.severity is Severity.ERROR]
        if derived.quarantine or refused:
            raise RuntimeError(f"a simulated message is refused: {derived.quarantine} {refused}")
        stamp = Stamp(1, derived.event_us, derived.position)
        for contribution in derived.contributions:
            if not contribution.directory:
                known = states.get(contribution.id)
                states[contribution.id] = merge(known, contribution, stamp)
                speakers[contribution.id] = feed.name
    rows: dict[ViewKey, list[PlacedState]] = defaultdict(list)
    for state in states.values():
        placed = place(state)
        if (key := view_key(placed)) is not None:
            rows[key].append(placed)
    views = [rebuild_part(key, placed) for key, placed in rows.items()]
    return summary(views, now_us), speakers


def house_charts(
    hospital: Hospital,
    days: float,
    besides: Callable[[PersonTruth], Iterable[SimMessage]] = lambda _: (),
) -> Iterator[tuple[PersonTruth, ChartSummary, dict[str, str], dict[str, str]]]:
    """Of each person of the simulated house: truth, chart, speakers, and number of an order -> id.

    What the house and the clinic write about one person is one chart, as identity would join it.
    besides: what some other system tells of a person after that.
    """
    believer = _Heard()
    for message in hospital.messages(days=days):
        believer.hear(message)
    truth = hospital.truth(days=days)
    for person in truth.persons:
        for message in besides(person):
            believer.hear(message)
    for person in truth.persons:
        views = [view for mine in believer.records(person) for view in mine]
        yield person, summary(views, truth.to_us), believer.speakers, believer.orders()


class _Heard:
    def __init__(self) -> None:
        self.states: dict[str, ResourceState] = {}
        self.speakers: dict[str, str] = {}
        self.position = 0
        self._owned: dict[str, list[list[SectionView]]] = {}
        self._orders: dict[str, str] = {}

    def hear(self, m: SimMessage) -> None:
        self.position += 1
        feed = FEEDS[m.feed]
        message = Message(self.position, m.feed, m.body, m.at_us, hashlib.sha256(m.body).digest())
        derived = _MAPPINGS[feed.mapping].derive(message, feed, EXAMPLE_NAMESPACE)
        stamp = Stamp(1, derived.event_us, derived.position)
        for contribution in derived.contributions:
            if not contribution.directory:
                known = self.states.get(contribution.id)
                self.states[contribution.id] = merge(known, contribution, stamp)
                self.speakers[contribution.id] = feed.name

    def orders(self) -> dict[str, str]:
        """Number of an order -> id of its resource."""
        if not self._orders:
            self._orders = {
                i.get("value", ""): id
                for id, state in self.states.items()
                if state.type == "MedicationRequest"
                for i in state.resource.get("identifier", ())
            }
        return self._orders

    def records(self, person: PersonTruth) -> Iterator[list[SectionView]]:
        """The views of each of the person's records."""
        self._owned = self._owned or self._by_number()
        seen: list[list[SectionView]] = []
        for number in sorted({i.value for i in person.identifiers}):
            seen += [rows for rows in self._owned.get(number, ()) if rows not in seen]
        yield from seen

    def _by_number(self) -> dict[str, list[list[SectionView]]]:
        rows: dict[str, dict[ViewKey, list[PlacedState]]] = defaultdict(lambda: defaultdict(list))
        numbers: dict[str, set[str]] = defaultdict(set)
        for state in self.states.values():
            placed = place(state)
            if (key := view_key(placed)) is not None:
                rows[key.source_patient][key].append(placed)
            if state.type == "Patient":
                for identifier in state.resource.get("identifier", ()):
                    numbers[identifier.get("value", "")].add(state.source_patient)
        made = {
            owner: [rebuild_part(key, placed) for key, placed in mine.items()]
            for owner, mine in rows.items()
        }
        return {n: [made[o] for o in sorted(owners) if o in made] for n, owners in numbers.items()}
