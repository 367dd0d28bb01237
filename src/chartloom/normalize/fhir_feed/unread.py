"""What entries say of which no labelled resource is made: refused, not kept, or outdated.

Their bytes are in the message all the same, so its labels are those of these entries too.
"""

from __future__ import annotations

import re
from typing import Any, Final

from chartloom.domain.labels import BIT, Label, mask
from chartloom.domain.resource import AROUND, Disposition
from chartloom.formats.fhir import validate
from chartloom.normalize.fhir_feed.plan import Outcome, Plan, is_error
from chartloom.normalize.keeping_apart import TELLING
from chartloom.normalize.sensitivity import Labeller

_RESTRICTED: Final = BIT[Label.R]
_ENTRY: Final = re.compile(r"/entry/(\d+)(?:/|\Z)")


def unread(
    value: Any, plan: Plan, labeller: Labeller, *, sensitive: bool = False
) -> tuple[tuple[int, int], ...]:
    """``Derived.unread``: entry number and mask. What could not be understood is at least
    restricted, as a message is of which nothing could. A valid resource that is about nobody known
    here is judged by what it says; what says nothing (``null``) needs no label. So are medicines
    beside what is said about a patient. sensitive: what no rule labels is restricted.
    """
    found: dict[int, int] = {}
    about_patients = any(not c.directory for c in plan.contributions)
    for outcome in plan.outcomes:
        number = outcome.entry.index
        if _is_judged(outcome, about_patients) or (raw := _raw(value, plan, number)) is None:
            continue
        labels = mask(labeller.labels_in(raw))
        if outcome.disposition is Disposition.UNMAPPED and not _is_understood(outcome):
            labels |= _RESTRICTED
        if labels or (sensitive and outcome.contribution is None):
            found[number] = labels or _RESTRICTED
    for issue in plan.envelope:
        if not is_error(issue):
            continue
        entry = _ENTRY.match(issue.location)
        number = int(entry[1]) if entry else AROUND
        if number == AROUND or _raw(value, plan, number) is not None:
            found[number] = found.get(number, 0) | _RESTRICTED
    return tuple(sorted(found.items()))


def _is_judged(outcome: Outcome, about_patients: bool) -> bool:
    """Whether all that it says is in its contribution; a deletion's has nothing of its resource,
    and a medicine's, which is nobody's, has no labels."""
    said = outcome.contribution
    if said is not None and about_patients and said.directory and f"{said.type}/" in TELLING:
        return False
    return said is not None and outcome.entry.method != "DELETE"


def _is_understood(outcome: Outcome) -> bool:
    """Whether it is a valid resource of a type that is kept, which only lacks a patient."""
    resource = outcome.entry.resource
    if outcome.row is None or not isinstance(resource, dict):
        return False
    return not any(map(is_error, validate(resource)))


def _raw(value: Any, plan: Plan, number: int) -> Any:
    return value["entry"][number] if plan.is_bundle else value
