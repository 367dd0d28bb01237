"""Who cares for a patient, as the chart says: the facts from which access is decided.

Pure: from the state of one resource. Nothing is judged here: how long a relation counts is a
setting of the site and is applied when somebody asks (``guard/policy/windows.py``). Relations hold
ids only, no names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from chartloom.chart.times import to_us
from chartloom.domain.access import Relation, RelationKind
from chartloom.domain.resource import FhirJson, ResourceState

__all__ = ["RELATED_TYPES", "Relation", "RelationKind", "parents_of", "relations"]

_WHO = ("Practitioner/", "Location/", "Organization/")
_NEVER = frozenset({"cancelled", "entered-in-error", "proposed", "revoked"})
_OVER = frozenset({"finished", "inactive", "completed", "fulfilled", "noshow", "stopped", "ended"})
_LEVELS_MAX = 16

_Span = tuple[int, int]


class _Collector:
    """Relations of one state, without repetitions."""

    def __init__(self, state: ResourceState, parents: Mapping[str, str]) -> None:
        self._patient = state.source_patient
        self._parents = parents
        self.found: dict[Relation, None] = {}

    def add(self, reference: Any, kind: RelationKind, span: _Span) -> None:
        """Also for everything that the place or organisation is part of."""
        text = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(text, str) or not text.startswith(_WHO):
            return
        who: str | None = text.split("/")[1]
        for _ in range(_LEVELS_MAX):
            if not who:
                return
            self.found[Relation(self._patient, who, kind, *span)] = None
            who = self._parents.get(who)


def parents_of(resources: Iterable[FhirJson]) -> dict[str, str]:
    """Location or Organization id -> id of what it is part of (a bed's room, a room's ward)."""
    found = {}
    for resource in resources:
        if resource.get("resourceType") in ("Location", "Organization"):
            part_of = resource.get("partOf", {}).get("reference", "")
            if "/" in part_of:
                found[resource["id"]] = part_of.split("/")[1]
    return found


def upwards(found: Iterable[Relation], parents: Mapping[str, str]) -> tuple[Relation, ...]:
    """The relations, each also to everything that its place or organisation is part of; sorted."""
    result: dict[Relation, None] = {}
    for relation in found:
        who: str | None = relation.who
        for _ in range(_LEVELS_MAX):
            if not who:
                break
            result[msgspec.structs.replace(relation, who=who)] = None
            who = parents.get(who)
    return tuple(sorted(result))


def below(who: Iterable[str], parents: Mapping[str, str]) -> frozenset[str]:
    """These, and every place and organisation that is part of one of them."""
    children: dict[str, list[str]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    found: set[str] = set()
    waiting = list(who)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += children.get(one, ())
    return frozenset(found)


def relations(
    state: ResourceState, parents: Mapping[str, str] | None = None
) -> tuple[Relation, ...]:
    """All care relations that a resource states, sorted; none for most types.

    parents: as :func:`parents_of`, so that who works on a ward is related to those in its beds.
    """
    reader = _READERS.get(state.type)
    if reader is None or not state.source_patient:
        return ()
    if state.resource.get("status") in _NEVER:
        return ()
    collector = _Collector(state, parents or {})
    reader(state, collector)
    return tuple(sorted(collector.found))


def _heard_us(state: ResourceState, element: str = "") -> int:
    """When the source spoke of an element; else when it first spoke of the resource."""
    if element in state.stamps:
        return state.stamps[element].event_us
    return min((s.event_us for s in state.stamps.values()), default=0)


def _period(value: Any) -> _Span | None:
    if not isinstance(value, dict) or not (value.get("start") or value.get("end")):
        return None
    return to_us(value.get("start")), to_us(value.get("end"))


def _span(state: ResourceState, period: Any) -> _Span:
    """A period; where the source says less, what can be taken from status and time of telling."""
    start, end = _period(period) or (0, 0)
    start = start or (min(end, _heard_us(state)) if end else _heard_us(state))
    if not end and state.resource.get("status") in _OVER:
        end = max(start, _heard_us(state, "status"))
    return start, end


def _within(inner: Any, outer: _Span) -> _Span:
    """A part's own period; open ends are closed by the whole."""
    own = _period(inner)
    if own is None:
        return outer
    return own[0] or outer[0], own[1] or outer[1]


def _codes(concepts: Any) -> set[str]:
    return {
        coding.get("code", "") for concept in concepts or () for coding in concept.get("coding", ())
    }


def _encounter(state: ResourceState, out: _Collector) -> None:
    resource = state.resource
    whole = _span(state, resource.get("period"))
    for participant in resource.get("participant", ()):
        attending = "ATND" in _codes(participant.get("type"))
        kind = RelationKind.ATTENDING if attending else RelationKind.ENCOUNTER
        out.add(participant.get("individual"), kind, _within(participant.get("period"), whole))
    for place in resource.get("location", ()):
        span = _within(place.get("period"), whole)
        out.add(place.get("location"), RelationKind.DEPARTMENT, span)
    out.add(resource.get("serviceProvider"), RelationKind.DEPARTMENT, whole)


def _appointment(state: ResourceState, out: _Collector) -> None:
    resource = state.resource
    start = to_us(resource.get("start")) or to_us(resource.get("created")) or _heard_us(state)
    whole = (start, max(start, to_us(resource.get("end"))))
    for participant in resource.get("participant", ()):
        if participant.get("status") != "declined":
            out.add(participant.get("actor"), RelationKind.APPOINTMENT, whole)


def _care_team(state: ResourceState, out: _Collector) -> None:
    resource = state.resource
    whole = _span(state, resource.get("period"))
    for participant in resource.get("participant", ()):
        span = _within(participant.get("period"), whole)
        out.add(participant.get("member"), RelationKind.CARE_TEAM, span)
        out.add(participant.get("onBehalfOf"), RelationKind.CARE_TEAM, span)
    for organisation in resource.get("managingOrganization", ()):
        out.add(organisation, RelationKind.CARE_TEAM, whole)


def _patient(state: ResourceState, out: _Collector) -> None:
    for practitioner in state.resource.get("generalPractitioner", ()):
        out.add(practitioner, RelationKind.PRIMARY_CARE, (0, 0))  # since when, nobody says


def _request(state: ResourceState, out: _Collector) -> None:
    resource = state.resource
    at = to_us(resource.get("authoredOn")) or _heard_us(state)
    out.add(resource.get("requester"), RelationKind.ORDERING, (at, at))
    performers = resource.get("performer", ())
    for performer in performers if isinstance(performers, list) else [performers]:
        out.add(performer, RelationKind.ORDERING, (at, at))


_READERS: Final[dict[str, Callable[[ResourceState, _Collector], None]]] = {
    "Encounter": _encounter,
    "Appointment": _appointment,
    "CareTeam": _care_team,
    "Patient": _patient,
    "ServiceRequest": _request,
    "MedicationRequest": _request,
}

#: The types that can state a relation; other states need not be looked at.
RELATED_TYPES: Final = frozenset(_READERS)
