"""Who there is: the identifiers by which source patients are found, and the first word of each.

Which of them are one person is decided in ``deciding.py`` and ``clusters.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from chartloom.domain.message import Message
from chartloom.domain.resource import Contribution, Derived, PatientIdentifier
from chartloom.engines.postgres.traits import starts, told_by, traits
from chartloom.guard import Guard
from chartloom.registry.persons.lookup import looked_up

_RECORD_TYPES = {"MR", "PI"}
_REMEMBERED_MAX = 400_000

#: Of so many source patients the last word is remembered.
_SAID_MAX = 20_000

_Said = tuple[tuple[PatientIdentifier, ...], Any]


def record_numbers(patient: Contribution) -> Iterator[str]:
    """``authority|number`` of each identifier of type MR or PI that names its authority."""
    for identifier in patient.resource.get("identifier", ()):
        codes = {c.get("code") for c in identifier.get("type", {}).get("coding", ())}
        assigner = identifier.get("assigner", {})
        authority = identifier.get("system") or assigner.get("display") or ""
        if codes & _RECORD_TYPES and authority and identifier.get("value"):
            yield f"{authority}|{identifier['value']}"


def blinds(guard: Guard, kind: str, system: str, value: str) -> list[bytes]:
    """The fingerprints under which one identifier is found: by its value and, if ``system`` (of
    the form ``type|system``) names one, by system and value, whatever its type is."""
    found = [guard.blind(kind, looked_up(value))]
    if kind == "identifier" and (whose := system.partition("|")[2]):
        found.append(blind_of_system(guard, whose, value))
    return found


def blind_of_system(guard: Guard, system: str, value: str) -> bytes:
    """The fingerprint of an identifier of a system, whatever its type."""
    return guard.blind("system|identifier", f"{looked_up(system)}|{looked_up(value)}")


class First(NamedTuple):
    """A source patient that may be new, with the message that told of it first."""

    patient: str
    position: int
    at_us: int


class Who(NamedTuple):
    """What is to be written about who is who: rows in order."""

    identifiers: list[tuple[bytes, str]]  #: blind fingerprint, source patient
    patients: list[First]
    records: list[tuple[bytes, str]]  #: blind record number, source patient


class PersonIndex:
    """Collects identifiers and record numbers; remembers what is written already."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._known: set[tuple[str, ...]] = set()
        self._fresh: list[tuple[str, ...]] = []
        #: What the last message about a source patient said; the next one of the same sender (who
        #: gives so many numbers and names) mostly says the same.
        self._said: dict[tuple[str, int, int], _Said] = {}
        self._fresh_said: dict[tuple[str, int, int], _Said] = {}

    def clear(self) -> None:
        """Forgets what is written (after a rebuild or a lost connection)."""
        self._known.clear()
        self._said.clear()

    def committed(self) -> None:
        """What the last :meth:`collect` gave is durable."""
        if len(self._known) > _REMEMBERED_MAX:
            self._known.clear()
        if len(self._said) > _SAID_MAX:
            self._said.clear()
        self._known.update(self._fresh)
        self._said.update(self._fresh_said)

    def _new(self, *key: str) -> bool:
        if key in self._known:
            return False
        self._fresh.append(key)
        return True

    def collect(self, derived: Sequence[Derived], messages: Sequence[Message]) -> Who:
        """All that a batch says about who is who and that is not known to be written already."""
        self._fresh, self._fresh_said = [], {}
        told, identifiers, records = self._collect(derived)
        received = {m.position: m.received_at_us for m in messages} if told else {}
        patients = [First(p, told[p], received[told[p]]) for p in sorted(told)]
        return Who(sorted(identifiers), patients, sorted(records))

    def _collect(
        self, derived: Sequence[Derived]
    ) -> tuple[dict[str, int], set[tuple[bytes, str]], set[tuple[bytes, str]]]:
        patients: dict[str, int] = {}
        identifiers: set[tuple[bytes, str]] = set()
        records: set[tuple[bytes, str]] = set()
        for d in derived:
            if (said := _said(d)) is not None:
                key = (d.source_patient, len(d.identifiers), len(said[1][0]) if said[1] else 0)
                if self._said.get(key) == said:
                    continue
                self._fresh_said[key] = said
            for who in _patients(d):
                if self._new("p", who):
                    patients[who] = min(patients.get(who, d.position), d.position)
            for i in d.identifiers:
                if i.value and self._new(i.kind, i.system, i.value, i.source_patient):
                    for blind in blinds(self._guard, i.kind, i.system, i.value):
                        identifiers.add((blind, i.source_patient))
                    for blind in starts(self._guard, i.kind, i.value):
                        identifiers.add((blind, i.source_patient))
            for c in d.contributions:
                if c.type == "Patient":
                    for number in record_numbers(c):
                        if self._new("record", number, c.source_patient):
                            blind = self._guard.blind("record", number)
                            records.add((blind, c.source_patient))
                    for kind, value in traits(c.resource):
                        if self._new(kind, value, c.source_patient):
                            (blind,) = blinds(self._guard, kind, "", value)
                            identifiers.add((blind, c.source_patient))
        return patients, identifiers, records


def _said(d: Derived) -> _Said | None:
    """All that a message says about who is who, if it speaks of one source patient only."""
    who, numbers = d.source_patient, None
    if not who or d.links or d.quarantine:
        return None
    for c in d.contributions:
        if not c.directory:
            if c.source_patient != who:
                return None
            if c.resource["resourceType"] == "Patient":
                if numbers is not None:
                    return None
                numbers = (c.resource.get("identifier", ()), told_by(c.resource))
    for i in d.identifiers:
        if i.source_patient != who:
            return None
    return d.identifiers, numbers


def _patients(d: Derived) -> set[str]:
    found = {c.source_patient for c in d.contributions if not c.directory}
    found.update(p for e in d.links for p in (e.surviving, e.prior))
    found.update(i.source_patient for i in d.identifiers)
    if not d.quarantine:
        found.add(d.source_patient)
    found.discard("")
    return found
