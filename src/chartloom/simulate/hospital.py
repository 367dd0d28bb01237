"""The hospital: all patients' events in order, written by their systems, sent over their wires."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from chartloom.simulate.dialects import Scene, render
from chartloom.simulate.feeds import FEEDS
from chartloom.simulate.house import clinicians
from chartloom.simulate.life import begin
from chartloom.simulate.patient import Bustle, Event, Patient
from chartloom.simulate.population import Person, people
from chartloom.simulate.rates import Rates
from chartloom.simulate.times import DAY, SECOND, to_us
from chartloom.simulate.truth import Recorder, Truth
from chartloom.simulate.wire import Line, Sent, SimMessage, Wire

DEFAULT_START = datetime.fromisoformat("2026-03-02T00:00:00-07:00")


class Due(NamedTuple):
    """A message and when to send it, in seconds since the start of the live run."""

    due_s: float
    message: SimMessage


class Hospital:
    """A simulated hospital. The same arguments give the same bytes, on every machine.

    patients: how many people (a mother at the end brings her baby along). start: where "now" of the
    simulation begins. history_days: how much of their past is told before ``start``. bustle: from
    ``start`` on people fall ill that many times as often, so that a small house shows some life.
    """

    def __init__(
        self,
        seed: int,
        *,
        patients: int = 200,
        start: datetime = DEFAULT_START,
        history_days: int = 180,
        rates: Rates | None = None,
        bustle: float = 1.0,
    ) -> None:
        self.seed = seed
        self.rates = rates or Rates()
        self.start_us = to_us(start)
        self.from_us = self.start_us - history_days * DAY
        self.bustle = Bustle(self.start_us, bustle)
        self.staff = clinicians(seed)
        self.people: list[Person] = people(seed, patients, self.from_us, self.rates)

    def events(self) -> Iterator[tuple[Patient, Event]]:
        """All events of all patients in order of recording, for ever.

        The patient's state is the one of the moment; it is valid until the next step.
        """
        return heapq.merge(
            *(self._life(person) for person in self.people),
            key=lambda item: (item[1].at_us, item[0].person.index),
        )

    def _life(self, person: Person) -> Iterator[tuple[Patient, Event]]:
        patient = Patient(person, self.seed, self.rates, self.staff, self.bustle)
        if person.mother >= 0:
            patient.mother = self.people[person.mother]
        begin(patient, self.from_us)
        for event in patient.events():
            yield patient, event

    def messages(
        self, *, days: float | None = None, until: datetime | None = None
    ) -> Iterator[SimMessage]:
        """Messages in the order in which they are sent, history first.

        days: how long after ``start`` things go on to happen (0: history only); ``until``: the
        same as a time; neither: for ever. What is then still on its way arrives as well.
        """
        for message, _ in self._sent(self._end_us(days, until), None):
            yield message

    def truth(self, *, days: float | None = None, until: datetime | None = None) -> Truth:
        """The truth beside ``messages`` with the same arguments (runs the simulation again)."""
        end_us = self._end_us(days, until)
        if end_us is None:
            raise ValueError("an endless simulation has no final truth: give days or until")
        recorder = Recorder()
        for _ in self._sent(end_us, recorder):
            pass
        return recorder.truth(self.seed, self.from_us, end_us, self.people)

    def live(
        self, speed: float = 1.0, *, now_us: int | None = None, skip: int = 0
    ) -> Iterator[Due]:
        """For ever: history at once (due 0), then life at ``speed`` simulated s per second.

        With ``now_us`` (the real time at the start of the run) nothing is sent before it happens:
        a faster simulation that caught up with the present goes on in real time. skip: how many
        messages an earlier run has sent; life goes on at once where it stopped.
        """
        begin_us = self.start_us
        for number, (message, _) in enumerate(self._sent(None, None)):
            if number < skip:
                begin_us = max(begin_us, message.at_us)
                continue
            since_s = (message.at_us - begin_us) / SECOND
            due_s = since_s / speed
            if now_us is not None:
                due_s = max(due_s, (message.at_us - now_us) / SECOND)
            yield Due(max(due_s, 0.0), message)

    def write_truth(self, path: Path, *, days: float) -> None:
        """The truth as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self.truth(days=days)), indent=1))

    def write_messages(self, folder: Path, *, days: float) -> int:
        """One file per message, named so that sorting gives the order of sending; how many."""
        folder.mkdir(parents=True, exist_ok=True)
        count = 0
        for count, message in enumerate(self.messages(days=days), 1):
            ending = "json" if message.feed == "fhir" else "hl7"
            (folder / message.feed).mkdir(exist_ok=True)
            (folder / message.feed / f"{count:08d}.{ending}").write_bytes(message.body)
        return count

    def _end_us(self, days: float | None, until: datetime | None) -> int | None:
        if until is not None:
            return to_us(until)
        return None if days is None else self.start_us + int(days * 86_400) * SECOND

    def _sent(self, end_us: int | None, recorder: Recorder | None) -> Iterator[Sent]:
        wires = {name: Wire(name, self.seed, self.rates) for name in FEEDS}
        line = Line()
        for patient, event in self.events():
            if end_us is not None and event.at_us >= end_us:
                break
            for sent in line.ready(event.at_us - SECOND):
                if recorder is not None:
                    recorder.message(sent[1])
                yield sent
            if recorder is not None:
                recorder.event(patient.person.index, event)
            if event.feed:
                for sent in _write(wires[event.feed], patient, event):
                    line.put(sent)
        for sent in line.rest():
            if recorder is not None:
                recorder.message(sent[1])
            yield sent


def _write(wire: Wire, patient: Patient, event: Event) -> Iterator[Sent]:
    control_id = wire.control_id()
    body = render(Scene(patient, event, control_id))
    return wire.send(body, event.trigger, control_id, patient.person.index, event.at_us)
