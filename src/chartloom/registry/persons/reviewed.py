"""Learning weights from pairs that people decided.

Reviewed pairs are no sample of all pairs: they were chosen by what their comparison shows. So
shares of levels among them say nothing about m and u. But given the comparison, whether a pair is
one person does not depend on its having been chosen; the chance of that is what is fitted: log odds
= the present weight + a correction per level + an intercept per reason of review. Corrections are
drawn towards 0 (ridge), so that what few pairs speak about stays as it is. Intercepts take up what
is peculiar to a guard's pairs, and are no part of the result.

Deterministic: pairs are folded by the hash of their ids. Levels and bits only, nobody's values.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from math import exp, log, log1p
from typing import Final

import msgspec

from chartloom.registry.persons.parameters import Parameters

#: Fewer decided pairs than these teach nothing.
PAIRS_MIN: Final = 40
_SEEN_MIN: Final = 8
_FOLDS: Final = 5
_SWEEPS: Final = 60
_ALONE: Final = 20  #: sweeps over the intercepts alone
_LN2: Final = log(2.0)
#: How far corrections are expected to go, in bits; and how far they may at most.
_SPREAD_BITS: Final = 1.5
_MOST_BITS: Final = 4.0
_REASON_SPREAD: Final = 20.0
_LEAST, _MOST = -10.0, 20.0

_Feature = tuple[str, str]


class Labelled(msgspec.Struct, frozen=True):
    """A pair that people decided. fields: level by field, without what was missing; weight: bits by
    the present parameters; reason: of the review."""

    pair: tuple[str, str]
    fields: dict[str, str]
    weight: float
    reason: str
    same: bool


class Relearned(msgspec.Struct, frozen=True):
    """parameters: with corrected weights. changes: (field, level) -> (before, after, pairs seen).

    loss_before, loss_after: mean log loss on pairs held out, without and with corrections (both
    with intercepts), in bits.
    """

    parameters: Parameters
    changes: dict[_Feature, tuple[float, float, int]]
    pairs: int
    same: int
    loss_before: float
    loss_after: float

    @property
    def better(self) -> bool:
        """Whether pairs that were not learned from are told better than before."""
        return self.loss_after < self.loss_before


def relearn(pairs: Sequence[Labelled], start: Parameters, name: str) -> Relearned:
    """Weights corrected by what people decided; all else is as in ``start``.

    Raises ``ValueError`` for fewer than :data:`PAIRS_MIN` pairs, or if all are of one kind.
    """
    pairs = sorted(pairs, key=lambda p: p.pair)
    same = sum(p.same for p in pairs)
    if len(pairs) < PAIRS_MIN or not 0 < same < len(pairs):
        raise ValueError("too few pairs, or all of one kind")
    before = after = 0.0
    for fold in range(_FOLDS):
        kept = [p for p in pairs if _fold(p) != fold]
        held = [p for p in pairs if _fold(p) == fold]
        before += _loss(held, *_fit(kept, corrected=False))
        after += _loss(held, *_fit(kept, corrected=True))
    corrections, _ = _fit(pairs, corrected=True)
    seen = Counter(f for p in pairs for f in p.fields.items())
    changes = {}
    for feature, correction in sorted(corrections.items()):
        field, level = feature
        old = start.weights.get(field, {}).get(level)
        if old is None or seen[feature] < _SEEN_MIN:
            continue
        bits = min(max(correction / _LN2, -_MOST_BITS), _MOST_BITS)
        new = round(min(max(old + bits, _LEAST), _MOST), 3)
        if new != old:
            changes[feature] = (old, new, seen[feature])
    weights = {field: dict(levels) for field, levels in start.weights.items()}
    for (field, level), (_, new, _) in changes.items():
        weights[field][level] = new
    parameters = msgspec.structs.replace(start, name=name, weights=weights)
    n = len(pairs) * _LN2
    return Relearned(parameters, changes, len(pairs), same, before / n, after / n)


def _fold(pair: Labelled) -> int:
    return hashlib.blake2b("~".join(pair.pair).encode(), digest_size=2).digest()[0] % _FOLDS


def _fit(
    pairs: Sequence[Labelled], *, corrected: bool
) -> tuple[dict[_Feature, float], dict[str, float]]:
    """Corrections per level and intercepts per reason (nats), by coordinate-wise Newton steps."""
    odds = [p.weight * _LN2 for p in pairs]
    columns: dict[_Feature, list[int]] = {}
    for i, p in enumerate(pairs):
        columns.setdefault(("", p.reason), []).append(i)
        for feature in p.fields.items() if corrected else ():
            columns.setdefault(feature, []).append(i)
    labels = [float(p.same) for p in pairs]
    values = dict.fromkeys(columns, 0.0)
    for sweep in range(_SWEEPS):
        largest = 0.0
        for feature, rows in sorted(columns.items()):
            if sweep < _ALONE and feature[0]:
                continue  # first the intercepts: what all pairs have in common is no level's
            spread = _REASON_SPREAD if feature[0] == "" else _SPREAD_BITS
            precision = 1.0 / (spread * _LN2) ** 2
            slope, curve = precision * values[feature], precision
            for i in rows:
                chance = _chance(odds[i])
                slope += chance - labels[i]
                curve += chance * (1.0 - chance)
            step = min(max(-slope / curve, -1.0), 1.0)
            values[feature] += step
            largest = max(largest, abs(step))
            for i in rows:
                odds[i] += step
        if largest < 1e-4 and sweep >= _ALONE:
            break
    levels = {f: v for f, v in values.items() if f[0]}
    return levels, {f[1]: v for f, v in values.items() if not f[0]}


def _loss(
    pairs: Sequence[Labelled], levels: Mapping[_Feature, float], reasons: Mapping[str, float]
) -> float:
    total = 0.0
    for p in pairs:
        odds = p.weight * _LN2 + reasons.get(p.reason, 0.0)
        odds += sum(levels.get(f, 0.0) for f in p.fields.items())
        wrong = -odds if p.same else odds
        total += wrong + log1p(exp(-wrong)) if wrong > 0 else log1p(exp(wrong))
    return total


def _chance(odds: float) -> float:
    return 1.0 / (1.0 + exp(-odds)) if odds >= 0 else exp(odds) / (1.0 + exp(odds))
