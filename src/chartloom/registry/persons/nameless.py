"""A record without a given name, or with an initial: which of two whom it is like it is, nobody
can say. Then it is neither, until somebody looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final

from chartloom.registry.persons.decide import Decision, Outcome, decide
from chartloom.registry.persons.guards import INITIAL
from chartloom.registry.persons.parameters import Parameters
from chartloom.registry.persons.record import MatchRecord

Pair = tuple[str, str]

#: Levels of given names that are hardly one.
_OTHERS: Final = frozenset({"different", "similar", "close", "middle"})


def unclear_pairs(
    records: Mapping[str, MatchRecord],
    decisions: Mapping[Pair, Decision],
    said: Mapping[Pair, bool],
    parameters: Parameters,
) -> set[Pair]:
    """Links of a record that says no given name to each of two who are not one person: twins, when
    both are known. A function of the records that are linked, so that order does not matter."""
    doubtful = [p for p, d in decisions.items() if _is_doubtful(d) and p not in said]
    if not doubtful:
        return set()
    ends = {one for pair in doubtful for one in pair}
    linked: dict[str, list[str]] = {}
    for pair, decision in decisions.items():
        if decision.outcome is Outcome.LINK and said.get(pair, True):
            for one, other in (pair, pair[::-1]):
                if one in ends:
                    linked.setdefault(one, []).append(other)
    torn = {
        one
        for one, others in linked.items()
        if any(
            _are_two(some, more, records, decisions, parameters)
            for some, more in combinations(_by_name(others, records), 2)
        )
    }
    return {pair for pair in doubtful if pair[0] in torn or pair[1] in torn}


def _is_doubtful(decision: Decision) -> bool:
    return decision.outcome is Outcome.LINK and decision.guard == INITIAL.name


def _by_name(others: Sequence[str], records: Mapping[str, MatchRecord]) -> list[list[str]]:
    """Those that say a given name, by what it is: a person of many records has few names."""
    found: dict[str, list[str]] = {}
    for other in sorted(others):
        givens = records[other].givens if other in records else ()
        if givens:
            found.setdefault(givens[0], []).append(other)
    return list(found.values())


def _are_two(
    some: Sequence[str],
    more: Sequence[str],
    records: Mapping[str, MatchRecord],
    decisions: Mapping[Pair, Decision],
    parameters: Parameters,
) -> bool:
    """Whether the records of one given name are hardly the person of those of another."""
    for a in some:
        for b in more:
            known = decisions.get((a, b) if a < b else (b, a))
            if known is not None and known.outcome is Outcome.LINK:
                return False
    decision = decide(records[some[0]], records[more[0]], parameters)
    return decision.outcome is not Outcome.LINK and (
        decision.apart or decision.comparison.given in _OTHERS
    )
