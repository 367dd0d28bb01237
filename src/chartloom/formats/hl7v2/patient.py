"""Which identifier of a message names the patient: the one place that decides it."""

from __future__ import annotations

from typing import Final, NamedTuple

from chartloom.formats.hl7v2.tree import Segment

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
_UNUSABLE: Final = 9
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
    best, best_rank = NO_PATIENT, _UNUSABLE
    component = segment.source.delimiters.split_component
    for raw in segment.reps(field):
        key, kind = _read(segment, raw.split(component, 5))
        if key.identifier:
            rank = _VISIT_RANK if kind in _VISIT_TYPES else _RANKS.get(kind, _OTHER_RANK)
            if not rank:
                return key
            if rank < best_rank:
                best, best_rank = key, rank
    if best_rank > _FALLBACK_RANK:
        raw = "".join(segment.reps(fallback)[:1])
        key, _ = _read(segment, raw.split(component, 5))
        if key.identifier:
            return key
    return best


def _read(segment: Segment, cx: list[str]) -> tuple[PatientKey, str]:
    """Authority, identifier and type of one CX, given as raw components."""
    source = segment.source
    subcomponent = source.delimiters.split_subcomponent

    def plain(raw: str) -> str:
        return raw if raw.isalnum() else source.value(raw).strip()

    identifier = plain(cx[0].partition(subcomponent)[0])
    if not identifier:
        return NO_PATIENT, ""
    authority = ""
    if len(cx) > 3:
        parts = cx[3].split(subcomponent, 2)
        authority = plain(parts[0])
        if not authority and len(parts) > 1:
            authority = plain(parts[1])
    return PatientKey(authority, identifier), plain(cx[4]).upper() if len(cx) > 4 else ""
