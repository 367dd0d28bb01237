"""Clusters of records that are one person: a function of a set, whatever order it came in.

Links are taken by falling weight (ties by name of the pair); two clusters are not joined across
two records that must be kept apart. What was refused so becomes a review.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from chartloom.registry.persons.decide import Decision, Outcome, decide
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
    """person: record -> the smallest id of its cluster. reviews: between different clusters."""

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
) -> Clusters:
    """Clusters of ``records``.

    decisions: about pairs that share a key (:func:`pair_of`); pairs that share none are decided
    here when they would come into one cluster. said: the last word of a person or a source about a
    pair: True one person, False not; it is above every decision. The result of a component of
    linked records depends on that component only.
    """
    found = dict(decisions)

    def apart(a: str, b: str) -> str:
        pair = pair_of(a, b)
        word = said.get(pair)
        if word is not None:
            return "" if word else SAID_APART
        decision = found.get(pair)
        if decision is None:
            if a not in records or b not in records:
                return ""
            decision = found[pair] = decide(records[a], records[b], parameters)
        return decision.guard if decision.apart else ""

    members = {r: [r] for r in records}
    for pair in said:
        for one in pair:
            members.setdefault(one, [one])
    roots = {r: r for r in members}
    refused = []
    for weight, pair, is_said in _edges(decisions, said):
        reason = _join(roots, members, pair, apart, is_said)
        if reason:
            refused.append(Review(pair, weight, reason))
    names = {root: min(ids) for root, ids in members.items()}
    person = {r: names[root] for r, root in roots.items()}
    reviews = [r for r in refused if person[r.pair[0]] != person[r.pair[1]]]
    for pair, decision in decisions.items():
        asked = decision.outcome is Outcome.REVIEW and pair not in said
        if asked and person[pair[0]] != person[pair[1]]:
            reviews.append(Review(pair, decision.weight, decision.guard or decision.rule))
    return Clusters(person, tuple(sorted(reviews)))


def _edges(
    decisions: Mapping[Pair, Decision], said: Mapping[Pair, bool]
) -> Iterable[tuple[float, Pair, bool]]:
    """Links, the strongest first: what was said, then what was decided."""
    for pair in sorted(p for p, word in said.items() if word):
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


def _join(
    roots: dict[str, str],
    members: dict[str, list[str]],
    pair: Pair,
    apart: Callable[[str, str], str],
    is_said: bool,
) -> str:
    """Joins the clusters of a pair, or says why not."""
    one, other = roots[pair[0]], roots[pair[1]]
    if one == other:
        return ""
    for a in members[one]:
        for b in members[other]:
            reason = apart(a, b)
            # A person's word joins what only a guard would keep apart, never what a person did.
            if reason and (reason == SAID_APART or not is_said):
                return reason
    if len(members[one]) < len(members[other]):
        one, other = other, one
    for moved in members[other]:
        roots[moved] = one
    members[one] += members.pop(other)
    return ""
