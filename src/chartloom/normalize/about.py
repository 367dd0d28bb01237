"""What documents could not be read of, or are about somebody else: Issues of a message.

As with overlays, people are called otherwise and days are misread: only who has another given name
and another date of birth, or another name altogether and other numbers, is somebody else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from chartloom.domain.issues import Issue
from chartloom.domain.resource import Contribution
from chartloom.formats.documents import Unread, document_lists
from chartloom.normalize.sensitivity.listed import may_list
from chartloom.registry.persons import Kind, MatchRecord, compare, default_parameters, standardise

_Json = dict[str, Any]
_APART: Final = frozenset({"different", "renamed"})
#: Who somebody is, and their numbers, without system: authorities are written in many ways.
Record = tuple[MatchRecord, frozenset[str]]


def issues_of_documents(contributions: Iterable[Contribution]) -> list[Issue]:
    """``document-unread`` and ``document-clipped`` of every document of a message."""
    said = tuple(contributions)
    return [i for c in said if may_list(c.resource) for i in _issues(c, said)]


def _issues(document: Contribution, said: Sequence[Contribution]) -> Iterator[Issue]:
    told = document_lists(document.resource)
    about = told.get("about", ())
    if about:
        whose = document.source_patient
        patients = (c.resource for c in said if c.type == "Patient" and c.source_patient == whose)
        known = records_of(patients)
        if any(is_somebody_else(a, known) for a in about):
            yield Issue("document-unread", document.type, detail=Unread.SOMEBODY_ELSE.value)
    if reason := told.get("unread"):
        yield Issue("document-unread", document.type, detail=reason)
    if told.get("clipped"):
        yield Issue("document-clipped", document.type)


def records_of(patients: Iterable[_Json]) -> list[Record]:
    """Of these FHIR Patients those that say who they are."""
    found = [(standardise(p), _numbers(p.get("identifier", ()))) for p in patients]
    return [r for r in found if r[0].kind is Kind.PERSON and r[0].givens]


def is_somebody_else(about: _Json, known: Sequence[Record]) -> bool:
    """Whether a Patient is plainly none of these; if nothing is known of these, nobody knows."""
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


def _numbers(identifiers: Iterable[_Json]) -> frozenset[str]:
    said = ("".join(filter(str.isalnum, str(i.get("value", "")))) for i in identifiers)
    return frozenset(s.casefold().lstrip("0") for s in said if s)
