"""Learning weights without labels: u from pairs taken at random, m by expectation maximisation.

Fellegi and Sunter's model with two classes and fields independent within a class. u is counted on
pairs that are hardly ever one person. m is estimated per session: pairs that share one kind of key,
without the fields in that key, u held fixed; sessions are averaged by how many matches they see.
Pairs that a guard keeps apart (twins, namesakes) are left out: they are neither class.

Deterministic: "at random" is by the hash of ids.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from math import log2
from typing import Final

import msgspec

from chartloom.registry.persons.compare import compare
from chartloom.registry.persons.comparison import LEVELS, Comparison
from chartloom.registry.persons.guards import guard
from chartloom.registry.persons.keys import keys
from chartloom.registry.persons.parameters import Parameters
from chartloom.registry.persons.record import Kind, MatchRecord

#: Kind of key -> fields that it fixes, so that nothing can be learned about them from it.
SESSIONS: Final = {
    "i": ("national", "record"),
    "bg": ("birth", "given"),
    "bf": ("birth", "family"),
    "bt": ("birth", "phone"),
    "gh": ("given", "home"),
    "np": ("family", "given", "home"),
    "e": ("email",),
}
_ROUNDS: Final = 40
_SESSION_PAIRS: Final = 60_000
_SEEN_MIN: Final = 8.0
_NAMES_MAX: Final = 5_000
#: Weights are kept within these bits.
_LEAST: Final = -10.0
_MOST: Final = 20.0
#: What people change in their lives, or leave to whoever is asked, speaks against them no louder.
_LEAST_OF: Final = {"home": -3.0, "phone": -3.0, "email": -3.0, "mother": -4.0, "middle": -4.0}

Chances = dict[str, dict[str, float]]


class Trained(msgspec.Struct, frozen=True):
    """parameters; and m and u by field and level, for reports."""

    parameters: Parameters
    m: Chances
    u: Chances
    pairs: dict[str, int]  #: session -> pairs that were seen


def train(
    records: Mapping[str, MatchRecord], start: Parameters, name: str, random_pairs: int = 200_000
) -> Trained:
    """Parameters learned on ``records``; thresholds and limits are those of ``start``."""
    known = {i: r for i, r in records.items() if r.kind is Kind.PERSON}
    order = sorted(known, key=lambda i: hashlib.blake2b(i.encode(), digest_size=8).digest())
    random = _random_counts(known, order, start, random_pairs)
    u = random.chances()
    matched, seen = _match_counts(known, order, start, u)
    m = matched.chances()
    # What was hardly ever seen, in either class, stays as it was.
    held = {
        field: {
            level: chance
            for level, chance in chances.items()
            if matched.total[field][level] + random.total[field][level] >= _SEEN_MIN
        }
        for field, chances in m.items()
    }
    made = assemble(known.items(), start, name, held, u, seen)
    return msgspec.structs.replace(made, m=m)


def assemble(
    known: Iterable[tuple[str, MatchRecord]],
    start: Parameters,
    name: str,
    m: Chances,
    u: Chances,
    pairs: dict[str, int],
) -> Trained:
    """Parameters with the weights of m and u; where a level has neither, as in ``start``."""
    people = [record for _, record in known]
    families, usual_family = _shares(r.families[0] for r in people if r.families)
    givens, usual_given = _shares(r.givens[0] for r in people if r.givens)
    weights = {
        field: {
            level: round(_bounded(field, m[field][level] / u[field][level]), 3)
            if level in m[field] and level in u[field]
            else start.weights[field][level]
            for level in levels
            if level != "missing"
        }
        for field, levels in LEVELS.items()
    }
    parameters = msgspec.structs.replace(
        start,
        name=name,
        weights=weights,
        families=families,
        givens=givens,
        usual_family=usual_family,
        usual_given=usual_given,
    )
    return Trained(parameters, m, u, pairs)


def _bounded(field: str, ratio: float) -> float:
    return min(max(log2(ratio), _LEAST_OF.get(field, _LEAST)), _MOST)


def _shares(names: Iterable[str]) -> tuple[dict[str, float], float]:
    counts = Counter(names)
    total = sum(counts.values()) or 1
    usual = sum(n * (n - 1) for n in counts.values()) / max(1, total * (total - 1))
    common = [(name, n) for name, n in counts.most_common(_NAMES_MAX) if n >= 5]
    return {name: round(n / total, 7) for name, n in common}, max(usual, 1e-6)


def _random_counts(
    records: Mapping[str, MatchRecord], order: list[str], start: Parameters, pairs: int
) -> _Counts:
    counts = _Counts(1.0)
    count = len(order)
    rounds = min(max(1, pairs // max(1, count)), max(1, count - 1))
    done = 0
    for step in range(1, rounds + 1):
        shift = 1 + (step * 7919) % max(1, count - 1)
        for i in range(count):
            if done >= pairs:
                break
            a, b = records[order[i]], records[order[(i + shift) % count]]
            if a is not b:
                counts.add(compare(a, b, start), 1.0, ())
                done += 1
    return counts


class _Counts:
    """Weighted counts of levels, begun with a little of each so that nothing is impossible."""

    def __init__(self, begun: float) -> None:
        self.total = {
            f: dict.fromkeys((x for x in levels if x != "missing"), begun)
            for f, levels in LEVELS.items()
        }

    def add(self, c: Comparison, weight: float, without: tuple[str, ...]) -> None:
        for field, counts in self.total.items():
            level: str = getattr(c, field)
            if level != "missing" and field not in without:
                counts[level] += weight

    def chances(self) -> Chances:
        found: Chances = {}
        for field, counts in self.total.items():
            total = sum(counts.values())
            found[field] = {level: n / total for level, n in counts.items()}
        return found


def _match_counts(
    records: Mapping[str, MatchRecord], order: list[str], start: Parameters, u: Chances
) -> tuple[_Counts, dict[str, int]]:
    pooled = _Counts(0.5)
    seen: dict[str, int] = {}
    blocks = _blocks(records, order, start)
    for session, without in SESSIONS.items():
        compared = _session(records, blocks.get(session, {}), start)
        seen[session] = sum(compared.values())
        if seen[session] < 50:
            continue
        beliefs = _expect(compared, without, _first_guess(start, u), u)
        for c, times in compared.items():
            pooled.add(c, beliefs[c] * times, without)
    return pooled, seen


def _blocks(
    records: Mapping[str, MatchRecord], order: list[str], start: Parameters
) -> dict[str, dict[str, list[str]]]:
    blocks: dict[str, dict[str, list[str]]] = {}
    for i in order:
        for key in keys(records[i]):
            session = key.partition("|")[0]
            if session in SESSIONS:
                blocks.setdefault(session, {}).setdefault(key, []).append(i)
    return blocks


def _session(
    records: Mapping[str, MatchRecord], block: Mapping[str, list[str]], start: Parameters
) -> dict[Comparison, int]:
    """Comparisons (names' rarity left out) of a session, with how often each pattern came."""
    found: Counter[Comparison] = Counter()
    pairs = 0
    for ids in block.values():
        if not 1 < len(ids) <= start.carriers_max:
            continue
        for i, a in enumerate(ids):
            for b in ids[i + 1 :]:
                one, other = records[a], records[b]
                c = compare(one, other, start)
                held = guard(one, other, c)
                if held is None or not held.apart:
                    found[_pattern(c)] += 1
                    pairs += 1
        if pairs >= _SESSION_PAIRS:
            break
    return found


def _pattern(c: Comparison) -> Comparison:
    return msgspec.structs.replace(c, family_rarity=0.0, given_rarity=0.0, years=-1)


def _first_guess(start: Parameters, u: Chances) -> Chances:
    """m as the weights to start from would have it."""
    guess: Chances = {}
    for field, chances in u.items():
        raw = {x: chances[x] * 2.0 ** start.weights[field][x] for x in chances}
        total = sum(raw.values())
        guess[field] = {x: v / total for x, v in raw.items()}
    return guess


def _expect(
    compared: Mapping[Comparison, int], without: tuple[str, ...], m: Chances, u: Chances
) -> dict[Comparison, float]:
    """Belief in a match for each pattern after EM with u fixed."""
    share = 0.5
    fields = [f for f in LEVELS if f not in without]
    beliefs: dict[Comparison, float] = {}
    for _ in range(_ROUNDS):
        counts = _Counts(0.5)
        matched = total = 0.0
        for c, times in compared.items():
            ratio = share / (1 - share)
            for field in fields:
                level: str = getattr(c, field)
                if level != "missing":
                    ratio *= m[field][level] / u[field][level]
            belief = beliefs[c] = ratio / (1 + ratio)
            counts.add(c, belief * times, without)
            matched += belief * times
            total += times
        before, share = share, min(max(matched / total, 1e-4), 1 - 1e-4)
        m = counts.chances()
        if abs(share - before) < 1e-6:
            break
    return beliefs
