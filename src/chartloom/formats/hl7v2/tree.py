"""The tree of a parsed message: segments eagerly, everything below them when asked."""

from __future__ import annotations

import msgspec

from chartloom.domain.issues import Issue
from chartloom.formats.hl7v2.delimiters import Delimiters
from chartloom.formats.hl7v2.leaves import Leaf, leaves_of
from chartloom.formats.hl7v2.source import HEADERS, NULL, Source


class Segment(msgspec.Struct, eq=False, gc=False):
    """One segment. Not to be changed.

    name: three characters, upper case. index: 0-based in the message. ordinal: 1-based among the
    segments of its name. fields: escaped raw text by HL7 number (``fields[3]`` is XXX-3;
    ``fields[0]`` the name as it was written; in MSH ``fields[1]`` is the separator and
    ``fields[2]`` the encoding characters). A short segment simply has fewer fields.
    """

    name: str
    index: int
    ordinal: int
    fields: list[str]
    at: int  #: character offset in the source's text
    source: Source
    line: str = ""  #: the whole segment as it was read; "" if it goes over several lines

    @property
    def path(self) -> str:
        """``PID``, or ``OBX[2]`` for the second of its name."""
        return self.name if self.ordinal == 1 else f"{self.name}[{self.ordinal}]"

    @property
    def is_header(self) -> bool:
        """Whether the first two fields are the delimiters (MSH, FHS, BHS)."""
        return self.name in HEADERS and len(self.fields) > 1

    @property
    def start(self) -> int:
        """Byte offset of the first character of the name."""
        return self.source.byte_at(self.at)

    @property
    def end(self) -> int:
        """Byte offset behind the last character, without the segment terminator."""
        return self.source.byte_at(self.at + self._length())

    @property
    def raw(self) -> str:
        """The whole segment as it was written."""
        fields = self.fields
        separator = self.source.delimiters.field
        if self.is_header:
            return fields[0] + fields[1] + separator.join(fields[2:])
        return separator.join(fields)

    def _length(self) -> int:
        fields = self.fields
        return (
            sum(map(len, fields))
            + len(fields)
            - (3 if self.is_header and len(fields) > 2 else 2 if self.is_header else 1)
        )

    def value(self, field: int, rep: int = 1, comp: int = 1, sub: int = 1) -> str:
        """Unescaped text of one leaf; ``""`` if it is absent, empty or null.

        As HL7 v2 demands of receivers, a leaf that has no components or subcomponents where some
        are asked for counts as its own first one.
        """
        fields = self.fields
        if field >= len(fields):
            return ""
        text = fields[field]
        if not text:
            return ""
        if text.isalnum():  # no delimiter is a letter or digit
            return text if rep == comp == sub == 1 else ""
        source = self.source
        d = source.delimiters
        if field < 3 and self.name in HEADERS:
            return source.clean(text) if rep == comp == sub == 1 else ""
        if d.split_repetition in text:
            parts = text.split(d.split_repetition, rep)
            if rep > len(parts):
                return ""
            text = parts[rep - 1]
        elif rep != 1:
            return ""
        if d.split_component in text:
            parts = text.split(d.split_component, comp)
            if comp > len(parts):
                return ""
            text = parts[comp - 1]
        elif comp != 1:
            return ""
        if d.split_subcomponent in text:
            parts = text.split(d.split_subcomponent, sub)
            if sub > len(parts):
                return ""
            text = parts[sub - 1]
        elif sub != 1:
            return ""
        if text == NULL:
            return ""
        if d.split_escape in text or source.tainted:
            return source.plain(text)
        return text

    def is_null(self, field: int) -> bool:
        """Whether the field is ``""``: the sender says that the value is gone."""
        return field < len(self.fields) and self.fields[field] == NULL

    def reps(self, field: int) -> list[str]:
        """Escaped raw text of each repetition; an absent or empty field has none."""
        fields = self.fields
        if field >= len(fields) or not fields[field]:
            return []
        if field < 3 and self.name in HEADERS:
            return [fields[field]]
        return fields[field].split(self.source.delimiters.split_repetition)

    def components(self, field: int, rep: int = 1) -> list[str]:
        """Escaped raw text of the components of one repetition; none if it is absent or empty."""
        reps = self.reps(field)
        if rep > len(reps) or not reps[rep - 1]:
            return []
        if field < 3 and self.name in HEADERS:
            return reps
        return reps[rep - 1].split(self.source.delimiters.split_component)

    def span(
        self, field: int, rep: int | None = None, comp: int | None = None, sub: int | None = None
    ) -> tuple[int, int]:
        """Byte offsets of a field, or of a part of it; empty at its would-be end if absent."""
        start, text = self._field_at(field)
        d = self.source.delimiters
        whole = field < 3 and self.name in HEADERS
        for number, delimiter in (
            (rep, d.split_repetition),
            (comp, d.split_component),
            (sub, d.split_subcomponent),
        ):
            if number is not None:
                parts = [text] if whole else text.split(delimiter)
                if number > len(parts):
                    start, text = start + len(text), ""
                    break
                start += sum(map(len, parts[: number - 1])) + number - 1
                text = parts[number - 1]
        byte_at = self.source.byte_at
        return byte_at(start), byte_at(start + len(text))

    def _field_at(self, field: int) -> tuple[int, str]:
        """Character offset and text of a field; the segment's end and ``""`` if it is absent."""
        fields = self.fields
        if field >= len(fields):
            return self.at + self._length(), ""
        start = self.at + sum(map(len, fields[:field])) + field
        if self.is_header and field:
            start -= 1 if field == 1 else 2
        return start, fields[field]

    def leaves(self) -> list[Leaf]:
        """Every non-empty leaf in order, with its byte span; the name in front is none."""
        return leaves_of(self)


class Tree:
    """One parsed message: segments, issues, and what MSH says. Not to be changed.

    fatal: there was no usable MSH; then there are no segments.
    """

    def __init__(self, source: Source, segments: list[Segment], issues: list[Issue]) -> None:
        self.source = source
        self.segments = segments
        self.issues = issues
        self.fatal = not segments
        self._named: dict[str, list[Segment]] | None = None

    @property
    def data(self) -> bytes:
        """The verbatim message."""
        return self.source.data

    @property
    def delimiters(self) -> Delimiters:
        """MSH-1 and MSH-2."""
        return self.source.delimiters

    @property
    def charset(self) -> str:
        """The Python codec in which the message was read."""
        return self.source.codec

    @property
    def header(self) -> Segment | None:
        """MSH, unless the tree is fatal."""
        return self.segments[0] if self.segments else None

    @property
    def _by_name(self) -> dict[str, list[Segment]]:
        if self._named is None:
            self._named = {}
            for segment in self.segments:
                self._named.setdefault(segment.name, []).append(segment)
        return self._named

    def segments_named(self, name: str) -> list[Segment]:
        """All segments of one name, in order."""
        return self._by_name.get(name, [])

    def first(self, name: str) -> Segment | None:
        """The first segment of one name."""
        for segment in self.segments:
            if segment.name == name:
                return segment
        return None

    def _msh(self, field: int, comp: int = 1) -> str:
        return self.segments[0].value(field, 1, comp) if self.segments else ""

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self._msh(10)

    @property
    def version(self) -> str:
        """MSH-12.1, for example ``2.5.1``."""
        return self._msh(12)

    @property
    def message_type(self) -> str:
        """``ADT^A01`` from MSH-9 (the event from EVN-1 where MSH-9 has none); ``""`` if empty."""
        return message_type(self.segments)

    @property
    def structure(self) -> str:
        """MSH-9.3, for example ``ADT_A01``; ``""`` if the sender says none."""
        return self._msh(9, 3)

    def unescape(self, text: str) -> str:
        """Plain text for the escaped raw text of one leaf; ``""`` for null."""
        return self.source.value(text)

    def repetitions(self, raw_field: str) -> list[str]:
        """Escaped raw text of the repetitions of a field."""
        return raw_field.split(self.source.delimiters.split_repetition) if raw_field else []

    def components(self, raw_repetition: str) -> list[str]:
        """Escaped raw text of the components of a repetition."""
        return raw_repetition.split(self.source.delimiters.split_component)

    def subcomponents(self, raw_component: str) -> list[str]:
        """Escaped raw text of the subcomponents of a component."""
        return raw_component.split(self.source.delimiters.split_subcomponent)


def message_type(segments: list[Segment]) -> str:
    """``ADT^A01``: MSH-9.1 and MSH-9.2.

    Versions before 2.3 may say the event only in EVN-1; EVN follows MSH.
    """
    if not segments:
        return ""
    kind = segments[0].value(9)
    event = segments[0].value(9, 1, 2)
    if not event and len(segments) > 1 and segments[1].name == "EVN":
        event = segments[1].value(1)
    return f"{kind}^{event}" if event else kind


def serialise(tree: Tree) -> bytes:
    """The message's bytes out of the tree: identical to what was parsed.

    Segments are put together from their fields and encoded; what stands between them (terminators,
    blank lines, framing) is copied. Only in character sets where one character has several codes,
    so that encoding cannot know which one the sender used, segments are copied as well.
    """
    source = tree.source
    data = source.data
    out: list[bytes] = []
    done = 0
    for segment in tree.segments:
        start, end = segment.start, segment.end
        out.append(data[done:start])
        if source.reversible:
            out.append(segment.raw.encode(source.codec, source.errors))
        else:
            out.append(data[start:end])
        done = end
    out.append(data[done:])
    return b"".join(out)
