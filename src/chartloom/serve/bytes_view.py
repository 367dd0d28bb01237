"""Message bytes as safe HTML: every byte visible, every leaf addressable, chosen spans marked.

:func:`render` is pure and works on any bytes. What it promises (and property tests hold):

- Putting the text of all runs back together gives the message's bytes (``data-a``/``data-b`` of a
  run are its byte offsets; consecutive runs touch).
- A ``<mark>`` covers exactly the bytes asked for, never a neighbour.
- Nothing in a message can become markup, change the direction of text, or hide: control, bidi and
  zero-width characters are drawn as symbols.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import msgspec
from markupsafe import Markup, escape

#: More than this is not drawn on one page; the page says so and offers the raw bytes.
SHOWN_BYTES_MAX = 200_000

#: Short names of the C0 control characters, in order.
_CONTROLS = [
    "NUL",
    "SOH",
    "STX",
    "ETX",
    "EOT",
    "ENQ",
    "ACK",
    "BEL",
    "BS",
    "TAB",
    "LF",
    "VT",
    "FF",
    "CR",
    "SO",
    "SI",
    "DLE",
    "DC1",
    "DC2",
    "DC3",
    "DC4",
    "NAK",
    "SYN",
    "ETB",
    "CAN",
    "EM",
    "SUB",
    "ESC",
    "FS",
    "GS",
    "RS",
    "US",
]


class Region(msgspec.Struct, frozen=True, order=True):
    """A stretch of bytes with a meaning; what lies between regions are separators."""

    start: int
    end: int
    kind: str = "leaf"  #: ``leaf``, ``name`` (of a segment) or ``key`` (of a JSON member)
    location: str = ""


class Row(msgspec.Struct, frozen=True):
    """One visual line: bytes ``start`` to ``end``, label in the margin, depth of indentation."""

    start: int
    end: int
    label: str = ""
    depth: int = 0


class Page(msgspec.Struct, frozen=True):
    """The drawn part of a message."""

    html: Markup
    start: int
    end: int
    total: int

    @property
    def cut(self) -> bool:
        """Is there more than what is shown?"""
        return self.start > 0 or self.end < self.total


def within(rows: Iterable[Row], spans: Sequence[tuple[int, int]]) -> list[Row]:
    """The rows as far as they lie in ``spans``."""
    return [
        Row(max(row.start, a), min(row.end, b), row.label, row.depth)
        for row in rows
        for a, b in spans
        if max(row.start, a) < min(row.end, b)
    ]


def render(
    body: bytes,
    rows: Sequence[Row],
    regions: Iterable[Region] = (),
    marks: Iterable[tuple[int, int]] = (),
    charset: str = "utf-8",
    shown_bytes_max: int = SHOWN_BYTES_MAX,
) -> Page:
    """Draws ``rows`` (in order, touching, covering the body or what of it is open) with ``regions``
    and ``marks``.

    Regions must not overlap each other; marks may overlap anything. A body larger than
    ``shown_bytes_max`` is cut to whole rows around the first mark.
    """
    marked = _union(marks, len(body))
    first, last = _window(rows, marked, shown_bytes_max)
    shown = rows[first:last]
    start, end = (shown[0].start, shown[-1].end) if shown else (0, 0)
    if end - start > shown_bytes_max:  # one giant row: show the stretch around the mark
        middle = marked[0][0] if marked and marked[0][0] >= start else start
        start = max(start, middle - shown_bytes_max // 4)
        end = min(end, start + shown_bytes_max)
        shown = [Row(start, end, shown[0].label, shown[0].depth)]
    inside = sorted(r for r in regions if r.end > start and r.start < end and r.end > r.start)
    painter = _Painter(body, inside, marked, charset)
    html = Markup("").join(painter.row(row) for row in shown)
    return Page(html, start, end, len(body))


def _union(spans: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for a, b in sorted((max(a, 0), min(b, size)) for a, b in spans):
        if a >= b:
            continue
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], b))
        else:
            merged.append((a, b))
    return merged


def _window(rows: Sequence[Row], marked: list[tuple[int, int]], limit: int) -> tuple[int, int]:
    """Indexes of the rows to draw: all if they fit, else as many as fit from the first mark on."""
    if not rows or rows[-1].end - rows[0].start <= limit:
        return 0, len(rows)
    at = marked[0][0] if marked else rows[0].start
    first = next((i for i, row in enumerate(rows) if row.end > at), 0)
    first = max(0, first - 3)
    last = first + 1
    while last < len(rows) and rows[last].end - rows[first].start <= limit:
        last += 1
    return first, last


class _Painter:
    def __init__(
        self,
        body: bytes,
        regions: list[Region],
        marks: list[tuple[int, int]],
        charset: str,
    ) -> None:
        self.body, self.regions, self.marks, self.charset = body, regions, marks, charset
        self._region = self._mark = 0

    def row(self, row: Row) -> Markup:
        label = Markup('<span class="bv-label">{}</span>').format(row.label)
        runs = Markup("").join(self._runs(row.start, row.end))
        depth = min(row.depth, 12)
        return Markup(
            '<div class="bv-row bv-d{}">{}<span class="bv-text">{}</span></div>\n'
        ).format(depth, label, runs)

    def _runs(self, start: int, end: int) -> Iterable[Markup]:
        """Cuts ``start`` to ``end`` wherever a region or a mark begins or ends."""
        at = start
        while at < end:
            region = self._at(at)
            mark = self._mark_at(at)
            stop = end
            if region is not None:
                stop = min(stop, region.end if region.start <= at else region.start)
            if mark is not None:
                stop = min(stop, mark[1] if mark[0] <= at else mark[0])
            covering = region if region is not None and region.start <= at else None
            yield self._run(at, stop, covering, mark is not None and mark[0] <= at)
            at = stop

    def _at(self, at: int) -> Region | None:
        while self._region < len(self.regions) and self.regions[self._region].end <= at:
            self._region += 1
        return self.regions[self._region] if self._region < len(self.regions) else None

    def _mark_at(self, at: int) -> tuple[int, int] | None:
        while self._mark < len(self.marks) and self.marks[self._mark][1] <= at:
            self._mark += 1
        return self.marks[self._mark] if self._mark < len(self.marks) else None

    def _run(self, start: int, end: int, region: Region | None, marked: bool) -> Markup:
        kind = region.kind if region is not None else "text"
        title = (
            Markup(' title="{}"').format(region.location)
            if region is not None and region.location
            else ""
        )
        run = Markup('<span id="b{}" class="bv-{}" data-a="{}" data-b="{}"{}>{}</span>').format(
            start, kind, start, end, title, visible(self.body[start:end], self.charset)
        )
        return Markup("<mark>{}</mark>").format(run) if marked else run


def visible(data: bytes, charset: str = "utf-8") -> Markup:
    """The text of some bytes with everything that does not show drawn as a symbol.

    Bytes that are not valid in ``charset`` (or that belong to a character cut by the edge of a run)
    are drawn as ``\\xNN``.
    """
    try:
        text = data.decode(charset, "surrogateescape")
    except (LookupError, UnicodeError):
        text = data.decode("utf-8", "surrogateescape")
    out: list[Markup] = []
    plain: list[str] = []
    for char in text:
        symbol = _symbol(char)
        if symbol is None:
            plain.append(char)
            continue
        out.append(escape("".join(plain)))
        plain.clear()
        name, shown = symbol
        out.append(Markup('<i class="bv-ctl" title="{}">{}</i>').format(name, shown))
    out.append(escape("".join(plain)))
    return Markup("").join(out)


def _symbol(char: str) -> tuple[str, str] | None:
    """Name and drawing of a character that would not show, or None for one that does."""
    code = ord(char)
    if code < 0x20:
        return f"control character {code:#04x}", _CONTROLS[code]
    if 0x20 <= code < 0x7F:
        return None
    if code == 0x7F:
        return "control character 0x7f", "DEL"
    if 0xDC80 <= code <= 0xDCFF:
        return "byte that is not valid in this character set", f"\\x{code - 0xDC00:02X}"
    if code == 0xA0:
        return "no-break space", "NBSP"
    category = unicodedata.category(char)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"):
        return unicodedata.name(char, "unassigned").lower(), f"U+{code:04X}"
    return None
