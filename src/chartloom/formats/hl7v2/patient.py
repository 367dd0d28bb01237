"""Which identifier of a message names the patient: the one place that decides it."""

from __future__ import annotations

from typing import Final, NamedTuple

from chartloom.formats.hl7v2.tree import NULL, Segment

#: Rank by identifier type (CX.5, HL7 table 0203): lower is better.
_RANKS: Final = {
    "MR": 0,  # medical record number
    "MRN": 0,  # the same, as vendors write it
    "PI": 1,  # internal patient identifier
    "PT": 1,  # external patient identifier
    "": 1,
}
_OTHER_RANK: Final = 2
_FALLBACK_RANK: Final = 3
_VISIT_RANK: Final = 4
#: Numbers of accounts and visits change from stay to stay: better than nothing, but only just.
_VISIT_TYPES: Final = frozenset({"AN", "VN", "ANON", "ACSN"})


class PatientKey(NamedTuple):
    """Assigning authority as the source wrote it (``""`` if none), and identifier."""

    authority: str
    identifier: str


NO_PATIENT: Final = PatientKey("", "")


def pick_patient(segment: Segment | None, field: int = 3, fallback: int = 2) -> PatientKey:
    """The identifier by which a source knows its patient; empty if the segment has none.

    Of the repetitions of PID-3: the first of type MR; else the first PI, PT or untyped one; else
    the first of another type; else PID-2; else a visit or account number. The authority is CX.4's
    namespace id, or its universal id where there is no namespace. For the prior patient of a merge
    ask with MRG and ``field=1, fallback=4``.
    """
    if segment is None:
        return NO_PATIENT
    best, best_rank = NO_PATIENT, 9
    for number, raw in enumerate(segment.reps(field), 1):
        rank = _rank(segment, field, number, raw)
        if rank < best_rank:
            best, best_rank = _key(segment, field, number), rank
            if not rank:
                return best
    if best_rank > _FALLBACK_RANK and (key := _key(segment, fallback, 1)).identifier:
        return key
    return best


def _rank(segment: Segment, field: int, number: int, raw: str) -> int:
    if not raw or raw == NULL or not segment.value(field, number).strip():
        return 9
    kind = segment.value(field, number, 5).strip().upper()
    return _VISIT_RANK if kind in _VISIT_TYPES else _RANKS.get(kind, _OTHER_RANK)


def _key(segment: Segment, field: int, number: int) -> PatientKey:
    identifier = segment.value(field, number).strip()
    if not identifier:
        return NO_PATIENT
    authority = segment.value(field, number, 4) or segment.value(field, number, 4, 2)
    return PatientKey(authority.strip(), identifier)
