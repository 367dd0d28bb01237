"""Tables of words. No word is ever broken: on a terminal too narrow, a row becomes a list.

An id that is broken over two lines cannot be copied, and a name that is broken cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Column
from rich.table import Table as _RichTable
from rich.text import Text

#: Controls but tab and line feed, marks that turn writing round or join words unseen.
UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
_MARGIN: Final = 2


def plain(text: str) -> str:
    """With everything drawn that would not be seen, or would change how the rest is."""
    return UNSEEN.sub(lambda found: f"<U+{ord(found[0]):04X}>", text)


class Table(_RichTable):
    """A table whose cells are words: nothing in them is markup. ``Text`` may bring a style.

    Where the terminal is too narrow for the longest word of each column beside the others, each
    row is printed as lines of ``heading  value``.
    """

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """One more row."""
        told = (Text(plain(c)) if isinstance(c, str) else c for c in cells)
        super().add_row(*told, **options)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - self._frame()
        spans = [_span(console, options, column) for column in self.columns]
        if not self.columns or sum(s.minimum for s in spans) > room:
            yield from self._as_lists()
            return
        for column, width in zip(self.columns, _shared(spans, room), strict=True):
            column.width = width
        yield from super().__rich_console__(console, options)

    def _frame(self) -> int:
        """What padding and lines between the columns take."""
        count, (_, right, _, left) = len(self.columns), self.padding
        lines = count - 1 + 2 * self.show_edge if self.box else 0
        return count * (left + right) - (0 if self.pad_edge else left + right) + lines

    def _as_lists(self) -> Iterator[Text]:
        titles = [_text(column.header) for column in self.columns]
        indent = max((len(t.plain) for t in titles), default=0) + _MARGIN
        if self.title:
            yield Text.from_markup(self.title) if isinstance(self.title, str) else self.title
        for number in range(self.row_count):
            if number:
                yield Text()
            for title, column in zip(titles, self.columns, strict=True):
                value = _text(list(column.cells)[number])
                if value.plain:
                    yield _line(title, value, indent, str(column.style))
        if self.caption:
            yield Text(str(self.caption), style="bright_black")


def _line(title: Text, value: Text, indent: int, style: str) -> Text:
    """``heading  value``; a value in several lines stays in its column."""
    shown = value.copy()
    shown.stylize(style)
    lines = shown.split("\n")
    start = Text(title.plain.ljust(indent), style="bright_black")
    return Text("\n" + " " * indent).join([start + lines[0], *lines[1:]])


def _text(cell: RenderableType) -> Text:
    return cell if isinstance(cell, Text) else Text.from_markup(str(cell))


def _span(console: Console, options: ConsoleOptions, column: Column) -> Measurement:
    """How narrow and how wide a column may be, without its padding."""
    low, high = column.min_width or 1, column.min_width or 1
    for cell in (column.header, *column.cells):
        span = Measurement.get(console, options.update_width(10_000), cell)
        low, high = max(low, span.minimum), max(high, span.maximum)
    if column.max_width is not None:
        low, high = min(low, column.max_width), min(high, column.max_width)
    return Measurement(high if column.no_wrap else low, high)


def _shared(spans: Sequence[Measurement], room: int) -> list[int]:
    """Widths of the columns: all that they want, or what is left shared by who needs more."""
    widths = [s.minimum for s in spans]
    left = room - sum(widths)
    while left > 0:
        wanting = [i for i, s in enumerate(spans) if widths[i] < s.maximum]
        if not wanting:
            break
        narrowest = min(wanting, key=lambda i: widths[i])
        widths[narrowest] += 1
        left -= 1
    return widths
