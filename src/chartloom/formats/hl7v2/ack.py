"""Acknowledgements: original and enhanced mode (HL7 v2 chapter 2, Message Acknowledgment)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from chartloom.domain.issues import CATALOGUE, Issue, Severity
from chartloom.formats.hl7v2 import codes
from chartloom.formats.hl7v2.charset import WIDE
from chartloom.formats.hl7v2.delimiters import Delimiters
from chartloom.formats.hl7v2.escapes import escape
from chartloom.formats.hl7v2.peek import Peek

ACK_CODES: Final = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})

#: HL7 table 0357, Message Error Condition Codes.
CONDITIONS: Final = {
    "0": "Message accepted",
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "104": "Value too long",
    "198": "Non-Conformant Cardinality",
    "199": "Other HL7 Error",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application error",
}
_CONDITION_OF: Final = {
    codes.NO_HEADER: "100",
    codes.SEVERAL_MESSAGES: "100",
    codes.NO_MESSAGE_TYPE: "101",
    codes.NO_CONTROL_ID: "101",
    codes.ENCODING_CHARACTERS: "101",
    codes.VERSION_UNKNOWN: "203",
    codes.TOO_LARGE: "104",
    codes.UNDECODABLE: "102",
    codes.CHARSET_UNKNOWN: "103",
}
_SEVERITY: Final = {
    Severity.FATAL: "F",
    Severity.ERROR: "E",
    Severity.WARNING: "W",
    Severity.INFORMATION: "I",
}
_BREAKS: Final = frozenset("\r\n\x0b\x1a\x1b\x1c")
_PATH: Final = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<ordinal>\d+)\])?"
    r"(?:-(?P<field>\d+)(?:\[(?P<rep>\d+)\])?(?:\.(?P<comp>\d+)(?:\.(?P<sub>\d+))?)?)?"
)


class AckError(msgspec.Struct, frozen=True):
    """One ERR segment. No PHI: texts are titles and codes, never values.

    condition: a code of HL7 table 0357. severity: ``F``, ``E``, ``W`` or ``I``. location: a path
    such as ``PID-3[1].4``; ``""`` if none. text: for the user. diagnostic: for the developer.
    application_code: our issue code.
    """

    condition: str
    severity: str = "E"
    location: str = ""
    text: str = ""
    diagnostic: str = ""
    application_code: str = ""

    @classmethod
    def from_issue(cls, issue: Issue) -> AckError:
        """The ERR content for an Issue."""
        entry = CATALOGUE[issue.code]
        return cls(
            condition=_CONDITION_OF.get(issue.code, "207"),
            severity=_SEVERITY[entry.severity],
            location=issue.location,
            text=entry.title,
            diagnostic=entry.cure,
            application_code=issue.code,
        )


def acknowledge(
    peek: Peek,
    code: str,
    *,
    control_id: str,
    now_us: int,
    errors: Sequence[AckError] = (),
    kind: Sequence[str] = (),
    segments: Sequence[str] = (),
) -> bytes:
    """The ACK message for a peeked one, unframed: MSH, MSA and one ERR per error.

    code: ``AA``, ``AE``, ``AR`` (original mode and application level) or ``CA``, ``CE``, ``CR``
    (accept level of enhanced mode). control_id: MSH-10 of the acknowledgement. now_us: UTC,
    microseconds. kind: MSH-9 of an answer that says more (``("RSP", "K23", "RSP_K23")``);
    segments: what then follows, escaped in the sender's delimiters. Delimiters, version, processing
    id and character set are the sender's; sender and receiver are swapped. A peek without MSH is
    answered with the usual delimiters.
    """
    if code not in ACK_CODES:
        raise ValueError(f"{code!r} is not a code of HL7 table 0008")
    d = peek.delimiters
    version = _version(peek.version)
    header = _header(peek, d, version, control_id, now_us, kind)
    msa = ["MSA", code, _field(peek, 10)]
    if errors and version < (2, 4):  # MSA-3 was replaced by ERR then
        msa.append(escape(errors[0].text, d))
    lines = [header, d.field.join(msa)]
    lines += [_err(error, d, version) for error in errors]
    text = "".join(f"{line}\r" for line in (*lines, *segments))
    handler = "surrogatepass" if peek.codec in WIDE else "surrogateescape"
    try:  # values that came from the sender encode back, and our own texts are ASCII
        return text.encode(peek.codec, handler)
    except UnicodeEncodeError:  # but for a few characters that some sets can only decode
        return text.encode(peek.codec, "replace")


def _field(peek: Peek, number: int) -> str:
    """A field of the sender's MSH, escaped as the sender wrote it.

    Line breaks, framing characters and shifts of the character set that a broken sender left in it
    must not break the answer.
    """
    if peek.msh is None or number >= len(peek.msh.fields):
        return ""
    raw = peek.msh.fields[number]
    if _BREAKS.isdisjoint(raw):
        return raw
    return "".join(escape(c, peek.delimiters) if c in _BREAKS else c for c in raw)


def _version(version: str) -> tuple[int, ...]:
    """(2, 5, 1); an unknown version counts as 2.5, the first with today's ERR."""
    numbers = version.split(".")
    if not all(n.isascii() and n.isdigit() and len(n) < 4 for n in numbers):
        return (2, 5)
    return tuple(int(n) for n in numbers)


def _time(now_us: int, version: tuple[int, ...]) -> str:
    moment = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    text = moment.strftime("%Y%m%d%H%M%S")
    return text if version < (2, 3) else f"{text}.{now_us // 1000 % 1000:03}+0000"


def _type(peek: Peek, d: Delimiters, version: tuple[int, ...], kind: Sequence[str]) -> str:
    if kind:
        return d.component.join(kind) if d.component else kind[0]
    event = escape(peek.event, d)
    if not event or version < (2, 2) or not d.component:
        return "ACK"
    parts = ["ACK", event] if version < (2, 3, 1) else ["ACK", event, "ACK"]
    return d.component.join(parts)


def _header(
    peek: Peek,
    d: Delimiters,
    version: tuple[int, ...],
    control_id: str,
    now_us: int,
    kind: Sequence[str],
) -> str:
    fields = [""] * 19
    fields[2] = d.encoding
    fields[3], fields[4] = _field(peek, 5), _field(peek, 6)
    fields[5], fields[6] = _field(peek, 3), _field(peek, 4)
    fields[7] = _time(now_us, version)
    fields[9] = _type(peek, d, version, kind)
    fields[10] = escape(control_id, d)
    fields[11] = _field(peek, 11) or "P"
    fields[12] = _field(peek, 12) or "2.5.1"
    if peek.enhanced:  # an acknowledgement is never acknowledged itself
        fields[15] = fields[16] = "NE"
    fields[18] = _field(peek, 18)
    while not fields[-1]:
        fields.pop()
    return "MSH" + d.field + d.field.join(fields[2:])


def _err(error: AckError, d: Delimiters, version: tuple[int, ...]) -> str:
    return d.field.join(_err_fields(error, d, version)).rstrip(d.field)


def _err_fields(error: AckError, d: Delimiters, version: tuple[int, ...]) -> list[str]:
    condition = [
        error.condition,
        escape(CONDITIONS.get(error.condition, ""), d),
        "HL70357",
    ]
    match = _PATH.fullmatch(error.location)
    place = match.groupdict() if match else {}
    if version < (2, 5):  # ERR-1 was the only field: segment ^ sequence ^ field ^ code & text
        eld = [place.get("segment") or "", place.get("ordinal") or ("1" if place else "")]
        eld += [place.get("field") or "", d.subcomponent.join(condition) or condition[0]]
        if not d.subcomponent:
            eld[3] = condition[0]
        return ["ERR", d.component.join(eld)]
    location = ""
    if match:
        erl = [place["segment"], place["ordinal"] or "1", place["field"] or ""]
        erl += [place["rep"] or ("1" if place["field"] else ""), place["comp"] or ""]
        erl += [place["sub"] or ""]
        location = d.component.join(erl).rstrip(d.component)
    application = escape(error.application_code, d)
    return [
        "ERR",
        "",
        location,
        d.component.join(condition),
        error.severity,
        application,
        "",
        escape(error.diagnostic, d),
        escape(error.text, d),
    ]
