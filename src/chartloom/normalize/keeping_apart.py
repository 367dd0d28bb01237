"""What one resource of a message tells of another that is more sensitive, and the reverse.

A prescription that only points at a ``Medication`` says by it what was prescribed, so it has the
labels of what it points at; where it points at something that the message does not hold and does
not name, nobody has judged it, and it is restricted (``R``). A stay that lists its diagnoses would
name a sensitive one to whoever sees the stay: the entry is left to the diagnosis itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from chartloom.domain.labels import BIT, PERSON_MASK, Label, labels_of, mask
from chartloom.domain.resource import Contribution, Evidence, FhirJson
from chartloom.normalize.sensitivity import Labeller, with_labels

#: The rule by which is restricted what points at a medicine that nobody could judge.
ELSEWHERE_RULE: Final = "medicine.elsewhere"
#: Types of the directory that tell something about whoever is pointed from.
TELLING: Final = ("Medication/", "Substance/")
_RESTRICTED: Final = BIT[Label.R]

#: Encounter id -> numbers of its listed diagnoses that stayed, where some did not.
Kept = dict[str, tuple[int, ...]]


def labels_of_medicines(
    contributions: list[Contribution], labeller: Labeller
) -> dict[str, int] | None:
    """Masks of the medicines and substances of a message, by reference; None if it has none."""
    held = {
        f"{c.type}/{c.id}": c.resource
        for c in contributions
        if c.directory and f"{c.type}/" in TELLING
    }
    if not held:
        return None
    own = {name: mask(labeller.labels_of(resource)) for name, resource in held.items()}
    parts = {name: set(_references(resource)) & own.keys() for name, resource in held.items()}
    changed = True
    while changed:  # a medicine is made of others
        changed = False
        for name, of in parts.items():
            more = own[name]
            for part in of:
                more |= own[part]
            changed |= more != own[name]
            own[name] = more
    return own


def inherit(contributions: list[Contribution], medicines: Mapping[str, int] | None) -> None:
    """Gives what points at medicines their labels, in place."""
    for number, said in enumerate(contributions):
        if said.directory:
            continue
        more = 0
        for reference in _references(said.resource) if medicines else ():
            more |= (medicines or {}).get(reference, 0)
        if not more and _is_unjudged(said.resource, medicines or {}):
            more = _RESTRICTED
        if more & ~said.labels:
            labels = said.labels | more
            resource = with_labels(said.resource, labels_of(labels))
            contributions[number] = msgspec.structs.replace(said, resource=resource, labels=labels)


def _is_unjudged(resource: FhirJson, medicines: Mapping[str, int]) -> bool:
    """Whether it points at a medicine elsewhere, without a word about it."""
    reference = resource.get("medicationReference")
    if reference is None or reference.get("display"):
        return False
    at = reference.get("reference", "")
    return not at.startswith("#") and at not in medicines


def separate(contributions: list[Contribution]) -> Kept:
    """Takes sensitive diagnoses out of the lists of stays, and what else is called by name of
    something more sensitive in the same message, in place."""
    masks = {
        f"{c.type}/{c.id}": labels for c in contributions if (labels := c.labels & ~PERSON_MASK)
    }
    kept: Kept = {}
    for number, said in enumerate(contributions) if masks else ():
        hidden = {name for name, labels in masks.items() if labels & ~said.labels}
        if said.directory or not hidden or hidden.isdisjoint(_references(said.resource)):
            continue
        resource = said.resource
        listed = resource.get("diagnosis", ()) if said.type == "Encounter" else ()
        stay = tuple(n for n, d in enumerate(listed) if _pointed(d.get("condition")) not in hidden)
        if len(stay) != len(listed):
            kept[said.id] = stay
            resource = {k: v for k, v in resource.items() if k != "diagnosis"}
            if stay:
                resource["diagnosis"] = [listed[n] for n in stay]
        resource = _unnamed(resource, hidden)
        contributions[number] = msgspec.structs.replace(said, resource=resource)
    return kept


def relisted(found: tuple[Evidence, ...], kept: Kept) -> tuple[Evidence, ...]:
    """The evidence with the numbers that listed diagnoses have now, without those taken out."""
    if not kept:
        return found
    return tuple(e for item in found if (e := _renumbered(item, kept)) is not None)


def _renumbered(item: Evidence, kept: Kept) -> Evidence | None:
    stay = kept.get(item.resource_id)
    if stay is None or not item.element.startswith("diagnosis["):
        return item
    number, bracket, rest = item.element.removeprefix("diagnosis[").partition("]")
    if int(number) not in stay:
        return None
    at = f"diagnosis[{stay.index(int(number))}{bracket}{rest}"
    return msgspec.structs.replace(item, element=at)


def _unnamed(value: Any, hidden: set[str]) -> Any:
    """A copy in which references to these have no name."""
    if isinstance(value, list):
        return [_unnamed(v, hidden) for v in value]
    if not isinstance(value, dict):
        return value
    bare = "display" in value and _pointed(value) in hidden
    return {k: _unnamed(v, hidden) for k, v in value.items() if not (bare and k == "display")}


def _pointed(reference: Any) -> str:
    at = reference.get("reference") if isinstance(reference, dict) else None
    return at if isinstance(at, str) else ""


def _references(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            if at := _pointed(one):
                yield at
            waiting += [v for v in one.values() if isinstance(v, dict | list)]
