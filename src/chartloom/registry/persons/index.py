"""A matcher in memory: records by key, decisions, clusters; for files, tests and benchmarks.

Records may come, change and go in any order: the clusters are those of the set. The store does the
same over tables (``engines/postgres``).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from chartloom.registry.persons.cluster import Clusters, Pair, cluster, pair_of
from chartloom.registry.persons.decide import Decision, Outcome, decide
from chartloom.registry.persons.keys import keys
from chartloom.registry.persons.parameters import Parameters
from chartloom.registry.persons.record import MatchRecord


class Matcher:
    """``put`` and ``remove`` records, ``say`` what people decided, ask for :meth:`clusters`."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.records: dict[str, MatchRecord] = {}
        self.decisions: dict[Pair, Decision] = {}
        self.said: dict[Pair, bool] = {}
        self.by_people: set[Pair] = set()  #: those of ``said`` about which people have the word
        self.compared = 0  #: pairs that were decided, for reports
        self._keys: dict[str, tuple[str, ...]] = {}
        self._carriers: dict[str, set[str]] = {}
        self._decided: dict[str, set[str]] = {}

    def put(self, record_id: str, record: MatchRecord) -> None:
        """Adds a record, or replaces what was known under this id."""
        if self.records.get(record_id) == record:
            return
        self.remove(record_id)
        self.records[record_id] = record
        mine = self._keys[record_id] = keys(record)
        candidates: set[str] = set()
        for key in mine:
            carriers = self._carriers.setdefault(key, set())
            carriers.add(record_id)
            if len(carriers) <= self.parameters.carriers_max:
                candidates |= carriers
            elif len(carriers) == self.parameters.carriers_max + 1:
                self._drop_pairs(carriers)
        candidates.discard(record_id)
        for other in candidates:
            self._decide(record_id, other)

    def remove(self, record_id: str) -> None:
        """Takes a record out, as if it had never come."""
        if record_id not in self.records:
            return
        for key in self._keys.pop(record_id):
            carriers = self._carriers[key]
            carriers.discard(record_id)
            if len(carriers) == self.parameters.carriers_max:
                self._add_pairs(carriers)
        del self.records[record_id]
        for other in list(self._decided.get(record_id, ())):
            self._forget(pair_of(record_id, other))

    def say(self, pair: Pair, word: bool | None, *, by_person: bool = False) -> None:
        """The last word about a pair, of a source or a person: one person, not one person, or
        (None) taken back."""
        pair = pair_of(*pair)
        self.by_people.discard(pair)
        if by_person and word is not None:
            self.by_people.add(pair)
        if word is None:
            self.said.pop(pair, None)
        else:
            self.said[pair] = word

    def clusters(self) -> Clusters:
        """Of everything that is known now."""
        return cluster(self.records, self.decisions, self.said, self.parameters, self.by_people)

    def _decide(self, a: str, b: str) -> None:
        pair = pair_of(a, b)
        if pair in self.decisions:
            return
        decision = decide(self.records[a], self.records[b], self.parameters)
        self.compared += 1
        if decision.outcome is not Outcome.NEW:
            self.decisions[pair] = decision
            self._decided.setdefault(a, set()).add(b)
            self._decided.setdefault(b, set()).add(a)

    def _forget(self, pair: Pair) -> None:
        del self.decisions[pair]
        self._decided[pair[0]].discard(pair[1])
        self._decided[pair[1]].discard(pair[0])

    def _drop_pairs(self, carriers: Iterable[str]) -> None:
        """A key became too common: pairs that shared nothing else are no candidates any more."""
        for pair in self._pairs(carriers):
            if pair in self.decisions and not self._share_key(*pair):
                self._forget(pair)

    def _add_pairs(self, carriers: Iterable[str]) -> None:
        for a, b in self._pairs(carriers):
            self._decide(a, b)

    @staticmethod
    def _pairs(carriers: Iterable[str]) -> list[Pair]:
        ordered = sorted(carriers)
        return [(a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :]]

    def _share_key(self, a: str, b: str) -> bool:
        top = self.parameters.carriers_max
        theirs = set(self._keys[b])
        return any(k in theirs and len(self._carriers[k]) <= top for k in self._keys[a])


#: Told while all records are matched: what is being done, how much of it is done, of how much.
Told = Callable[[str, int, int], None]


def _untold(stage: str, done: int, total: int) -> None:
    """Nobody asked."""


def match_all(
    records: Mapping[str, MatchRecord],
    parameters: Parameters,
    said: Mapping[Pair, bool] | None = None,
    told: Told = _untold,
) -> tuple[Clusters, dict[Pair, Decision]]:
    """All records at once: clusters, and the decisions that are not *new*."""
    decisions: dict[Pair, Decision] = {}
    pairs = candidate_pairs(records, parameters, told)
    for done, pair in enumerate(pairs):
        if done % _EVERY == 0:
            told("comparing", done, len(pairs))
        decision = decide(records[pair[0]], records[pair[1]], parameters)
        if decision.outcome is not Outcome.NEW:
            decisions[pair] = decision
    told("comparing", len(pairs), len(pairs))
    return cluster(records, decisions, said or {}, parameters), decisions


#: Parts in which keys are looked through, so that only one part of them is in a table at a time.
_PARTS: Final = 64
_EVERY: Final = 5_000


def candidate_pairs(
    records: Mapping[str, MatchRecord], parameters: Parameters, told: Told = _untold
) -> set[Pair]:
    """The pairs that share a key which not too many carry.

    Of each key 64 bits and the number of its record are held, 300 MB for a million records: two
    keys out of some twenty-five millions come to the same bits once in 60,000 runs.
    """
    ids = sorted(records)
    bits = [array("q") for _ in range(_PARTS)]
    owners = [array("L") for _ in range(_PARTS)]
    for owner, record_id in enumerate(ids):
        if owner % _EVERY == 0:
            told("keys", owner, len(ids))
        for key in keys(records[record_id]):
            hashed = hash(key)
            bits[hashed % _PARTS].append(hashed)
            owners[hashed % _PARTS].append(owner)
    told("keys", len(ids), len(ids))
    found: set[Pair] = set()
    for part in range(_PARTS):
        told("candidates", part, _PARTS)
        carriers: dict[int, list[int]] = {}
        for hashed, owner in zip(bits[part], owners[part], strict=True):
            carriers.setdefault(hashed, []).append(owner)
        for some in carriers.values():
            if 1 < len(some) <= parameters.carriers_max:
                found.update((ids[a], ids[b]) for i, a in enumerate(some) for b in some[i + 1 :])
        bits[part], owners[part] = array("q"), array("L")
    told("candidates", _PARTS, _PARTS)
    return found
