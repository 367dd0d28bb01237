"""A quick look at a message before it is landed: header, patient, nothing else."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from chartloom.formats.hl7v2.charset import SINGLE_BYTE
from chartloom.formats.hl7v2.delimiters import DEFAULT, Delimiters, delimiters
from chartloom.formats.hl7v2.header import find_header, header_codec
from chartloom.formats.hl7v2.parse import parse
from chartloom.formats.hl7v2.patient import NO_PATIENT, PatientKey, pick_patient
from chartloom.formats.hl7v2.source import Source
from chartloom.formats.hl7v2.tree import Segment, message_type

_LINE_END: Final = re.compile(rb"[\r\n]+")
#: Character sets in which a line can be cut out of the bytes and decoded by itself.
_SIMPLE: Final = SINGLE_BYTE | {"utf-8"}


class Peek(msgspec.Struct, frozen=True):
    """What a receiver must know to land a message and to answer it. Texts are unescaped.

    fatal: there is no usable MSH; everything else is empty then. accept_ack, application_ack:
    MSH-15 and MSH-16 (``AL``, ``NE``, ``ER``, ``SU`` or ``""``; both empty means original mode).
    event: the trigger event, ``A01``. timestamp: MSH-7 as written. header: MSH's raw fields, from
    which an acknowledgement is made. codec: the Python codec of the message.
    """

    control_id: str = ""
    message_type: str = ""
    structure: str = ""
    event: str = ""
    version: str = ""
    timestamp: str = ""
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    processing_id: str = ""
    accept_ack: str = ""
    application_ack: str = ""
    charset: str = ""  #: MSH-18, first repetition, as written
    patient_authority: str = ""
    patient_identifier: str = ""
    fatal: bool = False
    header: tuple[str, ...] = ()
    codec: str = "ascii"
    delimiters: Delimiters = DEFAULT

    @property
    def enhanced(self) -> bool:
        """Whether the sender asks for enhanced acknowledgement mode (MSH-15 or MSH-16 valued)."""
        return bool(self.accept_ack or self.application_ack)


def peek(data: bytes, charset: str = "utf-8") -> Peek:
    """Looks at MSH, PID and, if need be, EVN. Tolerant: never raises, agrees with ``parse``."""
    segments = _cut(data, charset)
    if segments is None:
        tree = parse(data, charset=charset)
        if tree.header is None:
            return Peek(fatal=True)
        header, evn, pid = tree.header, tree.first("EVN"), tree.first("PID")
    else:
        header, evn, pid = segments
    return _peek(header, evn, pick_patient(pid) if pid is not None else NO_PATIENT)


def _cut(data: bytes, charset: str) -> tuple[Segment, Segment | None, Segment | None] | None:
    """MSH, EVN and PID cut out of the bytes; None if that could go wrong and ``parse`` is needed.

    It could where lines may continue, names are odd or the character set is not simple.
    """
    start = find_header(data)
    if start < 0:
        return None
    codec = header_codec(data, start, charset)
    separator = data[start + 3 : start + 4]
    if codec not in _SIMPLE or not separator.isascii():
        return None
    msh = _line(data, start, separator)
    if msh is None:
        return None
    header = _segment(msh, codec, None)
    pid_at = _find(data, b"PID" + separator, start)
    if pid_at < 0 and b"PID" in data.upper():
        return None
    evn = pid = None
    for name, at in ((b"EVN", -1), (b"PID", pid_at)):
        at = _find(data, name + separator, start) if name == b"EVN" else at
        if at < 0:
            continue
        line = _line(data, at, separator)
        if line is None:
            return None
        segment = _segment(line, codec, header.source.delimiters)
        if name == b"EVN":
            evn = segment
        else:
            pid = segment
    return header, evn, pid


def _find(data: bytes, what: bytes, start: int) -> int:
    at = data.find(b"\r" + what, start)
    other = data.find(b"\n" + what, start, at if at >= 0 else len(data))
    found = other if other >= 0 else at
    return found + 1 if found >= 0 else -1


def _line(data: bytes, start: int, separator: bytes) -> bytes | None:
    """The line at ``start``; None if the next line may continue it."""
    end = _LINE_END.search(data, start)
    if end is None:
        return data[start:].rstrip(b"\x1c\x0b\x1a")
    following = data[end.end() : end.end() + 4]
    name = following[:3]
    if len(following) == 4 and not (
        following[3:] == separator and name.isalnum() and name.isupper()
    ):
        return None
    return data[start : end.start()]


def _segment(line: bytes, codec: str, of: Delimiters | None) -> Segment:
    source = Source(line, 0, len(line), codec)
    text = source.text
    header = of is None
    separator = text[3]
    if of is None:
        end = text.find(separator, 4)
        of = delimiters(separator, text[4 : end if end >= 0 else len(text)][:5])
    source.delimiters = of
    fields = text.split(separator)
    if header:
        fields.insert(1, separator)
    return Segment(fields[0], 0, 1, fields, 0, source)


def _peek(header: Segment, evn: Segment | None, patient: PatientKey) -> Peek:
    value = header.value
    kind = message_type(header, evn)
    return Peek(
        control_id=value(10),
        message_type=kind,
        structure=value(9, 1, 3),
        event=kind.partition("^")[2],
        version=value(12),
        timestamp=value(7),
        sending_application=value(3),
        sending_facility=value(4),
        receiving_application=value(5),
        receiving_facility=value(6),
        processing_id=value(11),
        accept_ack=value(15),
        application_ack=value(16),
        charset=value(18),
        patient_authority=patient.authority,
        patient_identifier=patient.identifier,
        header=tuple(header.fields),
        codec=header.source.codec,
        delimiters=header.source.delimiters,
    )
