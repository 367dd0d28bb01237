"""The delimiters of one message: MSH-1 and MSH-2 (HL7 v2 chapter 2, Message Delimiters)."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

#: Stands for a delimiter that the message does not have. Two high surrogates in a row cannot come
#: out of any decoder used here, so searching for it never finds anything.
NEVER: Final = "\ud800\ud800"

_USUAL: Final = "^~\\&"


class Delimiters:
    """Field separator and encoding characters; ``""`` for one that the message does not have.

    Instances are shared and immutable by convention; make them with :func:`delimiters`.
    """

    __slots__ = (
        "ambiguous",
        "by_escape",
        "component",
        "encoding",
        "escape",
        "field",
        "repetition",
        "split_component",
        "split_escape",
        "split_repetition",
        "split_subcomponent",
        "subcomponent",
        "truncation",
    )

    def __init__(self, field: str, encoding: str) -> None:
        self.encoding = encoding[:5]
        # A letter or digit is never a delimiter: it would cut words apart. Of two equal ones the
        # first holds.
        given = [
            "" if c.isalnum() or c == field or c in encoding[:i] else c
            for i, c in enumerate(self.encoding)
        ] + [""] * 5
        self.field = field
        self.component, self.repetition, self.escape, self.subcomponent = given[:4]
        self.truncation = given[4]
        # The same, in a form that can be searched for without asking first whether it exists.
        self.split_component = self.component or NEVER
        self.split_repetition = self.repetition or NEVER
        self.split_escape = self.escape or NEVER
        self.split_subcomponent = self.subcomponent or NEVER
        #: body of an escape sequence -> what it stands for
        self.by_escape = {
            "F": self.field,
            "S": self.component,
            "R": self.repetition,
            "E": self.escape,
            "T": self.subcomponent,
            "P": self.truncation,
            "H": "",  # highlighting on and off: plain text has none
            "N": "",
        }
        everything = field + self.encoding
        #: two of them are equal, or one is a letter or digit
        self.ambiguous = len(set(everything)) < len(everything) or any(
            c.isalnum() for c in everything
        )
        for body in "SRTP":
            if not self.by_escape[body]:
                del self.by_escape[body]

    def __repr__(self) -> str:
        return f"Delimiters({self.field!r}, {self.encoding!r})"


@lru_cache(maxsize=256)
def delimiters(field: str = "|", encoding: str = _USUAL) -> Delimiters:
    """The delimiters for MSH-1 and MSH-2; an empty MSH-2 stands for the usual ones."""
    return Delimiters(field, encoding or _USUAL)


DEFAULT: Final = delimiters()
