"""A quick look at a message before it is landed: header, patient, nothing else."""

from __future__ import annotations

import msgspec

from chartloom.formats.hl7v2.delimiters import DEFAULT, Delimiters
from chartloom.formats.hl7v2.findings import Findings
from chartloom.formats.hl7v2.header import find_header, read_source
from chartloom.formats.hl7v2.parse import build_segments
from chartloom.formats.hl7v2.patient import pick_patient
from chartloom.formats.hl7v2.tree import Segment, message_type


class Peek(msgspec.Struct, frozen=True):
    """What a receiver must know to land a message and to answer it. Texts are unescaped.

    msh: the MSH segment, None if there is no usable one (``fatal``). event: the trigger event,
    ``A01``. Patient authority and identifier: see ``pick_patient``.
    """

    msh: Segment | None = None
    control_id: str = ""
    message_type: str = ""
    event: str = ""
    patient_authority: str = ""
    patient_identifier: str = ""

    def _value(self, field: int, comp: int = 1) -> str:
        return self.msh.value(field, 1, comp) if self.msh else ""

    @property
    def fatal(self) -> bool:
        """Whether the bytes cannot be read as HL7 v2: everything else is empty then."""
        return self.msh is None

    @property
    def delimiters(self) -> Delimiters:
        """The sender's delimiters; the usual ones if fatal."""
        return self.msh.source.delimiters if self.msh else DEFAULT

    @property
    def codec(self) -> str:
        """The Python codec of the message."""
        return self.msh.source.codec if self.msh else "ascii"

    @property
    def sending_application(self) -> str:
        """MSH-3.1."""
        return self._value(3)

    @property
    def sending_facility(self) -> str:
        """MSH-4.1."""
        return self._value(4)

    @property
    def receiving_application(self) -> str:
        """MSH-5.1."""
        return self._value(5)

    @property
    def receiving_facility(self) -> str:
        """MSH-6.1."""
        return self._value(6)

    @property
    def timestamp(self) -> str:
        """MSH-7.1, as written."""
        return self._value(7)

    @property
    def structure(self) -> str:
        """MSH-9.3, ``ADT_A01``."""
        return self._value(9, 3)

    @property
    def processing_id(self) -> str:
        """MSH-11.1: ``P``, ``T`` or ``D``."""
        return self._value(11)

    @property
    def version(self) -> str:
        """MSH-12.1, ``2.5.1``."""
        return self._value(12)

    @property
    def accept_ack(self) -> str:
        """MSH-15: ``AL``, ``NE``, ``ER``, ``SU`` or empty."""
        return self._value(15)

    @property
    def application_ack(self) -> str:
        """MSH-16: ``AL``, ``NE``, ``ER``, ``SU`` or empty."""
        return self._value(16)

    @property
    def charset(self) -> str:
        """MSH-18, first repetition, as written."""
        return self._value(18)

    @property
    def enhanced(self) -> bool:
        """Whether the sender asks for enhanced acknowledgement mode (MSH-15 or MSH-16 valued)."""
        return bool(self.accept_ack or self.application_ack)


def peek(data: bytes, charset: str = "utf-8") -> Peek:
    """Looks at MSH, PID and, if need be, EVN. Never raises, and agrees with ``parse``."""
    head = _head(data)
    source = read_source(head, charset, Findings())
    if source is None:
        return Peek()
    segments = build_segments(source, charset)
    pid = next((segment for segment in segments if segment.name == "PID"), None)
    msh = segments[0]
    patient = pick_patient(pid)
    kind = message_type(segments)
    return Peek(
        msh, msh.value(10), kind, kind.partition("^")[2], patient.authority, patient.identifier
    )


def _head(data: bytes) -> bytes:
    """The message up to the end of PID; all of it where that cannot be told from the bytes."""
    start = find_header(data)
    separator = data[start + 3 : start + 4]
    if start < 0 or b"\x1b" in data:  # character sets with shift states
        return data
    at = _find(data, b"PID" + separator, start)
    if at < 0:
        return data
    end = _line_end(data, at)
    while end < len(data):
        following = end + (2 if data[end : end + 2] == b"\r\n" else 1)
        name = data[following : following + 3]
        if data[following + 3 : following + 4] == separator and name.isalnum() and name.isupper():
            break
        end = _line_end(data, following)  # PID goes on: a line break inside a field
    return data[:end]


def _find(data: bytes, what: bytes, start: int) -> int:
    """Offset of the first line that starts with ``what``; -1 if there is none."""
    at = data.find(b"\r" + what, start)
    other = data.find(b"\n" + what, start, at if at >= 0 else len(data))
    found = other if other >= 0 else at
    return found + 1 if found >= 0 else -1


def _line_end(data: bytes, start: int) -> int:
    end = data.find(b"\r", start)
    if end < 0:
        end = len(data)
    feed = data.find(b"\n", start, end)
    return feed if feed >= 0 else end
