"""Weights corrected by what people decided: what is wrong is put right, what is right stays."""

from __future__ import annotations

import random
from math import exp, log

import msgspec
import pytest

from chartloom.registry.persons import default_parameters, dump, load
from chartloom.registry.persons.reviewed import PAIRS_MIN, Labelled, relearn

START = default_parameters()
LEVELS = {
    "family": ("exact", "close", "different"),
    "given": ("exact", "nickname", "similar"),
    "birth": ("exact", "digit", "day-and-month"),
    "home": ("same", "different"),
    "sex": ("same", "different"),
}


def pairs(count: int, wrong: dict[tuple[str, str], float], seed: int = 3) -> list[Labelled]:
    """Pairs whose truth follows the present weights but for ``wrong`` (bits that are missing), and
    of which only those came to review whose present weight asked for it."""
    rng = random.Random(seed)
    found: list[Labelled] = []
    while len(found) < count:
        fields = {field: rng.choice(levels) for field, levels in LEVELS.items()}
        weight = sum(START.weights[f][level] for f, level in fields.items())
        if not -6.0 <= weight <= 24.0:  # selection by what is seen
            continue
        bits = weight - 9.0 + sum(wrong.get(f, 0.0) for f in fields.items())
        same = rng.random() < 1.0 / (1.0 + exp(-bits * log(2.0)))
        found.append(Labelled((f"a{len(found)}", f"b{len(found)}"), fields, weight, "score", same))
    return found


def test_a_weight_that_is_wrong_is_found_though_pairs_were_chosen() -> None:
    off = {("given", "similar"): -5.0, ("birth", "digit"): 4.0}
    found = relearn(pairs(1500, off), START, "site")
    assert found.better
    moved = {f: after - before for f, (before, after, _) in found.changes.items()}
    assert moved["given", "similar"] < -1.5
    assert moved["birth", "digit"] > 1.0
    largest = sorted(moved, key=lambda f: -abs(moved[f]))[:2]
    assert set(largest) == set(off)


def test_what_is_right_stays_nearly_as_it_was() -> None:
    found = relearn(pairs(1500, {}), START, "site")
    assert max(abs(after - before) for before, after, _ in found.changes.values()) < 1.2


def test_only_weights_change_and_the_file_can_be_read() -> None:
    found = relearn(pairs(200, {("home", "different"): 3.0}), START, "site")
    read = load(dump(found.parameters))
    assert read == found.parameters
    assert read.name == "site"
    assert read.fingerprint != START.fingerprint
    same = msgspec.structs.replace(read, name=START.name, weights=START.weights)
    assert dump(same) == dump(START)
    seen = {f for p in pairs(200, {}) for f in p.fields.items()}
    for field, levels in START.weights.items():
        for level, bits in levels.items():
            if (field, level) not in seen:
                assert read.weights[field][level] == bits
            assert -10.0 <= read.weights[field][level] <= 20.0


def test_the_order_of_pairs_changes_nothing() -> None:
    some = pairs(120, {("sex", "different"): 2.0})
    assert relearn(some, START, "x") == relearn(some[::-1], START, "x")


def test_a_guard_whose_pairs_are_peculiar_moves_no_weight() -> None:
    """All pairs of one reason are two people, whatever they say: the intercept takes that up."""
    plain = pairs(400, {})
    odd = [
        msgspec.structs.replace(p, pair=(p.pair[0] + "x", p.pair[1]), reason="twins", same=False)
        for p in pairs(400, {}, seed=9)
    ]
    found = relearn([*plain, *odd], START, "x")
    assert max(abs(after - before) for before, after, _ in found.changes.values()) < 1.5


@pytest.mark.parametrize("count", [0, PAIRS_MIN - 1])
def test_few_pairs_teach_nothing(count: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        relearn(pairs(count, {}), START, "x")


def test_pairs_of_one_kind_teach_nothing() -> None:
    one = [msgspec.structs.replace(p, same=True) for p in pairs(80, {})]
    with pytest.raises(ValueError, match="one kind"):
        relearn(one, START, "x")
