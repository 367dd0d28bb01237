"""Reads queries by parameter (HL7 v2.5 chapter 5: QBP, QPD, RCP, DSC, QCN), as IHE asks who a
patient is: PIX (ITI-9, ``QBP^Q23``) and PDQ (ITI-21, ``QBP^Q22``). Pure; never raises.

Nothing is left out in silence: a parameter that is not known here would, if it were passed over,
find more people than were asked for. So it is an error with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import msgspec

from chartloom.formats.hl7v2.ack import AckError
from chartloom.formats.hl7v2.tree import Segment, Tree

#: No query of a person at a desk has more.
REPETITIONS_MAX: Final = 50
_PATH: Final = re.compile(r"@?(PID\.[1-9]\d?(?:\.[1-9]\d?){0,2})")
_NUMBER: Final = re.compile(r"\d{1,6}")


class QueryKind(StrEnum):
    """What is asked."""

    CROSS_REFERENCE = "pix"  #: all identifiers of the patient with this one
    DEMOGRAPHICS = "pdq"  #: all patients with these traits
    CANCEL = "cancel"  #: no further pages of a query, please


class Authority(msgspec.Struct, frozen=True):
    """An assigning authority (HD): name, universal id and its type; at least one is valued."""

    name: str = ""
    universal: str = ""
    kind: str = ""

    def __bool__(self) -> bool:
        return bool(self.name or self.universal)


class Parameter(msgspec.Struct, frozen=True):
    """One search parameter of PDQ: ``PID.5.1`` with its value. repetition: of QPD-3, 1-based."""

    path: str
    value: str
    repetition: int


class Query(msgspec.Struct, frozen=True):
    """A query as it was asked. Texts are unescaped.

    tag: QPD-2, by which the sender knows its answer. number, authority: the identifier of a
    cross-reference (QPD-3). parameters: of demographics (QPD-3). domains: authorities of which
    identifiers are wanted (QPD-4, QPD-8), all of them if there are none. limit: patients in one
    answer (RCP-2), 0 if the sender does not say. pointer: where to go on (DSC-1).
    """

    kind: QueryKind
    tag: str = ""
    number: str = ""
    authority: Authority = Authority()
    parameters: tuple[Parameter, ...] = ()
    domains: tuple[Authority, ...] = ()
    limit: int = 0
    pointer: str = ""


#: MSH-9.1 and MSH-9.2 of what can be asked.
_KINDS: Final = {
    "QBP^Q23": QueryKind.CROSS_REFERENCE,
    "QBP^Q22": QueryKind.DEMOGRAPHICS,
    "QCN^J01": QueryKind.CANCEL,
}


def kind_of(message_type: str) -> QueryKind | None:
    """What a message of this type asks; ``None`` if it is no query that is answered here."""
    return _KINDS.get(message_type)


def read_query(tree: Tree) -> Query | AckError:
    """The query of a message, or what is wrong with it, for the ERR segment of the answer."""
    kind = kind_of(tree.message_type)
    if kind is None:
        known = tree.message_type.partition("^")[0] in ("QBP", "QCN")
        return AckError("201" if known else "200", location="MSH-9", text="Not answered here.")
    if kind is QueryKind.CANCEL:
        qid = tree.first("QID")
        return Query(kind, qid.value(1)) if qid else _missing("QID")
    qpd = tree.first("QPD")
    if qpd is None:
        return _missing("QPD")
    rcp, dsc = tree.first("RCP"), tree.first("DSC")
    if rcp is not None and rcp.value(1) not in ("", "I"):
        return AckError("103", location="RCP-1", text="Answers are immediate here.")
    limit = _limit(rcp)
    if limit is None:
        return AckError("102", location="RCP-2", text="A number of records is needed.")
    pointer = dsc.value(1) if dsc else ""
    read = _cross_reference if kind is QueryKind.CROSS_REFERENCE else _demographics
    return read(qpd, limit, pointer)


def _cross_reference(qpd: Segment, limit: int, pointer: str) -> Query | AckError:
    asked = [(r, c) for r, c in enumerate(qpd.reps(3), 1) if c]
    if len(asked) > 1:
        return AckError("198", location="QPD-3[2]", text="One identifier is asked about at a time.")
    number, authority = qpd.value(3).strip(), authority_at(qpd, 3, 1)
    if not number:
        return AckError("101", location="QPD-3", text="No identifier is asked about.")
    if not authority:
        return AckError("101", location="QPD-3[1].4", text="Whose identifier it is, is not said.")
    domains = _domains(qpd, 4)
    if isinstance(domains, AckError):
        return domains
    return Query(
        QueryKind.CROSS_REFERENCE,
        qpd.value(2),
        number,
        authority,
        domains=domains,
        limit=limit,
        pointer=pointer,
    )


def _demographics(qpd: Segment, limit: int, pointer: str) -> Query | AckError:
    for field in (4, 5, 6, 7):
        if qpd.value(field):
            text = "A search is exact here; no other algorithm can be chosen."
            return AckError("103", location=f"QPD-{field}", text=text)
    found = list(_parameters(qpd))
    if wrong := [p for p in found if isinstance(p, AckError)]:
        return wrong[0]
    parameters = tuple(p for p in found if isinstance(p, Parameter))
    if not parameters:
        return AckError("101", location="QPD-3", text="Nothing is searched for.")
    domains = _domains(qpd, 8)
    if isinstance(domains, AckError):
        return domains
    return Query(
        QueryKind.DEMOGRAPHICS,
        qpd.value(2),
        parameters=parameters,
        domains=domains,
        limit=limit,
        pointer=pointer,
    )


def _parameters(qpd: Segment) -> Iterator[Parameter | AckError]:
    repetitions = qpd.reps(3)
    if len(repetitions) > REPETITIONS_MAX:
        yield _too_many(3)
        return
    for number, raw in enumerate(repetitions, 1):
        if not raw:
            continue
        path = _PATH.fullmatch(qpd.value(3, number, 1))
        if path is None:
            text = "This is no parameter like @PID.5.1."
            yield AckError("103", location=f"QPD-3[{number}].1", text=text)
        elif value := " ".join(qpd.value(3, number, 2).split()):
            yield Parameter(path[1], value, number)


def _domains(qpd: Segment, field: int) -> tuple[Authority, ...] | AckError:
    repetitions = qpd.reps(field)
    if len(repetitions) > REPETITIONS_MAX:
        return _too_many(field)
    found = []
    for number, raw in enumerate(repetitions, 1):
        if not raw:
            continue
        authority = authority_at(qpd, field, number)
        if not authority:
            text = "The assigning authority belongs into the fourth component."
            return AckError("101", location=f"QPD-{field}[{number}].4", text=text)
        found.append(authority)
    return tuple(found)


def authority_at(segment: Segment, field: int, repetition: int) -> Authority:
    """The assigning authority (CX.4) of a field."""
    name, universal, kind = (segment.value(field, repetition, 4, n).strip() for n in (1, 2, 3))
    return Authority(name, universal, kind.upper())


def _limit(rcp: Segment | None) -> int | None:
    """RCP-2: at most so many records; 0 if it does not say, ``None`` if it says something else."""
    text = rcp.value(2).strip() if rcp else ""
    if not text:
        return 0
    unit = rcp.value(2, 1, 2) if rcp else ""
    return int(text) if _NUMBER.fullmatch(text) and unit in ("", "RD") else None


def _missing(segment: str) -> AckError:
    return AckError("100", location=segment, text=f"{segment} is missing.")


def _too_many(field: int) -> AckError:
    text = f"At most {REPETITIONS_MAX} repetitions are read."
    return AckError("198", location=f"QPD-{field}", text=text)
