"""What stewards said about the directory. Which word counts is a function of the set of words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from itertools import combinations
from typing import Final

import msgspec

from chartloom.registry.directory.model import Identifier

#: Of what a word may be besides the kinds of golden records: codes of drugs.
DRUG: Final = "Drug"
ITEMS_MAX: Final = 20
TEXT_MAX: Final = 500


class Said(StrEnum):
    """What a steward can say."""

    SAME = "same"  #: it is one person or place; of an unknown number: it is ``text``'s
    DIFFERENT = "different"
    KEEP = "keep"  #: of the values that differ ``text`` is right
    IGNORE = "ignore"  #: not now: ask again on the day ``until``
    WITHDRAW = "withdraw"  #: what was said about it is taken back


class About(msgspec.Struct, frozen=True, order=True):
    """What a question or a word is about.

    code: of an issue of this room. kind: of golden record, or ``Drug``. items: by what the records
    are known (numbers as ``system|value``, or ``source|key``), sorted.
    """

    code: str
    kind: str
    attribute: str
    items: tuple[Identifier, ...]

    @property
    def key(self) -> str:
        """Names it in addresses and on the command line: 16 hexadecimal digits."""
        text = "\x1f".join((self.code, self.kind, self.attribute, *self.items))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Word(msgspec.Struct, frozen=True):
    """One word of one steward.

    text: the value kept, or the number of the record that it is. seen: fingerprint of the values
    among which it was chosen. until: ISO date. note: why, in the steward's own words. said_us: UTC.
    """

    about: About
    said: Said
    by: str
    said_us: int
    text: str = ""
    seen: str = ""
    until: str = ""
    note: str = ""


class Told(msgspec.Struct, frozen=True):
    """The words that count: the last about each thing, unless it was taken back."""

    last: Mapping[About, Word] = {}
    together: tuple[tuple[str, tuple[Identifier, ...]], ...] = ()  #: (kind, items)
    apart: frozenset[tuple[str, frozenset[Identifier]]] = frozenset()  #: (kind, two items)
    kept: Mapping[tuple[str, str, Identifier], Word] = {}  #: by (kind, attribute, item)
    #: (kind, known as) -> further numbers, which no table has
    aliases: Mapping[tuple[str, Identifier], tuple[Identifier, ...]] = {}

    def word_of(self, about: About) -> Word | None:
        """What counts about it."""
        return self.last.get(about)

    def put_off(self, about: About, day: str) -> bool:
        """Whether it is not to be asked about on ``day`` (ISO)."""
        word = self.last.get(about)
        return word is not None and word.said is Said.IGNORE and day < word.until

    def parted(self, kind: str, a: Iterable[Identifier], b: Iterable[Identifier]) -> bool:
        """Whether a steward said that these are two."""
        if not self.apart:
            return False
        others = list(b)
        return any((kind, frozenset((x, y))) in self.apart for x in a for y in others)


NOTHING_TOLD: Final = Told()


def told_by(words: Iterable[Word]) -> Told:
    """Which words count. Their order does not matter."""
    last: dict[About, Word] = {}
    for word in words:
        known = last.get(word.about)
        if known is None or _order(word) > _order(known):
            last[word.about] = word
    last = {a: w for a, w in sorted(last.items()) if w.said is not Said.WITHDRAW}
    kept: dict[tuple[str, str, Identifier], Word] = {}
    for about, word in last.items():
        if word.said is Said.KEEP:
            for item in about.items:
                where = (about.kind, about.attribute, item)
                if where not in kept or _order(word) > _order(kept[where]):
                    kept[where] = word
    same = [(a, w) for a, w in last.items() if w.said is Said.SAME]
    aliases: dict[tuple[str, Identifier], tuple[Identifier, ...]] = {}
    for about, word in same:
        if word.text:
            holder = (about.kind, word.text)
            aliases[holder] = (*aliases.get(holder, ()), about.items[0])
    return Told(
        last,
        tuple((a.kind, a.items) for a, w in same if not w.text and len(a.items) > 1),
        frozenset(
            (a.kind, frozenset(two))
            for a, w in last.items()
            if w.said is Said.DIFFERENT
            for two in combinations(a.items, 2)
        ),
        kept,
        aliases,
    )


def _order(word: Word) -> tuple[object, ...]:
    """Later words count; of two at one moment always the same one."""
    return (word.said_us, word.by, word.said, word.text, word.until, word.seen, word.note)


def seen_of(texts: Iterable[str]) -> str:
    """The fingerprint of some values, whatever their order."""
    text = "\x1f".join(sorted(set(texts)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def is_day(text: str) -> bool:
    """Whether it is an ISO date."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
