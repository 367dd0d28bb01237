"""The word lists that stand beside the code: reviewable CSV, written from general knowledge.

``data/words.csv`` (kind, words): particles, titles, placeholders, streets. ``data/nicknames.csv``
(class, names): names that one person may go by. A name may be in several classes.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

import msgspec

from chartloom.registry.persons.folding import fold, squeeze


class WordLists(msgspec.Struct, frozen=True):
    """``words.csv``, by kind."""

    particles: frozenset[str]
    titles: frozenset[str]
    newborn: frozenset[str]
    unknown: frozenset[str]
    prefixes: tuple[str, ...]
    streets: dict[str, str]  #: kind of street or direction -> its short form
    units: frozenset[str]  #: words before the number of a flat


def rows(name: str) -> Iterator[tuple[str, list[str]]]:
    """(first column, words of the second) of a list in ``data``; ``#`` begins a comment."""
    text = (files("chartloom.registry.persons") / "data" / name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for row in csv.reader(lines[1:]):
        yield row[0], row[1].split()


@cache
def words() -> WordLists:
    """The word lists, read once."""
    found: dict[str, list[str]] = {}
    streets: dict[str, str] = {}
    for kind, listed in rows("words.csv"):
        if kind.startswith("street:"):
            streets.update(dict.fromkeys(listed, kind.partition(":")[2]))
        else:
            found.setdefault(kind, []).extend(listed)
    return WordLists(
        particles=frozenset(found["particle"]),
        titles=frozenset(found["title"]),
        newborn=frozenset(found["newborn"]),
        unknown=frozenset(found["unknown"]),
        prefixes=tuple(found["prefix"]),
        streets=streets,
        units=frozenset(found["unit"]),
    )


@cache
def nicknames() -> dict[str, tuple[str, ...]]:
    """Given name (squeezed) -> the classes it belongs to."""
    found: dict[str, dict[str, None]] = {}
    for name, listed in rows("nicknames.csv"):
        for word in (name, *listed):
            found.setdefault(squeeze(fold(word)), {})[name] = None
    return {name: tuple(classes) for name, classes in found.items()}


@lru_cache(maxsize=50_000)
def classes_of(given: str) -> tuple[str, ...]:
    """The classes of a squeezed given name; () for one that has no other forms.

    A pet form that is not listed (Robby, Jimmie) belongs where what it is made of belongs.
    """
    listed = nicknames()
    found = listed.get(given)
    if found is not None:
        return found
    for ending in _PET_ENDINGS:
        stem = given.removesuffix(ending)
        if stem != given and len(stem) >= 3:
            for other in ("", *_PET_ENDINGS):
                if stem + other in listed:
                    return listed[stem + other]
    return ()


@cache
def forms_of(root: str) -> tuple[str, ...]:
    """All names (squeezed) of a class."""
    return tuple(sorted(name for name, classes in nicknames().items() if root in classes))


#: Of pet names, the longest first.
_PET_ENDINGS: Final = ("ie", "ey", "y", "i", "e")
