"""A record without a given name, or with an initial: which of two whom it is like it is, nobody
can say. Then it is neither, until somebody looks."""

from __future__ import annotations

from collections.abc import Mapping
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
            _are_two(a, b, records, decisions, parameters)
            for a, b in combinations(sorted(others), 2)
        )
    }
    return {pair for pair in doubtful if pair[0] in torn or pair[1] in torn}


def _is_doubtful(decision: Decision) -> bool:
    return decision.outcome is Outcome.LINK and decision.guard == INITIAL.name


def _are_two(
    a: str,
    b: str,
    records: Mapping[str, MatchRecord],
    decisions: Mapping[Pair, Decision],
    parameters: Parameters,
) -> bool:
    known = decisions.get((a, b))
    if known is not None and known.outcome is Outcome.LINK:
        return False
    if a not in records or b not in records:
        return False
    decision = decide(records[a], records[b], parameters)
    return decision.outcome is not Outcome.LINK and (
        decision.apart or decision.comparison.given in _OTHERS
    )
