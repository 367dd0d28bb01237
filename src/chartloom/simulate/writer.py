"""Writes HL7 v2 text from plain Python values, in any dialect.

A field is ``None`` (absent), :data:`NULL` (explicitly empty, ``""``), ``str``/``int`` (escaped), a
``tuple`` (components; a tuple inside is subcomponents) or a ``list`` (repetitions of those).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from chartloom.simulate.times import local


class Null:
    """The type of :data:`NULL`."""


NULL: Final = Null()

Component: TypeAlias = str | int | tuple[str | int | None, ...] | None
Composite: TypeAlias = str | int | tuple[Component, ...] | None
Value: TypeAlias = Composite | Null | list[Composite]
Fields: TypeAlias = Mapping[int, Value]


class Dialect(msgspec.Struct, frozen=True):
    """How one sending system writes HL7.

    charset: Python's name of the encoding; declared: MSH-18, "" where the system says nothing.
    offset: whether times carry one. padded: segment name -> number of fields it always writes.
    """

    application: str
    facility: str
    version: str
    charset: str = "utf-8"
    declared: str = ""
    offset: bool = True
    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape_char: str = "\\"
    subcomponent: str = "&"
    padded: dict[str, int] = {}

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape_char + self.subcomponent

    def table(self) -> dict[int, str]:
        """Escapes as ``str.translate`` wants them (HL7 v2 chapter 2.7)."""
        e = self.escape_char
        return str.maketrans(
            {
                self.field: f"{e}F{e}",
                self.component: f"{e}S{e}",
                self.repetition: f"{e}R{e}",
                e: f"{e}E{e}",
                self.subcomponent: f"{e}T{e}",
                "\n": f"{e}.br{e}",
                "\r": "",
            }
        )


class Writer:
    """Renders segments of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._table = dialect.table()
        self._safe = frozenset(dialect.field + dialect.encoding_characters + "\n\r").isdisjoint

    def text(self, value: str) -> str:
        """Escapes a leaf."""
        return value if self._safe(value) else value.translate(self._table)

    def _component(self, value: Component) -> str:
        if value is None:
            return ""
        if isinstance(value, tuple):
            subs = [self._component(v) for v in value]
            return self.dialect.subcomponent.join(subs).rstrip(self.dialect.subcomponent)
        return self.text(value) if isinstance(value, str) else str(value)

    def _composite(self, value: Composite) -> str:
        if isinstance(value, tuple):
            parts = [self._component(v) for v in value]
            return self.dialect.component.join(parts).rstrip(self.dialect.component)
        return self._component(value)

    def _value(self, value: Value) -> str:
        if isinstance(value, list):
            return self.dialect.repetition.join([self._composite(v) for v in value])
        if isinstance(value, Null):
            return '""'
        return self._composite(value)

    def segment(self, name: str, fields: Fields) -> str:
        """One segment without its terminator; trailing empty fields as the dialect pads them."""
        last = max(max(fields, default=0), self.dialect.padded.get(name, 0))
        parts = [name]
        parts.extend(self._value(fields.get(i)) for i in range(1, last + 1))
        result = self.dialect.field.join(parts)
        return result if name in self.dialect.padded else result.rstrip(self.dialect.field)

    def header(self, message_type: Composite, control_id: str, at_us: int) -> str:
        """MSH; field separator and encoding characters stand unescaped."""
        d = self.dialect
        rest: list[Value] = [
            d.application,
            d.facility,
            "CHARTLOOM",
            "SGH",
            self.timestamp(at_us),
            None,
            message_type,
            control_id,
            "P" if d.version < "2.3" else ("P",),
            d.version,
        ]
        if d.declared:
            rest += [None, None, None, None, None, d.declared]
        return d.field.join(["MSH", d.encoding_characters, *(self._value(v) for v in rest)])

    def timestamp(self, at_us: int) -> str:
        """``YYYYMMDDHHMMSS``, with offset where the dialect writes one; "" for 0."""
        if not at_us:
            return ""
        return local(at_us).strftime("%Y%m%d%H%M%S%z" if self.dialect.offset else "%Y%m%d%H%M%S")

    def minute(self, at_us: int) -> str:
        """``YYYYMMDDHHMM``, with offset where the dialect writes one; "" for 0."""
        if not at_us:
            return ""
        return local(at_us).strftime("%Y%m%d%H%M%z" if self.dialect.offset else "%Y%m%d%H%M")

    def day(self, at_us: int) -> str:
        """``YYYYMMDD``; "" for 0."""
        return local(at_us).strftime("%Y%m%d") if at_us else ""

    def encode(self, segments: list[str]) -> bytes:
        """The message's bytes; what the charset cannot hold is written with its base letter."""
        text = "\r".join(segments) + "\r"
        try:
            return text.encode(self.dialect.charset)
        except UnicodeEncodeError:
            return fold(text).encode(self.dialect.charset, "replace")


def fold(text: str) -> str:
    """Letters without their diacritics, as older systems store names."""
    special = str.maketrans({"ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ø": "o", "Ø": "O", "ı": "i"})
    decomposed = unicodedata.normalize("NFD", text.translate(special))
    return "".join(c for c in decomposed if not unicodedata.combining(c))
