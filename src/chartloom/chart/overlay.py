"""Updates that would turn one patient's record into somebody else's: they are stopped.

A message that speaks of a source patient as another person than all before (a clerk overtyped the
record, a number was given twice) would mix two people's charts. It goes to quarantine until a
person said whether it is the same one. What came before and what is within the batch are judged
alike, so that it does not matter where one batch ends and the next begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from chartloom.chart.merge import merge_all
from chartloom.domain.issues import Issue
from chartloom.domain.quarantine import IDENTITY_OVERLAY
from chartloom.domain.resource import Contribution, Derived, FhirJson, ResourceState, Stamp
from chartloom.registry.persons import Parameters, is_overlay, standardise

#: (source patient, position) -> whether people vouched for what that message says of it.
Vouched = Callable[[str, int], bool]

_ORDER: Final = "multipleBirthInteger"
_BIRTH: Final = "birthDate"
_TELLING: Final = ("name", _BIRTH, _ORDER)


def stop_overlays(
    derived: Sequence[Derived],
    states: Mapping[str, ResourceState],
    parameters: Parameters,
    vouched: Vouched,
) -> list[Derived]:
    """``derived`` of a batch, in order, where messages that overlay a record are quarantined.

    states: as of before the batch, those of the Patients that the batch speaks of among them.
    vouched: asked only about records that would become somebody else's.
    """
    known = _Known(states)
    result = []
    for d in derived:
        patients = [
            c
            for c in d.contributions
            if not c.directory and c.resource["resourceType"] == "Patient"
        ]
        overlaid = [
            c.source_patient
            for c in patients
            if known.would_change(c, parameters) and not vouched(c.source_patient, d.position)
        ]
        if overlaid:
            d = _stopped(d, tuple(overlaid))
        elif patients:
            stamp = Stamp(1, d.event_us, d.position)
            for c in patients:
                known.hear(c, stamp)
        result.append(d)
    return result


def release_at(derived: Sequence[Derived]) -> int:
    """How many messages of a batch may be applied before what a person said about a record itself
    has to take effect: all up to and including the first that says so."""
    for n, d in enumerate(derived, start=1):
        if any(link.surviving == link.prior for link in d.links):
            return n
    return len(derived)


def _stopped(d: Derived, overlaid: tuple[str, ...]) -> Derived:
    """The message in quarantine; it keeps whom it is about, and what labels it would have."""
    return Derived(
        position=d.position,
        feed=d.feed,
        message_type=d.message_type,
        control_id=d.control_id,
        event_us=d.event_us,
        source_patient=d.source_patient,
        issues=(*d.issues, Issue(IDENTITY_OVERLAY)),
        loss=d.loss,
        unmapped=d.unmapped,
        quarantine=IDENTITY_OVERLAY,
        unread=((-1, d.labels),),
        overlaid=overlaid,
    )


class _Known:
    """The Patients as they are while the batch is gone through; merged only where it matters."""

    def __init__(self, states: Mapping[str, ResourceState]) -> None:
        self._before = states
        self._states: dict[str, ResourceState] = {}
        self._heard: dict[str, list[tuple[Contribution, Stamp]]] = {}
        self._changed: set[str] = set()  #: records that are not what they were

    def hear(self, said: Contribution, stamp: Stamp) -> None:
        """The batch says this, and it is not stopped."""
        id = said.resource["id"]
        base = self._base(id)
        self._heard.setdefault(id, []).append((said, stamp))
        if base is not None and (said.cleared or not _repeats(base, said.resource)):
            self._changed.add(id)

    def would_change(self, said: Contribution, parameters: Parameters) -> bool:
        """Whether the record would be somebody else's after this."""
        id = said.resource["id"]
        base = self._now(id) if id in self._changed else self._base(id)
        if base is None or _same(base, said.resource):
            return False
        return is_overlay(standardise(self._now(id)), standardise(said.resource), parameters)

    def _base(self, id: str) -> FhirJson | None:
        """What tells who a record is about, unless it changed; None if it is new."""
        state = self._states.get(id) or self._before.get(id)
        if state is not None:
            return state.resource
        heard = self._heard.get(id)
        return heard[0][0].resource if heard else None

    def _now(self, id: str) -> FhirJson:
        """A known record as it is at this point of the batch."""
        state = self._states.get(id) or self._before.get(id)
        if heard := self._heard.pop(id, None):
            state = merge_all(heard, {} if state is None else {id: state})[id]
        assert state is not None
        self._states[id] = state
        self._changed.discard(id)
        return state.resource


def _repeats(before: FhirJson, said: FhirJson) -> bool:
    """Whether nothing is said of name, birth and order that is not known."""
    return all(said[e] == before.get(e) for e in _TELLING if e in said)


def _same(before: FhirJson, said: FhirJson) -> bool:
    """Whether it is plain that nobody else is meant; most messages repeat what is known."""
    order, name = said.get(_ORDER), said.get("name")
    if order is not None and order != before.get(_ORDER, order):
        return False
    if name is None:
        return True
    if said.get(_BIRTH, before.get(_BIRTH)) != before.get(_BIRTH):
        return False
    known = before.get("name")
    return bool(name == known) or _calls_alike(name, known)


def _calls_alike(said: Any, known: Any) -> bool:
    """Whether the only name has the given name of the only one that is known: with the same date
    of birth it is no other person. (Either alone is no such sign: many have one.)"""
    try:
        return len(said) == len(known) == 1 and bool(said[0]["given"][0] == known[0]["given"][0])
    except (KeyError, IndexError, TypeError):
        return False
