"""Finding golden records: made once for each version of the directory, so that a page costs what it
shows and not what there is (a site may take the whole of NPPES)."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from threading import Lock
from typing import Final
from weakref import WeakKeyDictionary

from chartloom.registry.directory import Directory, DirectoryKind, Golden
from chartloom.registry.persons.folding import fold

_SAID: Final = ("family", "given", "name", "ward", "room", "bed", "department")
_LAST: Final = "\U0010ffff"


class Finder:
    """Golden records by address, word, number and place above; in the order in which lists show
    them. counts: by kind."""

    def __init__(self, directory: Directory) -> None:
        self.all = sorted(directory.golden, key=lambda g: (not g.active, sorting(g)))
        self.counts = Counter(g.kind for g in self.all)
        self._by_handle: dict[str, Golden] = {}
        self._by_word: dict[str, list[int]] = {}
        self._by_number: dict[str, list[int]] = {}
        self._inside: dict[tuple[DirectoryKind, str], list[Golden]] = {}
        for n, g in enumerate(self.all):
            for word in names(g):
                self._by_word.setdefault(word, []).append(n)
            for number in dict.fromkeys((*g.identifiers, *g.members)):
                self._by_number.setdefault(number.partition("|")[2], []).append(n)
        for g in directory.golden:
            for name in (*g.members, *g.identifiers):
                self._by_handle[handle_of(g.kind, name)] = g
            for above in directory.path(g)[1:2]:
                if above.kind is g.kind:
                    self._inside.setdefault((above.kind, above.id), []).append(g)
        self._words = sorted(self._by_word)

    def record(self, handle: str) -> Golden | None:
        """The record that an address names, whatever number it was made of."""
        return self._by_handle.get(handle)

    def inside(self, record: Golden) -> list[Golden]:
        """What is directly part of it, of its own kind."""
        return self._inside.get((record.kind, record.id), [])

    def matching(self, text: str, kind: DirectoryKind | None = None) -> list[Golden]:
        """Records of which every word of ``text`` begins a word of the name, or is a number."""
        found = set(self._by_number.get(text.strip(), ()))
        parts = [self._beginning(word) for word in fold(text).split()]
        if parts:
            found |= set.intersection(*parts)
        return [self.all[n] for n in sorted(found) if kind is None or self.all[n].kind is kind]

    def alike(self, words: set[str], kind: DirectoryKind) -> list[tuple[int, Golden]]:
        """Records that are called by some of these words, and by how many."""
        times = Counter(n for word in words for n in self._by_word.get(word, ()))
        return [(times[n], self.all[n]) for n in sorted(times) if self.all[n].kind is kind]

    def _beginning(self, word: str) -> set[int]:
        start, end = bisect_left(self._words, word), bisect_left(self._words, word + _LAST)
        return {n for w in self._words[start:end] for n in self._by_word[w]}


_made: WeakKeyDictionary[Directory, Finder] = WeakKeyDictionary()
_lock: Final = Lock()


def finder_of(directory: Directory) -> Finder:
    """The finder of a directory, made when it is first asked for."""
    with _lock:
        found = _made.get(directory)
        if found is None:
            found = _made[directory] = Finder(directory)
        return found


def handle_of(kind: str, name: str) -> str:
    """By which addresses name a golden record: of any of its numbers, so that it stays true."""
    return hashlib.sha256(f"{kind}\x1f{name}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def names(record: Golden) -> set[str]:
    """The words by which it is called."""
    return {w for a in _SAID for w in fold(record.text(a)).split()}


def title_of(record: Golden) -> str:
    """What a person or place is called."""
    if record.kind is DirectoryKind.PRACTITIONER:
        parts = (record.text("prefix"), record.text("given"), record.text("family"))
        name = " ".join(p for p in parts if p)
        suffix = record.text("suffix") or record.text("credential")
        return f"{name}, {suffix}" if name and suffix else name or short(record.id)
    place = " ".join(p for p in map(record.text, ("ward", "room", "bed")) if p)
    return record.text("name") or place or short(record.id)


def short(identifier: str) -> str:
    """Of an NPI that it is one; of others the last part of their system, and the number."""
    system, _, number = identifier.partition("|")
    name = "NPI" if system.endswith("us-npi") else system.rpartition(":")[2].rpartition("/")[2]
    return f"{name} {number}".strip()


def sorting(record: Golden) -> str:
    """By which lists are sorted."""
    family = f"{record.text('family')} {record.text('given')}".strip()
    return (family or title_of(record)).casefold()
