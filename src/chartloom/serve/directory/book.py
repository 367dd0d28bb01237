"""The directory as it is at one moment: records, words, and all that a steward may be asked.

Pages and the command line read the same book.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import msgspec

from chartloom.domain.directory import UnknownReference
from chartloom.domain.grant import Grant
from chartloom.normalize.resolving import UNRESOLVED
from chartloom.normalize.steward import SAYABLE
from chartloom.registry.directory import (
    DRUG,
    DUPLICATE_POSSIBLE,
    NPI_CHECK_DIGIT,
    NUMBER_SHARED,
    PART_UNKNOWN,
    VALUES_DIFFER,
    About,
    Directory,
    DirectoryKind,
    Golden,
    Question,
    Said,
    Tables,
    Word,
    about_of,
    day_of,
)
from chartloom.registry.formulary import CODE_UNRESOLVED, Formulary
from chartloom.registry.persons.folding import fold
from chartloom.serve.directory.door import DirectoryDoor
from chartloom.serve.directory.finding import Finder, finder_of, handle_of, names, short, title_of

__all__ = [
    "Asked", "Book", "State", "handle_of", "matching", "read_book", "sayable_of", "short",
    "title_of",
]  # fmt: skip

#: Codes in the order in which they are worth a steward's time.
CODES: Final = (
    NUMBER_SHARED, VALUES_DIFFER, DUPLICATE_POSSIBLE, NPI_CHECK_DIGIT, PART_UNKNOWN,
    *UNRESOLVED.values(), CODE_UNRESOLVED,
)  # fmt: skip
UNKNOWN_CODES: Final = frozenset({*UNRESOLVED.values(), CODE_UNRESOLVED})
_SUGGESTED_MAX: Final = 5
#: Of what messages name and nobody knows, the most frequent are read.
UNKNOWN_MAX: Final = 5_000


class State(StrEnum):
    """Where a question stands."""

    OPEN = "open"
    LATER = "later"  #: put off to a day
    DECIDED = "decided"


class Asked(msgspec.Struct, frozen=True):
    """A question as it stands. seen: for what messages name and nobody knows, in which feeds."""

    question: Question
    about: About
    state: State
    word: Word | None = None
    seen: tuple[UnknownReference, ...] = ()

    @property
    def count(self) -> int:
        """How often messages named it."""
        return sum(s.count for s in self.seen)


class Book:
    """words: latest first. unknown: what messages named. now_us: decides what was put off to
    today."""

    def __init__(
        self,
        words: list[Word],
        tables: Tables,
        directory: Directory,
        formulary: Formulary,
        unknown: Sequence[UnknownReference],
        now_us: int,
    ) -> None:
        self.words, self.tables, self.directory = words, tables, directory
        self.formulary, self._unknown = formulary, unknown
        self.today = day_of(now_us)

    @property
    def finder(self) -> Finder:
        """Finds records of the directory as it is now."""
        return finder_of(self.directory)

    @cached_property
    def asked(self) -> tuple[Asked, ...]:
        """All questions, whatever became of them, in the order in which they are shown."""
        found = [self._settled(q) for q in self.directory.questions]
        found += self._of_unknown()
        return tuple(sorted(found, key=lambda a: (CODES.index(a.question.code), -a.count, a.about)))

    @property
    def is_cut(self) -> bool:
        """Whether messages name more that nobody knows than is read at once."""
        return len(self._unknown) >= UNKNOWN_MAX

    def open(self) -> list[Asked]:
        """Those that wait."""
        return [a for a in self.asked if a.state is State.OPEN]

    def find(self, key: str) -> Asked | None:
        """The question of a key, of 16 digits or of as many as tell it from the others."""
        found = [a for a in self.asked if a.about.key.startswith(key)] if len(key) >= 4 else []
        return found[0] if len(found) == 1 else None

    def said(self, key: str) -> Word | None:
        """The word that counts about a key, also where there is no question any more."""
        found = [w for a, w in self.directory.told.last.items() if a.key.startswith(key)]
        return found[0] if len(found) == 1 and len(key) >= 4 else None

    def holder(self, about: About, item: str) -> Golden | None:
        """The golden record of an item."""
        if about.kind == DRUG:
            return None
        return self.directory.holder(about.kind, item)

    def record(self, handle: str) -> Golden | None:
        """The record that an address names, whatever number it was made of."""
        return self.finder.record(handle)

    def suggested(self, asked: Asked) -> list[Golden]:
        """Whose number an unknown one may be: records that are called the same."""
        words = set(fold(asked.question.text).split())
        if asked.question.code == CODE_UNRESOLVED or not words:
            return []
        kind = DirectoryKind(asked.question.kind)
        found = [(n, g.active, g) for n, g in self.finder.alike(words, kind)]
        best = max((n for n, _, _ in found), default=0)
        alike = sorted((f for f in found if f[0] == best), key=lambda f: (not f[1], f[2].id))
        return [g for _, _, g in alike[:_SUGGESTED_MAX]] if best > 1 or len(words) == 1 else []

    def _settled(self, question: Question) -> Asked:
        about = about_of(question)
        word = self.directory.told.word_of(about)
        state = State.DECIDED if question.decided else State.OPEN
        if self.directory.told.put_off(about, self.today):
            state = State.LATER
        return Asked(question, about, state, word)

    def _of_unknown(self) -> Iterator[Asked]:
        seen: dict[tuple[str, str], list[UnknownReference]] = {}
        for one in self._unknown:
            if not self._known_now(one):
                seen.setdefault((one.unknown.kind, one.unknown.number), []).append(one)
        for (kind, number), some in seen.items():
            code = UNRESOLVED.get(kind, CODE_UNRESOLVED)
            name = next((s.unknown.name for s in some if s.unknown.name), "")
            asked = self._settled(Question(code, kind, number, "", (), (number,), name))
            yield msgspec.structs.replace(asked, seen=tuple(some))

    def _known_now(self, one: UnknownReference) -> bool:
        """Whether tables or a word name it by now; messages were judged when they came."""
        unknown = one.unknown
        if unknown.kind == DRUG:
            return not self.formulary.unresolved([unknown.number])
        system, _, value = unknown.number.partition("|")
        named: dict[str, Any] = {
            "resourceType": unknown.kind,
            "identifier": [{"system": system, "value": value}],
            "name": unknown.name,
        }
        return self.directory.resolves(named)


def read_book(grant: Grant, door: DirectoryDoor, now_us: int) -> Book:
    """The directory as it is now, read at once under one grant."""
    words = door.words(grant)
    tables, directory = door.directory(words)
    unknown = door.records.unknown_references(grant, UNKNOWN_MAX)
    return Book(words, tables, directory, door.formulary(), unknown, now_us)


def matching(records: Sequence[Golden], text: str) -> list[Golden]:
    """Records of which every word of ``text`` begins a word of the name, or is a number."""
    wanted = fold(text).split()
    exact = text.strip()
    return [
        g
        for g in records
        if any(exact == n.partition("|")[2] for n in (*g.identifiers, *g.members))
        or (wanted and all(any(n.startswith(w) for n in names(g)) for w in wanted))
    ]


def sayable_of(asked: Asked) -> frozenset[Said]:
    """What can be said about a question."""
    return SAYABLE[asked.question.code] | {Said.IGNORE}
