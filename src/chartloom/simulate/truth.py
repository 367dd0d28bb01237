"""The ground truth beside the messages: what is so, and what each message is.

Truth is the last fact of every key in the order of recording; only a perfect reader of all
messages, however late, doubled or garbled they come, ends up with the same.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chartloom.simulate import facts as f
from chartloom.simulate.patient import Event
from chartloom.simulate.population import Person


class PersonTruth(msgspec.Struct, frozen=True):
    """Everything true of one person. Lists are in order of first appearance."""

    person: Person
    demographics: tuple[f.Demographics, ...] = ()
    identifiers: tuple[f.Identifier, ...] = ()
    encounters: tuple[f.Encounter, ...] = ()
    problems: tuple[f.Problem, ...] = ()
    allergies: tuple[f.Allergy, ...] = ()
    medications: tuple[f.Medication, ...] = ()
    dispenses: tuple[f.Dispense, ...] = ()
    administrations: tuple[f.Administration, ...] = ()
    orders: tuple[f.Order, ...] = ()
    results: tuple[f.Result, ...] = ()
    immunizations: tuple[f.Immunization, ...] = ()
    appointments: tuple[f.Appointment, ...] = ()
    documents: tuple[f.Document, ...] = ()
    charges: tuple[f.Charge, ...] = ()
    consents: tuple[f.Consent, ...] = ()


class MessageTruth(msgspec.Struct, frozen=True):
    """What one sent message is.

    role: ``original``; ``duplicate`` (the identical bytes of ``of``); ``cut-short`` (``of`` without
    its last segments, perhaps of its PID too; harmless, because ``of`` follows); ``cut-header`` and
    ``garbage`` (must be quarantined). flags: ``late``, ``out-of-order``, ``conflict`` (control id
    used before with other bytes), ``stripped``.
    """

    ref: str
    feed: str
    kind: str
    control_id: str
    person: int
    at_us: int
    event_us: int
    role: str
    of: str = ""
    flags: tuple[str, ...] = ()

    @property
    def must_quarantine(self) -> bool:
        """Whether nothing of it may be applied."""
        return self.role in ("garbage", "cut-header")


class Truth(msgspec.Struct, frozen=True):
    """A whole simulation's truth."""

    seed: int
    from_us: int
    to_us: int
    persons: tuple[PersonTruth, ...]
    messages: tuple[MessageTruth, ...]

    def person(self, index: int) -> PersonTruth:
        """One person by index."""
        return self.persons[index]


_FIELD = {
    f.Demographics: "demographics",
    f.Identifier: "identifiers",
    f.Encounter: "encounters",
    f.Problem: "problems",
    f.Allergy: "allergies",
    f.Medication: "medications",
    f.Dispense: "dispenses",
    f.Administration: "administrations",
    f.Order: "orders",
    f.Result: "results",
    f.Immunization: "immunizations",
    f.Appointment: "appointments",
    f.Document: "documents",
    f.Charge: "charges",
    f.Consent: "consents",
}


class Recorder:
    """Collects the truth while a simulation runs; memory grows with it."""

    def __init__(self) -> None:
        self._persons: dict[int, dict[str, dict[str, Any]]] = {}
        self._messages: list[MessageTruth] = []

    def event(self, index: int, event: Event) -> None:
        """Takes an event's facts; later ones replace earlier ones of the same key."""
        person = self._persons.setdefault(index, {})
        for fact in event.facts:
            person.setdefault(_FIELD[type(fact)], {})[fact.key] = fact

    def message(self, message: MessageTruth) -> None:
        """Takes what a sent message is."""
        self._messages.append(message)

    def truth(self, seed: int, from_us: int, to_us: int, people: list[Person]) -> Truth:
        """Everything taken so far."""
        persons = tuple(
            PersonTruth(
                person,
                **{k: tuple(v.values()) for k, v in self._persons.get(person.index, {}).items()},
            )
            for person in people
        )
        return Truth(seed, from_us, to_us, persons, tuple(self._messages))
