"""A batch of messages as one change of the chart: pure steps between the reads and the commit.

Several messages of a batch often touch one resource. They are merged in memory, each touched
resource is folded into its view once, and each view is written once. As states and views are
functions of what was said and not of the order, this gives the same as message by message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from chartloom.chart.compartments import labels_said
from chartloom.chart.fold import Pages, rebuild_part, view_key
from chartloom.chart.merge import merge_all
from chartloom.chart.place import place, section_part
from chartloom.chart.relations import RELATED_TYPES, relations
from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.codec import encode
from chartloom.domain.resource import Contribution, Derived, FhirJson, ResourceState, Stamp
from chartloom.domain.store import CareOf, Wanted

#: A directory contribution and the tuple by which the store picks the winner.
Ranked = tuple[Contribution, tuple[int, int, int]]


class Change(msgspec.Struct, frozen=True):
    """One touched resource, before and after the batch, and the views in which it counts.

    first: it was never spoken of before, and once in the batch: ``after`` is that contribution.
    """

    before: PlacedState | None
    after: PlacedState
    keys: tuple[ViewKey, ...]
    first: bool = False


class Folded(msgspec.Struct, frozen=True):
    """Touched views. ``refill``: those whose entries must be rebuilt from all their states."""

    views: dict[ViewKey, SectionView]
    refill: frozenset[ViewKey]


def plan_batch(derived: Iterable[Derived]) -> Wanted:
    """What must be read before the batch can be merged and folded."""
    ids: set[str] = set()
    places: set[tuple[str, Section, int, int]] = set()
    for message in derived:
        for contribution in message.contributions:
            if not contribution.directory:
                resource = contribution.resource
                ids.add(resource["id"])
                where = section_part(resource)
                places.add((contribution.source_patient, *where, labels_said(contribution)))
    views = [ViewKey(*place) for place in places if place[1] is not Section.NONE]
    return Wanted(frozenset(ids), frozenset(views))


def merge_batch(
    derived: Iterable[Derived], states: Mapping[str, ResourceState]
) -> dict[str, Change]:
    """Resource id -> what the batch made of it; ``states`` are those that were there before."""
    said: list[tuple[Contribution, Stamp]] = []
    for message in derived:
        stamp = Stamp(1, message.event_us, message.position)
        said += [(c, stamp) for c in message.contributions if not c.directory]
    times = Counter([c.resource["id"] for c, _ in said])
    heard = merge_all(said, states)
    return {id: _change(states.get(id), state, times[id]) for id, state in heard.items()}


def _change(before: ResourceState | None, after: ResourceState, times: int) -> Change:
    now = place(after)
    key = view_key(now)
    keys = () if key is None else (key,)
    if before is None:
        return Change(None, now, keys, times == 1 and not after.words)
    was = place(before)
    left = view_key(was)
    if left is not None and left != key:
        keys = (left, *keys)
    return Change(was, now, keys)


def care_of(changes: Mapping[str, Change]) -> tuple[CareOf, ...]:
    """What changed in who cares for whom, by resource id. Parents of places are not followed."""
    found = []
    for id, change in changes.items():
        if change.after.state.type not in RELATED_TYPES:
            continue
        before = relations(change.before.state) if change.before is not None else ()
        after = relations(change.after.state)
        if before != after:
            found.append(CareOf(id, after, bool(before)))
    return tuple(sorted(found, key=lambda care: care.resource_id))


def views_of(changes: Mapping[str, Change]) -> frozenset[ViewKey]:
    """The views that the changes touch; rarely more than :func:`plan_batch` foresaw (a resource
    that moves to another part or compartment is in two)."""
    return frozenset(key for change in changes.values() for key in change.keys)


def fold_batch(changes: Mapping[str, Change], views: Mapping[ViewKey, SectionView]) -> Folded:
    """The touched views after all changes; ``views`` are those that were there before."""
    pages: dict[ViewKey, Pages] = {}
    for change in changes.values():
        for key in change.keys:
            if key not in pages:
                pages[key] = Pages(key, views.get(key))
            pages[key].change(change.before, change.after)
    stale = frozenset(key for key, page in pages.items() if page.needs_refill)
    return Folded({key: page.view() for key, page in pages.items()}, stale)


def refill_view(
    view: SectionView, stored: Iterable[ResourceState], changes: Mapping[str, Change]
) -> SectionView:
    """``view`` rebuilt from what the store holds of its part, overlaid with the batch's changes."""
    placed = {state.id: place(state) for state in stored if state.id not in changes}
    placed.update((id, change.after) for id, change in changes.items())
    return rebuild_part(view.key, placed.values(), view.total)


def rank_directory(derived: Iterable[Derived]) -> tuple[Ranked, ...]:
    """The batch's best word on each Practitioner, Organization and Location, sorted by id.

    Of a directory resource the richest statement wins whole, then the latest: a message that knows
    a doctor's number and name must not be undone by one that knows the number only.
    """
    best: dict[str, Ranked] = {}
    for message in derived:
        for contribution in message.contributions:
            if not contribution.directory:
                continue
            resource = contribution.resource
            held = best.get(resource["id"])
            if held is not None and held[0].resource == resource:  # said in the same words again
                rank = (held[1][0], message.event_us, message.position)
            else:
                rank = (richness(resource), message.event_us, message.position)
            if held is None or held[1] < rank:
                best[resource["id"]] = (contribution, rank)
    return tuple(best[id] for id in sorted(best))


def richness(resource: FhirJson) -> int:
    """How many properties a resource has, at all levels. Counted in its JSON, which is much faster
    than walking it, and for comparing as good."""
    return encode(resource).count(b'":')
