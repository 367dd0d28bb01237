"""Documents in a chart that say of themselves that they are about somebody else.

A clinical document names whom it is about. Filed in another patient's chart it would put that
person's drugs and allergies on this one's lists, so it contributes none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chartloom.formats.documents import LISTS, Unread
from chartloom.normalize.about import Record, is_somebody_else, records_of

_Json = dict[str, Any]


def without_strangers(entries: Sequence[_Json], patients: Iterable[_Json]) -> tuple[_Json, ...]:
    """Entries of a section without what documents list of somebody else than these patients
    (demographics of the chart): these are ``unread`` as ``somebody-else``."""
    if not any("about" in one for e in entries for one in (e, *e.get("points", ()))):
        return tuple(entries)
    known = records_of(map(_patient, patients))
    return tuple(_without(entry, known) for entry in entries)


def _without(entry: _Json, known: Sequence[Record]) -> _Json:
    if "points" in entry:
        return {**entry, "points": [_without(one, known) for one in entry["points"]]}
    strange = {a.get("part", 0) for a in entry.get("about", ()) if is_somebody_else(a, known)}
    entry = {k: v for k, v in entry.items() if k != "about"}  # whose name is nobody's business
    if not strange:
        return entry
    left = {k: v for k, v in entry.items() if k not in LISTS}
    for name in LISTS:
        if kept := [x for x in entry.get(name, ()) if x.get("part", 0) not in strange]:
            left[name] = kept
    return {**left, "unread": Unread.SOMEBODY_ELSE.value}


def _patient(entry: _Json) -> _Json:
    """A Patient as it was, as far as who it is."""
    names = [{"use": n.get("use"), "text": n.get("text")} for n in entry.get("names", ())]
    identifiers = entry.get("identifiers", ())
    return {"name": names, "birthDate": entry.get("birth_date"), "identifier": identifiers}
