"""How the bytes of each format fall into visual lines and addressable regions. Pure functions."""

from __future__ import annotations

import msgspec

from chartloom.formats import hl7v2
from chartloom.serve.bytes_view import Region, Row


class Layout(msgspec.Struct, frozen=True):
    """Rows and regions of a body, and the character set in which it is read."""

    rows: list[Row]
    regions: list[Region]
    charset: str = "utf-8"


def hl7v2_layout(body: bytes, charset: str) -> Layout:
    """One row per segment (with its terminator); a region per segment name and per leaf.

    ``charset`` is the feed's; what MSH-18 says goes first.
    """
    tree = hl7v2.parse(body, charset=charset)
    segments = [s for s in tree.segments if s.end > s.start]
    if not segments:
        return plain_layout(body)
    rows: list[Row] = []
    regions: list[Region] = []
    if segments[0].start > 0:
        rows.append(Row(0, segments[0].start))
    for segment, following in zip(segments, [*segments[1:], None], strict=True):
        end = following.start if following is not None else len(body)
        rows.append(Row(segment.start, end, segment.name))
        leaves = segment.leaves()
        name_end = segment.span(1)[0] - (0 if segment.is_header else 1)
        if len(segment.fields) < 2:
            name_end = segment.end
        regions.append(Region(segment.start, name_end, "name", segment.path))
        regions.extend(Region(leaf.start, leaf.end, "leaf", leaf.path) for leaf in leaves)
    return Layout(rows, regions, tree.charset)


_OPEN, _CLOSE, _SPACE = b"{[", b"}]", b" \t\r\n"


def json_layout(body: bytes) -> Layout:
    """A row per member or element, whatever the whitespace; regions for names and values.

    Reads anything: text that is not JSON still comes out whole.
    """
    rows: list[Row] = []
    regions: list[Region] = []
    depth = start = at = 0
    row_depth = 0
    size = len(body)
    while at < size:
        byte = body[at]
        if byte == 0x22:
            end = _string_end(body, at)
            after = _skip_space(body, end)
            is_name = after < size and body[after] == 0x3A
            regions.append(Region(at, end, "key" if is_name else "leaf"))
            at = end
        elif byte in _CLOSE:
            if _skip_space(body, start) < at:
                rows.append(Row(start, at, depth=row_depth))
                start = at
            depth = max(0, depth - 1)
            row_depth = depth
            at += 1
        elif byte in _OPEN or byte == 0x2C:
            at += 1
            if byte in _OPEN:
                depth += 1
                if _skip_space(body, at) < size and body[_skip_space(body, at)] in _CLOSE:
                    at = _skip_space(body, at) + 1
                    depth -= 1
                    continue
            at = _skip_space(body, at)
            rows.append(Row(start, at, depth=row_depth))
            start, row_depth = at, depth
        elif byte in _SPACE or byte == 0x3A:
            at += 1
        else:
            end = at + 1
            while end < size and body[end] not in b'{}[],:" \t\r\n':
                end += 1
            regions.append(Region(at, end, "leaf"))
            at = end
    if start < size:
        rows.append(Row(start, size, depth=row_depth))
    return Layout(rows, regions)


def plain_layout(body: bytes) -> Layout:
    """A row per line, whichever line ending; no regions."""
    rows: list[Row] = []
    start = at = 0
    while at < len(body):
        byte = body[at]
        at += 1
        if byte == 0x0A or (byte == 0x0D and body[at : at + 1] != b"\n"):
            rows.append(Row(start, at))
            start = at
    if start < len(body):
        rows.append(Row(start, len(body)))
    return Layout(rows, [])


def _string_end(body: bytes, at: int) -> int:
    """The offset after the closing quote of the string that begins at ``at``."""
    end = at + 1
    while end < len(body):
        if body[end] == 0x5C:
            end += 2
        elif body[end] == 0x22:
            return end + 1
        else:
            end += 1
    return min(end, len(body))


def _skip_space(body: bytes, at: int) -> int:
    while at < len(body) and body[at] in _SPACE:
        at += 1
    return at
