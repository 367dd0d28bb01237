"""Documents in a chart that say of themselves that they are about somebody else.

A clinical document names whom it is about. Filed in another patient's chart it would put that
person's drugs and allergies on this one's lists, so it contributes none. As with overlays, people
are called otherwise and days are misread: only who has another given name and another date of
birth, or another name altogether and other numbers, is somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from chartloom.formats.documents import Unread
from chartloom.registry.persons import Kind, MatchRecord, compare, default_parameters, standardise

_Json = dict[str, Any]
_APART: Final = frozenset({"different", "renamed"})
_LISTS: Final = ("drugs", "allergies", "problems")


def without_strangers(entries: Sequence[_Json], patients: Iterable[_Json]) -> tuple[_Json, ...]:
    """Entries of a section without what documents list of somebody else than these patients
    (demographics of the chart): these are ``unread`` as ``somebody-else``."""
    if not any("about" in one for e in entries for one in (e, *e.get("points", ()))):
        return tuple(entries)
    records = [_record(p) for p in patients]
    known = [r for r in records if r[0].kind is Kind.PERSON and r[0].givens]
    return tuple(_without(entry, known) for entry in entries)


#: What is compared, and the numbers, without system: their authority is written in many ways.
_Record = tuple[MatchRecord, frozenset[str]]


def _without(entry: _Json, known: list[_Record]) -> _Json:
    if "points" in entry:
        return {**entry, "points": [_without(one, known) for one in entry["points"]]}
    strange = {a.get("part", 0) for a in entry.get("about", ()) if _is_other(a, known)}
    entry = {k: v for k, v in entry.items() if k != "about"}  # whose name is nobody's business
    if not strange:
        return entry
    left = {k: v for k, v in entry.items() if k not in _LISTS}
    for name in _LISTS:
        if kept := [x for x in entry.get(name, ()) if x.get("part", 0) not in strange]:
            left[name] = kept
    return {**left, "unread": Unread.SOMEBODY_ELSE.value}


def _is_other(about: _Json, known: list[_Record]) -> bool:
    target, numbers = standardise(about), _numbers(about.get("identifier", ()))
    return bool(known) and all(_are_two(target, numbers, *record) for record in known)


def _are_two(a: MatchRecord, numbers: frozenset[str], b: MatchRecord, held: frozenset[str]) -> bool:
    found = compare(a, b, default_parameters())
    if found.given != "different":
        return False
    if found.birth == "different":
        return found.family in _APART or numbers.isdisjoint(held)
    apart = bool(numbers and held) and numbers.isdisjoint(held)
    return found.birth == "missing" and found.family in _APART and apart


def _record(patient: _Json) -> _Record:
    identifiers = patient.get("identifiers", ())
    names = [{"use": n.get("use"), "text": n.get("text")} for n in patient.get("names", ())]
    told = {"name": names, "birthDate": patient.get("birth_date"), "identifier": identifiers}
    return standardise(told), _numbers(identifiers)


def _numbers(identifiers: Iterable[_Json]) -> frozenset[str]:
    said = ("".join(filter(str.isalnum, str(i.get("value", "")))) for i in identifiers)
    return frozenset(s.casefold().lstrip("0") for s in said if s)
