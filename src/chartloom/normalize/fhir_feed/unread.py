"""What entries say of which no labelled resource is made: refused, not kept, or outdated.

Their bytes are in the message all the same, so its labels are those of these entries too.
"""

from __future__ import annotations

import re
from typing import Any, Final

from chartloom.domain.labels import BIT, Label, mask
from chartloom.domain.resource import Disposition
from chartloom.normalize.fhir_feed.plan import Outcome, Plan, is_error
from chartloom.normalize.sensitivity import Labeller

_RESTRICTED: Final = BIT[Label.R]
_ENTRY: Final = re.compile(r"/entry/(\d+)(?:/|\Z)")
#: In place of an entry: the envelope.
_AROUND: Final = -1


def unread(value: Any, plan: Plan, labeller: Labeller) -> tuple[tuple[int, int], ...]:
    """``Derived.unread``: entry number and mask. What could not be used is at least restricted, as
    a message is of which nothing could; what says nothing (``null``) needs no label."""
    found: dict[int, int] = {}
    for outcome in plan.outcomes:
        number = outcome.entry.index
        if _is_judged(outcome) or (raw := _raw(value, plan, number)) is None:
            continue
        labels = mask(labeller.labels_in(raw))
        if outcome.disposition is Disposition.UNMAPPED:
            labels |= _RESTRICTED
        if labels:
            found[number] = labels
    for issue in plan.envelope:
        if not is_error(issue):
            continue
        entry = _ENTRY.match(issue.location)
        number = int(entry[1]) if entry else _AROUND
        if number == _AROUND or _raw(value, plan, number) is not None:
            found[number] = found.get(number, 0) | _RESTRICTED
    return tuple(sorted(found.items()))


def _is_judged(outcome: Outcome) -> bool:
    """Whether all that it says is in its contribution; a deletion's has nothing of its resource."""
    return outcome.contribution is not None and outcome.entry.method != "DELETE"


def _raw(value: Any, plan: Plan, number: int) -> Any:
    return value["entry"][number] if plan.is_bundle else value
