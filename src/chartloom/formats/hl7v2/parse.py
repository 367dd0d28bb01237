"""Bytes to a tree. Never raises on any bytes; what is wrong becomes an Issue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import msgspec

from chartloom.formats.hl7v2 import codes
from chartloom.formats.hl7v2.findings import Findings
from chartloom.formats.hl7v2.header import NOT_A_SEPARATOR, read_source, settle_codec
from chartloom.formats.hl7v2.source import HEADERS, Source
from chartloom.formats.hl7v2.tree import Segment, Tree

#: Only a quick way to say yes; every name of three upper-case characters is as good.
_COMMON_NAMES: Final = frozenset(
    """
    MSH EVN PID PD1 NK1 PV1 PV2 ROL DB1 OBX AL1 DG1 DRG PR1 GT1 IN1 IN2 IN3 ACC UB1 UB2 MRG ORC OBR
    NTE TQ1 TQ2 SPM SAC CTD CTI RXA RXR RXO RXE RXD RXC RXG TXA SCH RGS AIS AIG AIL AIP FT1 MSA ERR
    QRD QRF QPD RCP QAK DSC SFT UAC IAM ARV PDA PRT ARQ CON PRD BLG NPU
    """.split()  # noqa: SIM905
)
_NAME: Final = re.compile("[A-Z][A-Z0-9]{2}")
_NAME_LIKE: Final = re.compile("[A-Z][A-Z0-9]{1,3}")
#: Blanks, byte order mark, framing.
_AROUND_NAMES: Final = " \t\ufeff\x0b\x1c"
_LINE_BREAK: Final = re.compile("\r\n|\r|\n")
#: All control characters but TAB, LF, CR (VT and FS are found here also where they only frame).
_CONTROLS: Final = bytes(c for c in range(32) if c not in b"\t\n\r") + b"\x7f"
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_COMMON_VERSIONS: Final = frozenset({"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_VERSION: Final = re.compile(r"2\.[1-9](\.\d)?")


class ParseLimits(msgspec.Struct, frozen=True):
    """Explicit limits of one message; passing one is an Issue, and nothing is lost."""

    message_size_bytes_max: int = 64 * 1024 * 1024
    segments_max: int = 100_000
    fields_max: int = 1_000  #: per segment
    repetitions_max: int = 10_000  #: per field
    parts_max: int = 500_000  #: delimiters in the whole message, so that memory stays bounded


DEFAULT_LIMITS: Final = ParseLimits()


def parse(data: bytes, *, charset: str = "utf-8", limits: ParseLimits = DEFAULT_LIMITS) -> Tree:
    """Parses one message (HL7 v2.1 to 2.9, ER7).

    charset: read where MSH-18 says nothing. Tolerates a byte order mark, MLLP framing, any segment
    terminator and blank lines; all of them are counted in spans. Never raises.
    """
    found = Findings()
    if len(data) > limits.message_size_bytes_max:
        return _unread(codes.TOO_LARGE, data, found)
    source = read_source(data, charset, found)
    if source is None:
        return _unread(codes.NO_HEADER, data, found)
    if _too_many_parts(source, limits):
        return _unread(codes.TOO_MANY_PARTS, data, found)
    segments = build_segments(source, charset, limits, found)
    _check(source, segments, limits, found)
    return Tree(source, segments, found.issues())


def _unread(code: str, data: bytes, found: Findings) -> Tree:
    """The fatal tree: all bytes kept, no segment."""
    found.add(code, "", (0, len(data)))
    return Tree(Source(data, len(data), len(data), "ascii"), [], found.issues())


def build_segments(
    source: Source,
    charset: str,
    limits: ParseLimits = DEFAULT_LIMITS,
    found: Findings | None = None,
) -> list[Segment]:
    """The segments of a source; the first one is MSH."""
    segments = _Builder(source, limits, found or Findings()).build()
    if source.codec == "ascii" and not source.tainted:
        settle_codec(source, segments[0].fields, charset)
    return segments


def _too_many_parts(source: Source, limits: ParseLimits) -> bool:
    text, d = source.text, source.delimiters
    if len(text) <= limits.parts_max:
        return False
    splits = (d.field, d.split_repetition, d.split_component, d.split_subcomponent)
    return sum(map(text.count, splits)) > limits.parts_max


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """(character offset, line) whatever ends the lines."""
    if "\n" not in text:
        ending = "\r"
    elif "\r" not in text:
        ending = "\n"
    elif text.count("\r\n") == text.count("\r") == text.count("\n"):
        ending = "\r\n"
    else:
        return _mixed_lines(text)
    lines = text.split(ending)
    return zip(
        accumulate(map(len(ending).__add__, map(len, lines)), initial=0), lines, strict=False
    )


def _mixed_lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for match in _LINE_BREAK.finditer(text):
        yield at, text[at : match.start()]
        at = match.end()
    yield at, text[at:]


class _Builder:
    """Turns the lines of one message into segments."""

    def __init__(self, source: Source, limits: ParseLimits, findings: Findings) -> None:
        self.source, self.limits, self.findings = source, limits, findings
        self.segments: list[Segment] = []
        self.counts: dict[str, int] = {}
        self.tail: _Tail | None = None

    def build(self) -> list[Segment]:
        source, segments, counts = self.source, self.segments, self.counts
        separator = source.delimiters.field
        fields_max, segments_max = self.limits.fields_max, self.limits.segments_max
        for at, line in _lines(source.text):
            fields = line.split(separator, fields_max)
            name = fields[0]
            if name not in _COMMON_NAMES:
                if not line or line.isspace():
                    continue
                name = self._uncommon(at, line, fields)
                if not name:
                    continue
            ordinal = counts[name] = counts.get(name, 0) + 1
            if name in HEADERS and len(fields) > 1:
                fields.insert(1, separator)  # the separator is field 1 itself
            if len(fields) > fields_max:
                self._find(codes.FIELDS_LIMIT, name, at, at + len(line))
            if len(segments) >= segments_max:
                self._find(codes.SEGMENTS_LIMIT, "", at, len(source.text))
                break
            segments.append(Segment(name, len(segments), ordinal, fields, at, source, line))
        if self.tail:
            self._close_tail(self.tail)
        if counts["MSH"] > 1:
            second = [s for s in segments if s.name == "MSH"][1]
            self.findings.add(codes.SEVERAL_MESSAGES, second.path, (second.start, second.end))
        return segments

    def _uncommon(self, at: int, line: str, fields: list[str]) -> str:
        """The name of a segment that is not among the common ones; ``""`` for a continued line."""
        name = fields[0]
        if _NAME.fullmatch(name) and (len(fields) > 1 or name[0] == "Z"):
            return name
        bare = name.strip(_AROUND_NAMES)
        stripped = bare.upper()
        if len(fields) > 1 and (
            stripped in _COMMON_NAMES or _NAME.fullmatch(bare) or _NAME_LIKE.fullmatch(name)
        ):
            self._find(codes.SEGMENT_NAME, "", at, at + len(line))
            return stripped
        if line.startswith("MSH") and len(line) > 3 and line[3] not in NOT_A_SEPARATOR:
            return "MSH"
        self._continue(at, line, fields)
        return ""

    def _continue(self, at: int, line: str, fields: list[str]) -> None:
        """Takes a line that is no segment as the rest of the field in which the line break is."""
        segment = self.segments[-1]
        segment.line = ""
        tail = self.tail
        if tail is None or tail.segment is not segment:
            if tail:
                self._close_tail(tail)
            start = segment._field_at(len(segment.fields) - 1)[0]
            self.tail = tail = _Tail(segment, start, 0)
        alone = len(segment.fields) == 1 and segment.name in HEADERS
        if alone or len(segment.fields) + len(fields) > self.limits.fields_max:
            fields = [line]  # stays one text
        tail.end = at + len(fields[0])
        if len(fields) > 1:
            self._close_tail(tail)
            segment.fields += fields[1:]
            self.tail = _Tail(segment, at + len(line) - len(fields[-1]), 0)

    def _close_tail(self, tail: _Tail) -> None:
        """Writes a field that goes over several lines; once, so that time stays linear."""
        if tail.end:
            segment = tail.segment
            segment.fields[-1] = self.source.text[tail.start : tail.end]
            number = len(segment.fields) - 1
            location = f"{segment.path}-{number}" if number else segment.path
            self._find(codes.EMBEDDED_NEWLINE, location, tail.start, tail.end)

    def _find(self, code: str, location: str, start: int, end: int) -> None:
        byte_at = self.source.byte_at
        self.findings.add(code, location, (byte_at(start), byte_at(end)))


@dataclass(slots=True)
class _Tail:
    """The last field of a segment while lines may still be added; ``end`` is 0 if none was."""

    segment: Segment
    start: int
    end: int


def _check(source: Source, segments: list[Segment], limits: ParseLimits, found: Findings) -> None:
    """Looks for what is wrong although it could be read."""
    header = segments[0]
    fields = header.fields
    if not (len(fields) > 12 and fields[10].isalnum() and fields[12] in _COMMON_VERSIONS):
        _check_header(header, found)
    if not header.value(9):
        found.add(codes.NO_MESSAGE_TYPE, "MSH-9", header.span(9))
    if source.text.count(source.delimiters.split_repetition) > limits.repetitions_max:
        _check_repetitions(source, segments, limits, found)
    data = source.data
    if source.tainted:
        _check_characters(codes.UNDECODABLE, _SURROGATE, segments, found)
    if len(data.translate(None, _CONTROLS)) != len(data) and _CONTROL.search(source.text):
        _check_characters(codes.CONTROL_CHARACTER, _CONTROL, segments, found)


def _check_header(header: Segment, found: Findings) -> None:
    if not header.value(10):
        found.add(codes.NO_CONTROL_ID, "MSH-10", header.span(10))
    if not _VERSION.fullmatch(header.value(12)):
        found.add(codes.VERSION_UNKNOWN, "MSH-12", header.span(12))


def _check_repetitions(
    source: Source, segments: list[Segment], limits: ParseLimits, found: Findings
) -> None:
    delimiter = source.delimiters.split_repetition
    for segment in segments:
        for n, text in enumerate(segment.fields):
            if text.count(delimiter) >= limits.repetitions_max:
                found.add(codes.REPETITIONS_LIMIT, f"{segment.path}-{n}", segment.span(n))


def _check_characters(
    code: str, pattern: re.Pattern[str], segments: list[Segment], found: Findings
) -> None:
    """Names the fields in which there are characters that should not be."""
    for segment in segments:
        for n, text in enumerate(segment.fields):
            if pattern.search(text):
                found.add(code, f"{segment.path}-{n}" if n else segment.path, segment.span(n))
