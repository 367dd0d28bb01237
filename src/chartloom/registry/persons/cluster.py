"""Clusters of records that are one person: a function of a set, whatever order it came in.

What people said comes first, then what sources said, then links by falling weight (ties by name of
the pair). Two clusters are not joined across two records that must be kept apart, and a record that
says no given name is not joined to one of two who may both be it: what was refused so becomes a
review. What was said joins against guards; a source that does is reviewed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final

import msgspec

from chartloom.registry.persons.decide import Decision, Outcome, decide, kept_apart
from chartloom.registry.persons.nameless import unclear_pairs
from chartloom.registry.persons.parameters import Parameters
from chartloom.registry.persons.record import MatchRecord

Pair = tuple[str, str]

#: Refused because somebody said that two are not the same person.
SAID_APART: Final = "said-apart"


class Review(msgspec.Struct, frozen=True, order=True):
    """A pair that somebody should look at; reason: name of a guard, ``score`` or ``said-apart``."""

    pair: Pair
    weight: float
    reason: str


class Clusters(msgspec.Struct, frozen=True):
    """person: record -> the smallest id of its cluster. reviews: between different clusters, and of
    what a source joined although a guard keeps the two apart."""

    person: dict[str, str]
    reviews: tuple[Review, ...]


def pair_of(a: str, b: str) -> Pair:
    """The two ids in order."""
    return (a, b) if a < b else (b, a)


def cluster(
    records: Mapping[str, MatchRecord],
    decisions: Mapping[Pair, Decision],
    said: Mapping[Pair, bool],
    parameters: Parameters,
    by_people: Set[Pair] = frozenset(),
    lifted: Set[Pair] = frozenset(),
) -> Clusters:
    """Clusters of ``records``.

    decisions: about pairs that share a key (:func:`pair_of`); pairs that share none are decided
    here when they would come into one cluster. said: the last word of a person or a source about a
    pair: True one person, False not; it is above every decision. by_people: the pairs of ``said``
    about which people have the word; it is above what sources say of other pairs, too. lifted:
    pairs whose guards people lifted with a word about another pair. The result of a component of
    linked records depends on that component only.
    """
    forest = _Forest(records, decisions, said, parameters, lifted)
    unclear = unclear_pairs(records, decisions, said, parameters)
    refused = [Review(p, decisions[p].weight, decisions[p].guard) for p in unclear]
    for weight, pair, is_said in _edges(decisions, said, by_people):
        if pair in unclear:
            continue
        reason = forest.join(pair, is_said)
        if reason:
            refused.append(Review(pair, weight, reason))
    person = forest.names()
    reviews = [r for r in refused if person[r.pair[0]] != person[r.pair[1]]]
    for pair, decision in decisions.items():
        asked = decision.outcome is Outcome.REVIEW and pair not in said
        if asked and person[pair[0]] != person[pair[1]]:
            reviews.append(Review(pair, decision.weight, decision.guard or decision.rule))
    for pair, word in said.items():
        if word and pair not in by_people and person[pair[0]] == person[pair[1]]:
            reviews += _overridden(pair, records, decisions, parameters)
    return Clusters(person, tuple(sorted(reviews)))


def _edges(
    decisions: Mapping[Pair, Decision], said: Mapping[Pair, bool], by_people: Set[Pair]
) -> Iterable[tuple[float, Pair, bool]]:
    """Links, the strongest first: what people said, what sources said, then what was decided."""
    for _, pair in sorted((p not in by_people, p) for p, word in said.items() if word):
        yield 0.0, pair, True
    linked = [
        (-_strength(d), p)
        for p, d in decisions.items()
        if d.outcome is Outcome.LINK and p not in said
    ]
    for strength, pair in sorted(linked):
        yield -strength, pair, False


def _strength(decision: Decision) -> float:
    """Links by number come before links by weight."""
    bonus = {"record-number": 2000.0, "national-number": 1000.0}.get(decision.rule, 0.0)
    return bonus + decision.weight


def _overridden(
    pair: Pair,
    records: Mapping[str, MatchRecord],
    decisions: Mapping[Pair, Decision],
    parameters: Parameters,
) -> Iterator[Review]:
    """The review of a pair that a source joined against a guard that keeps the two apart.

    The source is the authority on its numbers; a slip at its desk makes one chart of two people
    all the same.
    """
    decision = decisions.get(pair)
    if decision is None:
        if any(p not in records for p in pair):
            return
        decision = decide(records[pair[0]], records[pair[1]], parameters)
    if decision.apart:
        yield Review(pair, decision.weight, decision.guard)


class _Forest:
    """Clusters as they grow. Joining by a word looks at nobody's record, so that a person made of
    many words costs no more than the words."""

    def __init__(
        self,
        records: Mapping[str, MatchRecord],
        decisions: Mapping[Pair, Decision],
        said: Mapping[Pair, bool],
        parameters: Parameters,
        lifted: Set[Pair],
    ) -> None:
        self._records, self._said, self._parameters = records, said, parameters
        self._guards = {
            p: d.guard if d.apart and p not in lifted else "" for p, d in decisions.items()
        }
        self._members = {r: [r] for r in records}
        self._foes: dict[str, list[str]] = {}
        for (low, high), word in said.items():
            for one, other in ((low, high), (high, low)):
                self._members.setdefault(one, [one])
                if not word:
                    self._foes.setdefault(one, []).append(other)
        self._roots = {r: r for r in self._members}

    def names(self) -> dict[str, str]:
        """Record -> the smallest id of its cluster."""
        names = {root: min(ids) for root, ids in self._members.items()}
        return {r: names[root] for r, root in self._roots.items()}

    def join(self, pair: Pair, is_said: bool) -> str:
        """Joins the clusters of a pair, or says why not."""
        one, other = self._roots[pair[0]], self._roots[pair[1]]
        if one == other:
            return ""
        if len(self._members[one]) < len(self._members[other]):
            one, other = other, one
        if self._said_apart(other, one):
            return SAID_APART
        # A word joins what only a guard would keep apart, never what somebody said is apart.
        reason = "" if is_said else self._guarded(one, other)
        if reason:
            return reason
        for moved in self._members[other]:
            self._roots[moved] = one
        self._members[one] += self._members.pop(other)
        return ""

    def _said_apart(self, few: str, many: str) -> bool:
        foes, roots = self._foes, self._roots
        return bool(foes) and any(
            roots[foe] == many for one in self._members[few] for foe in foes.get(one, ())
        )

    def _guarded(self, one: str, other: str) -> str:
        for a in self._members[one]:
            for b in self._members[other]:
                pair = pair_of(a, b)
                if pair in self._said:  # one person: the other word was looked for before
                    continue
                guard = self._guards.get(pair)
                if guard is None:
                    guard = self._guards[pair] = self._guard(pair)
                if guard:
                    return guard
        return ""

    def _guard(self, pair: Pair) -> str:
        a, b = pair
        if a not in self._records or b not in self._records:
            return ""
        return kept_apart(self._records[a], self._records[b], self._parameters)
