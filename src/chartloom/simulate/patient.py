"""One patient's life as a stream of events, woven from several processes.

A *process* is a generator that yields when it wants to run next and gets back when it really runs.
Processes that need the patient (visits) wait until nothing else holds them. What a process emits
is held back until its time has come; only then the patient's state changes, so that a message that
was planned early still shows the address or allergy list of the moment it is written.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from random import Random
from typing import NamedTuple, TypeAlias, TypeVar

import msgspec

from chartloom.simulate.facts import Allergy, Demographics, Encounter, Fact, Medication, Problem
from chartloom.simulate.house import Clinician
from chartloom.simulate.population import Person
from chartloom.simulate.rates import Rates
from chartloom.simulate.times import HOUR, SECOND, waiting


class Wake(NamedTuple):
    """When a process wants to run next; ``exclusive``: only while no visit holds the patient."""

    at_us: int
    exclusive: bool = False


Process: TypeAlias = Generator[Wake, int, None]
_F = TypeVar("_F")
_VISITS_KEPT = 8


class Event(msgspec.Struct, frozen=True):
    """Something that happened, with the facts as they stand after it.

    at_us: when a system recorded it. feed: which system says so; "" for what nobody is told.
    trigger: message type, e.g. ``ADT^A01``. mrn: the record number in use; "" for the usual one.
    """

    at_us: int
    feed: str
    trigger: str
    facts: tuple[Fact, ...]
    mrn: str = ""


class Bustle(msgspec.Struct, frozen=True):
    """From ``from_us`` on illness and visits come ``times`` as often as usual."""

    from_us: int = 0
    times: float = 1.0


class Patient:
    """Mutable only in here: the state that messages are written from."""

    def __init__(
        self,
        person: Person,
        seed: int,
        rates: Rates,
        staff: tuple[Clinician, ...],
        bustle: Bustle | None = None,
    ) -> None:
        self.person = person
        self.rates = rates
        self.staff = staff
        self.bustle = bustle or Bustle()
        self.mother: Person | None = None
        self.demographics: Demographics = person.demographics
        self.allergies: dict[str, Allergy] = {}
        self.problems: dict[str, Problem] = {}
        self.medications: dict[str, Medication] = {}
        self.visits: dict[str, Encounter] = {}  #: the latest few, as they stand
        self.busy_until_us = 0
        self.ends_us = 0  #: time of death, 0 while alive
        self._seed = seed
        self._counters: dict[str, int] = {}
        self._processes: list[tuple[int, int, bool, Process]] = []
        self._pending: list[tuple[int, int, Event]] = []
        self._sequence = 0

    def rng(self, stream: str) -> Random:
        """An own random stream, so that one process does not disturb another."""
        return Random(f"{self._seed}/{self.person.index}/{stream}")

    def number(self, prefix: str) -> str:
        """The next number of a kind: unique in the house, because it holds the person's."""
        n = self._counters[prefix] = self._counters.get(prefix, 0) + 1
        return f"{prefix}{self.person.index:06d}{n:05d}"

    def sooner(self, from_us: int, to_us: int) -> int:
        """``to_us``, or earlier where the house is busier than usual (see :class:`Bustle`)."""
        busy_us = max(from_us, self.bustle.from_us)
        if to_us <= busy_us or self.bustle.times == 1.0:
            return to_us
        return busy_us + int((to_us - busy_us) / self.bustle.times) // SECOND * SECOND

    def after(self, rng: Random, from_us: int, mean_us: int) -> int:
        """A random time after ``from_us``, ``mean_us`` later on average in a usual house."""
        return self.sooner(from_us, from_us + waiting(rng, mean_us))

    def spawn(self, process: Process) -> None:
        """Starts a process."""
        wake = next(process, None)
        if wake is not None:
            self._push(wake, process)

    def emit(self, at_us: int, feed: str, trigger: str, *facts: Fact, mrn: str = "") -> None:
        """Plans an event; it takes effect when its time has come."""
        self._sequence += 1
        event = Event(at_us, feed, trigger, facts, mrn)
        heapq.heappush(self._pending, (at_us, self._sequence, event))

    def hold(self, until_us: int) -> None:
        """A visit holds the patient until then."""
        self.busy_until_us = max(self.busy_until_us, until_us)

    def events(self) -> Iterator[Event]:
        """The patient's events, strictly increasing in time by at least a second, for ever."""
        last_us = 0
        while self._processes or self._pending:
            while self._pending and (
                not self._processes or self._pending[0][0] < self._processes[0][0]
            ):
                event = heapq.heappop(self._pending)[2]
                if self.ends_us and event.at_us > self.ends_us + 72 * HOUR:
                    continue
                if event.at_us <= last_us:
                    event = msgspec.structs.replace(event, at_us=last_us + SECOND)
                last_us = event.at_us
                self._apply(event)
                yield event
            if self._processes:
                self._advance()

    def _advance(self) -> None:
        at_us, _, exclusive, process = heapq.heappop(self._processes)
        if self.ends_us and at_us > self.ends_us:
            return
        if exclusive and self.busy_until_us > at_us:
            self._push(Wake(self.busy_until_us + HOUR, True), process)
            return
        try:
            wake = process.send(at_us)
        except StopIteration:
            return
        self._push(Wake(max(wake.at_us, at_us + SECOND), wake.exclusive), process)

    def _push(self, wake: Wake, process: Process) -> None:
        self._sequence += 1
        heapq.heappush(self._processes, (wake.at_us, self._sequence, wake.exclusive, process))

    def _apply(self, event: Event) -> None:
        for fact in event.facts:
            if isinstance(fact, Demographics):
                self.demographics = fact
            elif isinstance(fact, Encounter):
                self.visits[fact.visit] = fact
                if len(self.visits) > _VISITS_KEPT:
                    del self.visits[next(iter(self.visits))]
            elif isinstance(fact, Allergy):
                _keep(self.allergies, fact.key, fact, fact.status == "active")
            elif isinstance(fact, Problem):
                _keep(self.problems, fact.key, fact, fact.status == "active")
            elif isinstance(fact, Medication):
                _keep(self.medications, fact.key, fact, fact.status == "active")

    def age_days(self, at_us: int) -> int:
        """Age in days."""
        return (at_us - self.person.birth_us) // (24 * HOUR)


def _keep(facts: dict[str, _F], key: str, fact: _F, active: bool) -> None:
    if active:
        facts[key] = fact
    else:
        facts.pop(key, None)
