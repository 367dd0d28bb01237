"""What a word about two records settles besides: the other open pairs of the same two persons.

People are asked once about two persons, by the strongest pair of records. A word is about the two
records that were looked at, for good; of the other pairs of the two persons it carries marks. *Not
the same* closes a pair so marked as long as it is between the same two persons, is alike in the
same way, and the word stands. *The same* joins the two, which answers every pair, and lifts the
guards of pairs so marked, which would tear one of the two persons apart. What comes or changes
later is asked.

A mark names nobody: it is a digest of the two ids and of how the two are alike, in levels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from chartloom.domain.identity import IdentityWord, Pair
from chartloom.domain.resource import LinkKind
from chartloom.registry.persons.cluster import Review
from chartloom.registry.persons.decide import Decision, decide, evidence
from chartloom.registry.persons.parameters import Parameters
from chartloom.registry.persons.record import MatchRecord
from chartloom.registry.persons.words import standing_of, standing_people, two_needed

_MARK_CHARS: Final = 16

Words = Mapping[Pair, Sequence[IdentityWord]]


def mark(pair: Pair, levels: Mapping[str, str], guard: str) -> str:
    """How two records are alike. levels: field -> level, what is missing left out."""
    parts = [*pair, guard, *(f"{field}={level}" for field, level in sorted(levels.items()))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_MARK_CHARS]


class Marks:
    """The marks of pairs as their records are now; "" where a record says nothing."""

    def __init__(self, records: Mapping[str, MatchRecord], parameters: Parameters) -> None:
        self._records, self._parameters = records, parameters

    def __call__(self, pair: Pair) -> str:
        """The mark of a pair."""
        if any(record not in self._records for record in pair):
            return ""
        one, other = (self._records[record] for record in pair)
        told = evidence(decide(one, other, self._parameters), self._parameters)
        return mark(pair, {field: level for field, (level, _) in told.fields.items()}, told.guard)


def settled_beside(
    reviews: Iterable[Review],
    words: Words,
    person: Mapping[str, str],
    hard: Callable[[Pair], bool],
    mark_of: Callable[[Pair], str],
) -> frozenset[Pair]:
    """The pairs under review that words about other pairs of the same two persons settle.

    person: record -> its person. hard: whether two people have to say the same about a pair, for
    its own word as for what settles it. mark_of: of a pair as it is now; asked for few. A pair of
    which anybody says something of its own is settled by that only.
    """
    voices = _voices(words, person, hard)
    if not voices:
        return frozenset()
    found = set()
    for review in reviews:
        pair = review.pair
        said = voices.get(_between(pair, person), ())
        if not said or _speaks(words.get(pair, ())):
            continue
        own = mark_of(pair)
        people = {by for by, marks in said if own in marks}
        if len(people) >= (2 if hard(pair) or two_needed(review.reason) else 1):
            found.add(pair)
    return frozenset(found)


def lifted_beside(
    decisions: Mapping[Pair, Decision],
    words: Words,
    hard: Callable[[Pair], bool],
    mark_of: Callable[[Pair], str],
) -> frozenset[Pair]:
    """The pairs whose guards words about other pairs lift, since they say that it is one person."""
    people: dict[str, set[str]] = {}
    for pair, said in words.items():
        if any(word.beside for word in said) and standing_of(said, hard(pair)).verdict:
            for word in standing_people(said):
                if word.kind is not LinkKind.UNLINK:
                    for one in word.beside:
                        people.setdefault(one, set()).add(word.by)
    if not people:
        return frozenset()
    apart = [pair for pair, d in decisions.items() if d.apart and not _speaks(words.get(pair, ()))]
    needed = {pair: 2 if hard(pair) else 1 for pair in apart}
    return frozenset(p for p in apart if len(people.get(mark_of(p), ())) >= needed[p])


def settling(words: Iterable[IdentityWord], own: str, two: bool) -> Iterator[IdentityWord]:
    """Of the words about one pair, those that settle the pair of this mark besides."""
    said = list(words)
    if standing_of(said, two).verdict is False:
        for word in standing_people(said):
            if word.kind is LinkKind.UNLINK and own in word.beside:
                yield word


def _voices(
    words: Words, person: Mapping[str, str], hard: Callable[[Pair], bool]
) -> dict[Pair, list[tuple[str, frozenset[str]]]]:
    """Two persons -> who said that they are two, with what they saw besides."""
    found: dict[Pair, list[tuple[str, frozenset[str]]]] = {}
    for pair, said in words.items():
        if not any(word.beside for word in said):
            continue
        if standing_of(said, hard(pair)).verdict is False:
            kept = [w for w in standing_people(said) if w.kind is LinkKind.UNLINK and w.beside]
            voices = [(w.by, frozenset(w.beside)) for w in kept]
            found.setdefault(_between(pair, person), []).extend(voices)
    return found


def _between(pair: Pair, person: Mapping[str, str]) -> Pair:
    one, other = (person.get(record, record) for record in pair)
    return (one, other) if one <= other else (other, one)


def _speaks(said: Sequence[IdentityWord]) -> bool:
    return bool(standing_people(said)) or standing_of(said, False).verdict is not None
