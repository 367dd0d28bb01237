"""What the pages of the directory work with besides the console's store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, Protocol

from chartloom.domain.grant import Grant
from chartloom.domain.message import Arrival, Receipt
from chartloom.domain.ports import DirectoryRecords
from chartloom.normalize.steward import word_in
from chartloom.registry.directory import (
    Directory,
    Tables,
    Word,
    day_of,
    directory_of,
    load_tables,
)
from chartloom.registry.formulary import Formulary, builtin_formulary

#: Tables as they were that a history looks at.
_VERSIONS_MAX: Final = 40


class Lands(Protocol):
    """The log, as far as a steward's word needs it."""

    def land(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Durable when it returns."""
        ...


@dataclass
class DirectoryDoor:
    """Reads the directory as it is now, and lands what stewards say about it.

    tables: of the site, as they stand in its folder now. settle_s: how long a page waits for a word
    that was landed to count. Thread-safe.
    """

    records: DirectoryRecords
    log: Lands
    tables: Callable[[], Tables]
    formulary: Callable[[], Formulary] = builtin_formulary
    settle_s: float = 2.0
    _earlier: dict[str, Tables] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _made: tuple[str, frozenset[Word], Directory] | None = None

    def words(self, grant: Grant) -> list[Word]:
        """All that was said, latest first."""
        found = {word_in(r) for r in self.records.directory_words(grant)} - {None}
        return sorted((w for w in found if w), key=lambda w: (-w.said_us, w.by, w.about.key))

    def versions(self, grant: Grant, tables: Tables, today: str) -> list[tuple[str, Tables]]:
        """The tables as they were, oldest first, and ``tables`` as they are now: by day."""
        kept = self.records.directory_versions(grant)[:_VERSIONS_MAX]
        found = []
        for version in reversed(kept):
            day = day_of(version.seen_us)
            if version.fingerprint == tables.fingerprint:
                found.append((day, tables))
                continue
            if version.fingerprint not in self._earlier:
                files = self.records.directory_files(grant, version.fingerprint)
                self._earlier[version.fingerprint] = load_tables(files)
            found.append((day, self._earlier[version.fingerprint]))
        if not found or found[-1][1].fingerprint != tables.fingerprint:
            found.append((today, tables))
        return found

    def directory(self, words: Sequence[Word]) -> tuple[Tables, Directory]:
        """The tables, and the golden records that they and the words make."""
        tables, said = self.tables(), frozenset(words)
        with self._lock:
            made = self._made
            if made is None or made[0] != tables.fingerprint or made[1] != said:
                made = self._made = (tables.fingerprint, said, directory_of(tables, words))
            return tables, made[2]
