"""Bytes to a tree. Never raises on any bytes; what is wrong becomes an Issue."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final

import msgspec

from chartloom.domain.issues import Issue
from chartloom.formats.hl7v2 import codes
from chartloom.formats.hl7v2.header import NOT_A_SEPARATOR, read_source, settle_codec
from chartloom.formats.hl7v2.source import Source
from chartloom.formats.hl7v2.tree import HEADERS, Segment, Tree

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
_LINE_BREAK: Final = re.compile("\r\n|\r|\n")
#: All control characters but TAB, LF, CR (and VT, FS where they frame; looked at separately).
_CONTROLS: Final = bytes(c for c in range(32) if c not in b"\t\n\r\x1b") + b"\x7f"
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
_COMMON_VERSIONS: Final = frozenset({"2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"})
_VERSION: Final = re.compile(r"2\.[1-9](\.\d)?")
#: How many places are named for one kind of Issue that may occur everywhere.
_NAMED_MAX: Final = 10


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
    issues: list[Issue] = []
    if len(data) > limits.message_size_bytes_max:
        issues.append(Issue(codes.TOO_LARGE, span=(0, len(data))))
        return Tree(Source(data, len(data), len(data), "ascii"), [], issues)
    source = read_source(data, charset, issues)
    if source is None:
        issues.append(Issue(codes.NO_HEADER, span=(0, len(data))))
        return Tree(Source(data, len(data), len(data), "ascii"), [], issues)
    if _too_many_parts(source, limits):
        issues.append(Issue(codes.TOO_MANY_PARTS, span=(0, len(data))))
        return Tree(Source(data, len(data), len(data), "ascii"), [], issues)
    segments = build_segments(source, charset, limits, issues)
    _check(source, segments, limits, issues)
    return Tree(source, segments, issues)


def build_segments(
    source: Source,
    charset: str,
    limits: ParseLimits = DEFAULT_LIMITS,
    issues: list[Issue] | None = None,
) -> list[Segment]:
    """The segments of a source; the first one is MSH."""
    segments = _Builder(source, limits, [] if issues is None else issues).build()
    if source.codec == "ascii":
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

    def __init__(self, source: Source, limits: ParseLimits, issues: list[Issue]) -> None:
        self.source, self.limits, self.issues = source, limits, issues
        self.segments: list[Segment] = []
        self.counts: dict[str, int] = {}

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
            if name in HEADERS:
                self._header(name, at, line, fields)
            if len(segments) >= segments_max:
                start, end = source.byte_at(at), source.byte_at(len(source.text))
                self.issues.append(Issue(codes.SEGMENTS_LIMIT, span=(start, end)))
                break
            ordinal = counts[name] = counts.get(name, 0) + 1
            segments.append(Segment(name, len(segments), ordinal, fields, at, source))
        return segments

    def _header(self, name: str, at: int, line: str, fields: list[str]) -> None:
        """Puts the separator in its place as field 1."""
        if len(fields) > 1:
            fields.insert(1, self.source.delimiters.field)
        if name == "MSH" and self.segments:
            self._issue(codes.SEVERAL_MESSAGES, name, at, line)

    def _uncommon(self, at: int, line: str, fields: list[str]) -> str:
        """The name of a segment that is not among the common ones; ``""`` for a continued line."""
        name = fields[0]
        if _NAME.fullmatch(name):
            return name
        stripped = name.strip().upper()
        if len(fields) > 1 and (
            stripped in _COMMON_NAMES or _NAME.fullmatch(name.strip()) or _NAME_LIKE.fullmatch(name)
        ):
            self._issue(codes.SEGMENT_NAME, "", at, line)
            return stripped
        if line.startswith("MSH") and len(line) > 3 and line[3] not in NOT_A_SEPARATOR:
            self._issue(codes.SEVERAL_MESSAGES, "MSH", at, line)
            return "MSH"
        self._continue(at, line, fields)
        return ""

    def _continue(self, at: int, line: str, fields: list[str]) -> None:
        """Joins a line that is no segment to the field in which the line break stands."""
        segment = self.segments[-1]
        text = self.source.text
        last = len(segment.fields) - 1
        start = segment._field_at(last)[0]
        segment.fields[last:] = [text[start : at + len(fields[0])], *fields[1:]]
        self._issue(codes.EMBEDDED_NEWLINE, f"{segment.path}-{last}", at, line)

    def _issue(self, code: str, location: str, at: int, line: str) -> None:
        byte_at = self.source.byte_at
        self.issues.append(Issue(code, location, span=(byte_at(at), byte_at(at + len(line)))))


def _check(
    source: Source, segments: list[Segment], limits: ParseLimits, issues: list[Issue]
) -> None:
    """Looks for what is wrong although it could be read."""
    header = segments[0]
    fields = header.fields
    if not (len(fields) > 12 and fields[10].isalnum() and fields[12] in _COMMON_VERSIONS):
        _check_header(header, issues)
    if not header.value(9):
        issues.append(Issue(codes.NO_MESSAGE_TYPE, "MSH-9", span=header.span(9)))
    if source.text.count(source.delimiters.split_repetition) > limits.repetitions_max:
        _check_repetitions(source, segments, limits, issues)
    data = source.data
    if source.tainted or len(data.translate(None, _CONTROLS)) != len(data):
        _check_characters(source, segments, issues)


def _check_header(header: Segment, issues: list[Issue]) -> None:
    if not header.value(10):
        issues.append(Issue(codes.NO_CONTROL_ID, "MSH-10", span=header.span(10)))
    if not _VERSION.fullmatch(header.value(12)):
        issues.append(Issue(codes.VERSION_UNKNOWN, "MSH-12", span=header.span(12)))


def _check_repetitions(
    source: Source, segments: list[Segment], limits: ParseLimits, issues: list[Issue]
) -> None:
    delimiter = source.delimiters.split_repetition
    for segment in segments:
        for n, text in enumerate(segment.fields):
            if text.count(delimiter) >= limits.repetitions_max:
                issues.append(
                    Issue(codes.REPETITIONS_LIMIT, f"{segment.path}-{n}", span=segment.span(n))
                )


def _check_characters(source: Source, segments: list[Segment], issues: list[Issue]) -> None:
    """Names the first fields that hold undecodable bytes or control characters."""
    undecodable = re.compile("[\ud800-\udfff]")
    for code, pattern in ((codes.UNDECODABLE, undecodable), (codes.CONTROL_CHARACTER, _CONTROL)):
        if not pattern.search(source.text):
            continue
        named = 0
        for segment in segments:
            for n, text in enumerate(segment.fields):
                if pattern.search(text):
                    named += 1
                    if named <= _NAMED_MAX:
                        issues.append(
                            Issue(code, f"{segment.path}-{n}" if n else "", span=segment.span(n))
                        )
