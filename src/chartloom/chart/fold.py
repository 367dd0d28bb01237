"""Section views: bounded, sorted, and updated by folding in one changed resource at a time.

A view is a function of the *set* of visible resources of its section part: folding changes in any
order gives the same view as building it from all of them. Because the view is bounded, one change
costs the same in a chart of ten or of ten thousand resources. The price: when something *leaves* a
list that had overflowed, the view does not know what moves up. :func:`fold` then says so, and the
caller rebuilds that part once from the store (:func:`rebuild_part`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from chartloom.chart.shape import POINTS, entry_of, point_of, said_us
from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.resource import FhirJson

_Json = dict[str, Any]
_Order = tuple[Any, ...]


class Bound(msgspec.Struct, frozen=True):
    """How much of a section part is kept ready.

    entries: single resources. series: groups of comparable results or doses, with ``points`` each.
    """

    entries: int = 0
    series: int = 0
    points: int = 0


#: Per part. Safety-critical lists are long, lists that people page through are short.
BOUNDS: Final[dict[Section, Bound]] = {
    Section.DEMOGRAPHICS: Bound(entries=30),
    Section.ENCOUNTERS: Bound(entries=30),
    Section.PROBLEMS: Bound(entries=300),
    Section.MEDICATIONS: Bound(entries=75, series=40, points=3),  # in each of 4 parts
    Section.ALLERGIES: Bound(entries=300),
    Section.RESULTS: Bound(series=30, points=12),  # in each of 16 parts
    Section.IMMUNISATIONS: Bound(entries=100),
    Section.DOCUMENTS: Bound(entries=40),
    Section.APPOINTMENTS: Bound(entries=40),
    Section.ORDERS: Bound(entries=50),
    Section.REPORTS: Bound(entries=40),
    Section.COVERAGE: Bound(entries=20),
    Section.CHARGES: Bound(entries=40),
    Section.DECISIONS: Bound(entries=400),
}

#: States that a caller should ask the store for when a view must be refilled: all of a part in any
#: real chart. Beyond it, a refilled view covers the newest this many.
REFILL_LIMIT: Final = 20_000


def view_key(placed: PlacedState | None) -> ViewKey | None:
    """The view in which a state counts; None if it counts in none."""
    if placed is None or placed.hidden or placed.section is Section.NONE:
        return None
    return ViewKey(placed.state.source_patient, placed.section, placed.part, placed.labels)


def _counts(key: ViewKey, placed: PlacedState) -> bool:
    """``view_key(placed) == key``, without making a key."""
    return (
        not placed.hidden
        and placed.section == key.section
        and placed.part == key.part
        and placed.labels == key.labels
        and placed.state.source_patient == key.source_patient
    )


def fold(
    key: ViewKey, view: SectionView | None, before: PlacedState | None, after: PlacedState | None
) -> tuple[SectionView, bool]:
    """``(view, needs_refill)`` after one resource went from ``before`` to ``after``.

    Either may be None (it did not exist), hidden, or stand in another view; then it does not count
    here. With ``needs_refill`` the entries are not to be believed (``total`` is): rebuild them.
    """
    pages = Pages(key, view)
    pages.change(before, after)
    return pages.view(), pages.needs_refill


def rebuild_part(
    key: ViewKey, states: Iterable[PlacedState], total: int | None = None
) -> SectionView:
    """The view of all ``states`` that count in ``key``; ``total`` if more exist than are given."""
    bound = BOUNDS[key.section]
    singles: list[PlacedState] = []
    groups: dict[str, list[PlacedState]] = {}
    count = 0
    for placed in states:
        if not _counts(key, placed):
            continue
        count += 1
        if placed.state.type in POINTS:
            groups.setdefault(placed.series, []).append(placed)
        else:
            singles.append(placed)
    singles.sort(key=_placed_order)
    for members in groups.values():
        members.sort(key=_placed_order)
    newest = sorted(groups.values(), key=lambda members: _placed_order(members[0]))
    entries = [entry_of(p) for p in singles[: bound.entries]]
    entries += [_series_of(members, bound.points) for members in newest[: bound.series]]
    return SectionView(key, count if total is None else total, tuple(entries))


def _series_of(members: list[PlacedState], points_max: int) -> _Json:
    points = [point_of(p)[0] for p in members[:points_max]]
    return _series(point_of(members[0])[1], points, len(members))


def _series(common: _Json, points: list[_Json], count: int) -> _Json:
    newest = points[0]
    return {
        **common,
        "id": newest["id"],
        "sort_us": newest["sort_us"],
        "said_us": newest["said_us"],
        "count": count,
        "points": points,
    }


def _placed_order(placed: PlacedState) -> _Order:
    state = placed.state
    return (state.type != "Patient", -placed.sort_us, -said_us(state), state.id)


def newest_first(entry: _Json) -> _Order:
    """Newest first, of equal times what was said last; the patient's own record before all."""
    return (entry.get("type") != "Patient", -entry["sort_us"], -entry["said_us"], entry["id"])


class Pages:
    """A view taken apart to be changed, once or many times: single entries, series, and total."""

    def __init__(self, key: ViewKey, view: SectionView | None) -> None:
        entries = view.entries if view else ()
        self.key, self.bound = key, BOUNDS[key.section]
        self.singles = [e for e in entries if "series" not in e]
        self.series = [e for e in entries if "series" in e]
        self.total = view.total if view else 0
        self.needs_refill = False

    def view(self) -> SectionView:
        """The view as it is now."""
        return SectionView(self.key, self.total, (*self.singles, *self.series))

    def change(self, before: PlacedState | None, after: PlacedState | None) -> None:
        """Folds one resource in; see :func:`fold`."""
        old = before if before is not None and _counts(self.key, before) else None
        new = after if after is not None and _counts(self.key, after) else None
        if self.needs_refill:  # the entries will be rebuilt
            self.total += (new is not None) - (old is not None)
        elif (state := new or old) is None:
            return
        elif state.state.type not in POINTS:  # a resource keeps its type
            self._change_entry(old, new)
        elif old and new and old.series == new.series:
            self._replace_point(old, new)
        else:  # it appears, goes, or moves to another series (other code or unit)
            if old:
                self._remove_point(old)
                self.total -= 1
            if new:
                self._add_point(new)
                self.total += 1

    def _overflowed(self, length: int, limit: int) -> bool:
        """Whether more exist than the list of ``length`` keeps."""
        if length < limit:
            return False
        kept: int = len(self.singles) + sum(s["count"] for s in self.series)
        return self.total > kept

    def _change_entry(self, old: PlacedState | None, new: PlacedState | None) -> None:
        limit = self.bound.entries
        more = self._overflowed(len(self.singles), limit)
        entry = self._entry(old, new) if new else None
        if _replace(self.singles, old.state.id if old else "", entry, limit, more):
            self.needs_refill = True
        self.total += (new is not None) - (old is not None)

    def _entry(self, old: PlacedState | None, new: PlacedState) -> _Json:
        """The entry of ``new``: most messages say of a patient what was said before."""
        if old and _same_words(old.state.resource, new.state.resource):
            for held in self.singles:
                if held["id"] == new.state.id:
                    return {**held, "said_us": said_us(new.state)}
        return entry_of(new)

    def _find(self, series: str) -> int:
        for at, held in enumerate(self.series):
            if held["series"] == series:
                return at
        return -1

    @property
    def _series_overflowed(self) -> bool:
        return self._overflowed(len(self.series), self.bound.series)

    def _replace_point(self, old: PlacedState, new: PlacedState) -> None:
        at = self._find(new.series)
        if at < 0:
            self._meet_unknown(new)
        else:
            self._set_points(at, old.state.id, new, self.series[at]["count"])

    def _add_point(self, new: PlacedState) -> None:
        at = self._find(new.series)
        if at >= 0:
            held = self.series[at]
            if new.sort_us > held["sort_us"]:  # most results are newer than all before
                self._add_newest(at, held, new)
            else:
                self._set_points(at, "", new, held["count"] + 1)
        elif self._series_overflowed:
            self._meet_unknown(new)
        else:
            point, common = point_of(new)
            _insert(self.series, _series(common, [point], 1))
            del self.series[self.bound.series :]

    def _add_newest(self, at: int, held: _Json, new: PlacedState) -> None:
        point, common = point_of(new)
        points = [point, *held["points"][: self.bound.points - 1]]
        del self.series[at]
        _insert(self.series, _series(common, points, held["count"] + 1))

    def _remove_point(self, old: PlacedState) -> None:
        at = self._find(old.series)
        if at < 0:
            return
        held = self.series[at]
        if held["count"] > 1:
            self._set_points(at, old.state.id, None, held["count"] - 1)
            return
        self.needs_refill |= self._series_overflowed
        del self.series[at]

    def _meet_unknown(self, new: PlacedState) -> None:
        """A series that is not kept. If it would be kept now, its other points are needed."""
        point, _ = point_of(new)
        self.needs_refill |= newest_first(point) < newest_first(self.series[-1])

    def _set_points(self, at: int, old_id: str, new: PlacedState | None, count: int) -> None:
        held = self.series[at]
        points: list[_Json] = list(held["points"])
        point, common = point_of(new) if new else (None, held)
        more = held["count"] > len(points)
        refill = _replace(points, old_id, point, self.bound.points, more)
        if refill or not points:
            self.needs_refill = True
            return
        newest = points[0]
        if newest is not point:
            if newest["id"] != held["id"]:  # its name and unit are in the store only
                self.needs_refill = True
                return
            common = {k: v for k, v in held.items() if k not in _OWN}
        self.needs_refill |= self._series_overflowed and newest_first(newest) > newest_first(held)
        del self.series[at]
        _insert(self.series, _series(common, points, count))


_DEMOGRAPHICS: Final = frozenset(("Patient", "RelatedPerson"))
_OWN: Final = frozenset(("id", "sort_us", "said_us", "count", "points"))


def _same_words(old: FhirJson, new: FhirJson) -> bool:
    """Whether nothing but the time of the statements may have changed in what is shown.

    Only of demographics: elsewhere numbers are shown with their digits (1.5 is equal to 1.50), and
    a stay shows when each of its places was spoken of.
    """
    if new["resourceType"] not in _DEMOGRAPHICS or len(old) != len(new):
        return False
    return {**old, "meta": None} == {**new, "meta": None}


def _insert(entries: list[_Json], entry: _Json) -> int:
    """Puts ``entry`` in its place (most news is new, so the search starts at the top)."""
    if not entries or (
        entries[0]["sort_us"] < entry["sort_us"] and entries[0].get("type") != "Patient"
    ):
        entries.insert(0, entry)
        return 0
    mine = newest_first(entry)
    at = 0
    while at < len(entries) and newest_first(entries[at]) < mine:
        at += 1
    entries.insert(at, entry)
    return at


def _replace(
    entries: list[_Json], old_id: str, new: _Json | None, limit: int, overflowed: bool
) -> bool:
    """Takes ``old_id`` out and puts ``new`` in; True if an unknown entry may have to move up."""
    at = next((i for i, e in enumerate(entries) if e["id"] == old_id), -1) if old_id else -1
    if at >= 0:
        del entries[at]
    place = _insert(entries, new) if new is not None else -1
    del entries[limit:]
    left_a_gap = at >= 0 and (place < 0 or place == limit - 1)
    return overflowed and left_a_gap
