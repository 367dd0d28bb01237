"""Lives with drugs: the same seed gives the same messages; every feed may send them."""

from __future__ import annotations

import hashlib

from bench._charts import chart_of
from bench.bench_reconcile import NOW_US, WAYS, Score, truth_of

from chartloom.chart.reconcile import builtin_rules, reconcile_medications
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.normalize import load_mapping
from chartloom.registry.formulary import builtin_formulary
from chartloom.simulate.therapies import HABITS, SOURCES, lives, write
from chartloom.simulate.therapies.model import drugs


def test_the_same_seed_gives_the_same_bytes() -> None:
    def told() -> list[bytes]:
        found = lives(4, 3, HABITS["fragmented"], NOW_US)
        return [write(h, life.person) for life in found for h in life.happenings]

    first = told()
    assert first == told()
    assert len(set(first)) == len(first) > 50


def test_every_message_is_understood() -> None:
    mappings = {"hl7v2": load_mapping("hl7v2"), "fhir": load_mapping("fhir")}
    seen = set()
    for life in lives(4, 6, HABITS["fragmented"], NOW_US):
        for h in life.happenings:
            feed, body = SOURCES[h.source], write(h, life.person)
            message = Message(1, feed.name, body, h.at_us, hashlib.sha256(body).digest())
            derived = mappings[feed.mapping].derive(message, feed, EXAMPLE_NAMESPACE)
            assert not derived.quarantine
            assert not [i for i in derived.issues if i.severity.value in ("error", "fatal")]
            seen.add((h.source, h.what))
    assert {("house", "give"), ("retail", "fill"), ("portal", "list"), ("clinic", "order")} <= seen


def test_nothing_is_told_of_the_future_and_truth_has_an_end() -> None:
    for life in lives(5, 30, HABITS["usual"], NOW_US):
        assert all(h.at_us <= NOW_US for h in life.happenings)
        for therapy in life.truth:
            assert bool(therapy.why) == bool(therapy.until_us)
            assert not therapy.active(therapy.since_us - 1)


def test_keys_of_the_catalogue_are_what_names_mean() -> None:
    """Every way in which systems write a drug is recognised as its ingredients."""
    formulary = builtin_formulary()
    for drug in drugs():
        for name in drug.names:
            found = formulary.resolve(text=name)
            assert "+".join(found.ingredients) == drug.key.partition("|")[0], name


def test_rules_continue_less_by_mistake_than_a_look_back_and_lose_nothing() -> None:
    """So few people tell nothing about small differences: those are measured by the bench."""
    scores = {way: Score() for way in WAYS}
    for profile in ("usual", "fragmented"):
        for life in lives(31, 25, HABITS[profile], NOW_US):
            chart, speakers = chart_of(life, NOW_US)
            found = reconcile_medications(
                chart, builtin_formulary(), builtin_rules(), NOW_US, speakers=speakers
            )
            taken, ended = truth_of(life)
            for way, tell in WAYS.items():
                scores[way].add(tell(found), taken, ended)
    told = {way: score.figures() for way, score in scores.items()}
    assert told["rules"]["wrong_of_listed"] < told["look-back 90 d"]["wrong_of_listed"] / 3
    assert told["rules"]["f1"] > 0.75
    assert told["active or unknown"]["recall"] > 0.98
    assert scores["rules, high confidence"].figures()["wrong_of_listed"] <= 0.05
