"""What a batch says anew of who somebody is: records to be matched, ready to be written.

Most messages repeat what is known of their patient. That costs a hash and a comparison in
memory; what was written by this worker before, at the same revision, is not looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from chartloom.domain import codec
from chartloom.domain.chart import PlacedState
from chartloom.domain.resource import FhirJson, ResourceState
from chartloom.guard import Guard
from chartloom.registry.persons import MatchRecord, has_more_numbers, keys, standardise

#: What of a Patient is matched; the rest of it may change without a new decision.
MATCHED: Final = (
    "name",
    "birthDate",
    "gender",
    "address",
    "telecom",
    "identifier",
    "extension",
    "multipleBirthInteger",
    "multipleBirthBoolean",
)

#: Stamps of these elements, and of items and parts of them.
_ELEMENT: Final = re.compile(rf"({'|'.join(MATCHED)})([.:]|$)")

#: Of so many patients it is remembered what was matched; about 250 bytes each.
_REMEMBERED_MAX: Final = 100_000

#: (patients) -> the fingerprints of what was matched of those that have been.
Lookup = Callable[[Sequence[str]], Mapping[str, bytes]]


class Changed(NamedTuple):
    """A record that is to be matched (again). keys: as the store holds them. numerous: it has more
    numbers than are keys."""

    patient: str
    position: int
    digest: bytes
    record: MatchRecord
    keys: tuple[int, ...]
    numerous: bool = False


def key_numbers(guard: Guard, record: MatchRecord) -> tuple[int, ...]:
    """The keys of a record as the store holds them: 64 bits of a keyed fingerprint each."""
    blind = guard.blind
    found = [int.from_bytes(blind("match key", k)[:8], "big", signed=True) for k in keys(record)]
    return tuple(dict.fromkeys(found))


class Said(NamedTuple):
    """A Patient whose record is to be matched (again); see :func:`changed_of`."""

    patient: str
    state: ResourceState
    digest: bytes


def changed_of(guard: Guard, patient: str, state: ResourceState, digest: bytes) -> Changed:
    """A Patient as it is matched."""
    record = standardise(state.resource)
    said = [s.position for e, s in state.stamps.items() if _ELEMENT.match(e)]
    more = has_more_numbers(state.resource.get("identifier"))
    return Changed(patient, max(said, default=0), digest, record, key_numbers(guard, record), more)


class MatchIndex:
    """Tells which Patients of a batch have to be matched."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        #: Patient -> revision of its state, and a hash of what was matched of it.
        self._known: dict[str, tuple[int, int]] = {}
        self._fresh: dict[str, tuple[int, int]] = {}

    def clear(self) -> None:
        """Forgets what is written (after a rebuild or a lost connection)."""
        self._known.clear()

    def committed(self) -> None:
        """What the last :meth:`collect` gave is durable."""
        if len(self._known) > _REMEMBERED_MAX:
            self._known.clear()
        self._known.update(self._fresh)

    def collect(
        self, states: Iterable[PlacedState], revisions: Mapping[str, int], look_up: Lookup
    ) -> list[Changed]:
        """The records of those who are :meth:`said` anew."""
        return self.records(self.said(states, revisions, look_up))

    def records(self, said: Iterable[Said]) -> list[Changed]:
        """Them as they are matched."""
        return [changed_of(self._guard, *one) for one in said]

    def said(
        self, states: Iterable[PlacedState], revisions: Mapping[str, int], look_up: Lookup
    ) -> list[Said]:
        """Those whose matched elements are other than what is written.

        revisions: of the states before this batch; one that is not there is new. look_up: is asked
        about those that are not remembered.
        """
        self._fresh = {}
        found: dict[str, ResourceState] = {}
        unsure: list[str] = []
        for placed in states:
            state = placed.state
            if state.resource["resourceType"] != "Patient" or state.directory:
                continue
            patient = state.source_patient
            if state.resource["id"] != patient:
                continue  # somebody else's, told of by this patient's messages
            revision, hashed = revisions.get(patient, 0), hash(_matched(state.resource))
            self._fresh[patient] = (revision + 1, hashed)
            known = self._known.get(patient)
            if known is not None and known[0] == revision:
                if known[1] == hashed:
                    continue
            elif revision:
                unsure.append(patient)
            found[patient] = state
        digests = {patient: self.digest(found[patient].resource) for patient in sorted(found)}
        for patient, digest in look_up(unsure).items() if unsure else ():
            if digests[patient] == digest:
                del digests[patient]
        return [Said(p, found[p], digest) for p, digest in digests.items()]

    def digest(self, patient: FhirJson) -> bytes:
        """A keyed fingerprint of what is matched of a Patient; equal content, equal bytes."""
        said = codec.encode_sorted([patient.get(e) for e in MATCHED])
        return self._guard.blind("match", said.decode())


def _matched(patient: FhirJson) -> bytes:
    get = patient.get
    return codec.encode([get(e) for e in MATCHED])
