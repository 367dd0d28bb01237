"""Histories with truth: the same seed gives the same bytes, and the sources can be understood."""

from __future__ import annotations

from bench._reconcile_lists import NOW_US, chart_of, measure

from chartloom.simulate.histories import HABITS, lives


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, other = (list(lives(5, 4, HABITS["usual"], NOW_US)) for _ in range(2))
    assert one == other
    assert one != list(lives(6, 4, HABITS["usual"], NOW_US))


def test_truth_is_told_by_somebody() -> None:
    for life in lives(5, 8, HABITS["orderly"], NOW_US):
        chart, _ = chart_of(life)
        assert len(chart.sections["problems"].entries) >= len(life.truth.problems) > -1
        assert all(sent.at_us < NOW_US for sent in life.sent)


def test_rules_are_better_than_their_baselines_on_a_few_lives() -> None:
    told = measure("fragmented", (21,), 25)
    assert told["allergies"]["rules"]["f1"] >= told["allergies"]["any active entry"]["f1"]
    assert told["allergies"]["rules"]["recall"] >= 0.95
    best = max(told["problems"][w]["f1"] for w in ("any code ever", "problem list only"))
    assert told["problems"]["rules"]["f1"] > best
