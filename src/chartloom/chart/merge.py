"""The state of a resource: the merge of everything that messages said about it.

Every element is a register that holds the statement with the highest
:class:`~chartloom.domain.resource.Stamp`. Taking the highest is commutative, associative and
idempotent, so late, repeated and out-of-order messages end in the same state as in-order ones.
Which elements form one register is said in :mod:`chartloom.chart.merge_policy`.

Keys of ``ResourceState.stamps``:

===============================  ==================================================================
``birthDate``                    a property that is present, or an element that was cleared
``value[x]``                     a group that was cleared (else its properties are stamped)
``location:<key>``               the items of a keyed list with this key, present or cleared
``location.period.start:<key>``  a child of what such an item states apart
``location.period:<key>``        when that was last taken back as a whole
``period.start``                 a child of an object merged by parts
``location``                     of a keyed list or an object by parts: when all was cleared
``*``                            when a source last stated the whole resource: what is older is gone
===============================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chartloom.chart.draft import Draft
from chartloom.chart.merge_policy import Keyed, Parts, Together, policy_of
from chartloom.chart.registers import WHOLE
from chartloom.chart.statement import first_statement
from chartloom.domain.resource import Contribution, ResourceState, Stamp

__all__ = ["WHOLE", "merge", "merge_all", "stamp_of"]


def merge(state: ResourceState | None, contribution: Contribution, stamp: Stamp) -> ResourceState:
    """``state`` after hearing ``contribution``; neither is changed.

    ``stamp`` is the message's (strength 1); elements in ``contribution.weak`` get strength 0.
    ``contribution.cleared`` may hold ``element``, ``element:key`` (one key of a keyed list),
    ``element.object.child:key`` or ``element.object:key`` (what the items of a key state apart),
    ``element.child`` (one child of an object by parts) or :data:`WHOLE`. Equal stamps with
    different content fall back to comparing canonical bytes, so that the order of calls never
    matters. ``meta.versionId`` is the highest position that contributed.
    """
    if state is None and (first := first_statement(contribution, stamp)):
        return first
    draft = Draft(state, contribution)
    draft.hear(contribution, stamp)
    return draft.finish()


def merge_all(
    said: Iterable[tuple[Contribution, Stamp]], states: Mapping[str, ResourceState]
) -> dict[str, ResourceState]:
    """Resource id -> its state after hearing all of ``said``; ``states`` are those before.

    The same as :func:`merge` one by one; a state is taken apart and put together once only.
    """
    heard: dict[str, ResourceState] = {}
    drafts: dict[str, Draft] = {}
    for contribution, stamp in said:
        id = contribution.resource["id"]
        draft = drafts.get(id)
        if draft is None:
            before = heard.get(id) or states.get(id)
            if before is None and (first := first_statement(contribution, stamp)):
                heard[id] = first
                continue
            draft = drafts[id] = Draft(before, contribution)
        draft.hear(contribution, stamp)
    heard.update((id, draft.finish()) for id, draft in drafts.items())
    return heard


def stamp_of(state: ResourceState, element: str, item: Any = None) -> Stamp | None:
    """Who said the value of a top-level property last.

    ``item``: for a list merged by key, the item of interest. Without it, the newest stamp of any
    item or part is returned. None if nobody ever stated it.
    """
    stamps = state.stamps
    rule = policy_of(state.type)[element]
    if isinstance(rule, Keyed) and item is not None:
        return stamps.get(f"{element}:{rule.key(item)}")
    found = stamps.get(element.removeprefix("_"))
    if isinstance(rule, Keyed | Parts):
        prefix = f"{element}:" if isinstance(rule, Keyed) else f"{element}."
        found = max((s for k, s in stamps.items() if k.startswith(prefix)), default=found)
    if found is None and isinstance(rule, Together):
        found = stamps.get(rule.name)
    return found
