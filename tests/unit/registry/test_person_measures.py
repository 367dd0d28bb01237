"""Training, metrics, the labelled generator: that they say what they say they do."""

from __future__ import annotations

import pytest

from chartloom.registry.persons import (
    Clusters,
    MatchRecord,
    default_parameters,
    is_overlay,
    match_all,
    pair_of,
    standardise,
)
from chartloom.registry.persons.cluster import Review
from chartloom.registry.persons.metrics import by_group, measure, mistakes
from chartloom.registry.persons.train import train
from chartloom.simulate.identity import PROFILES, generate

TRUTH = {"a1": "A", "a2": "A", "a3": "A", "b1": "B", "b2": "B", "c1": "C"}


def clusters(*sets: str, reviews: tuple[tuple[str, str], ...] = ()) -> Clusters:
    person = {r: min(s.split()) for s in sets for r in s.split()}
    return Clusters(person, tuple(Review(pair_of(*p), 15.0, "thin") for p in reviews))


def test_what_is_right_is_all_ones() -> None:
    r = measure(TRUTH, clusters("a1 a2 a3", "b1 b2", "c1"), {})
    assert (r.pairs.f1, r.clusters.f1, r.mixed, r.queue, r.reviewed) == (1.0, 1.0, 0, 0, 1.0)


def test_counts_of_wrong_clusters() -> None:
    r = measure(TRUTH, clusters("a1 a2", "a3 b1", "b2", "c1"), {})
    assert (r.pairs.right, r.pairs.wrong, r.pairs.missed) == (1, 1, 3)
    assert (r.clusters.right, r.clusters.wrong, r.clusters.missed) == (1, 3, 2)
    assert (r.mixed, r.mixed_share) == (1, 0.25)


def test_reviews_of_two_clusters_are_asked_once_and_help_when_answered() -> None:
    reviews = (("a1", "a3"), ("a2", "a3"), ("b1", "c1"))
    r = measure(TRUTH, clusters("a1 a2", "a3", "b1 b2", "c1", reviews=reviews), {})
    assert (r.queue, r.queue_right) == (2, 1)
    assert (r.pairs.recall, r.reviewed) == (0.5, 1.0)


def test_mistakes_and_rates_by_group() -> None:
    found = clusters("a1 a2", "a3 b1", "b2", "c1")
    kinds = sorted((m.kind, m.pair) for m in mistakes(TRUTH, found, {}))
    assert kinds == [
        ("joined", ("a3", "b1")),
        ("missed", ("a1", "a3")),
        ("missed", ("a2", "a3")),
        ("missed", ("b1", "b2")),
    ]
    groups = dict.fromkeys(TRUTH, "x") | {"c1": "y"}
    assert by_group(TRUTH, found, groups) == {"x": (5, 5, 1.0), "y": (1, 0, 0.0)}


def test_the_generator_is_the_same_for_the_same_seed() -> None:
    one, other = (list(generate(3, 200, PROFILES["paper"])) for _ in range(2))
    assert one == other
    assert one != list(generate(4, 200, PROFILES["paper"]))
    assert len({x.id for x in one}) == len(one)


def test_the_generator_makes_the_hard_cases() -> None:
    tags = {t for x in generate(3, 3000, PROFILES["desk"], overlays=0.01) for t in x.tags}
    assert {"twin", "namesake", "newborn", "unknown", "married", "nickname", "swapped"} <= tags


@pytest.mark.parametrize(("noise", "recall"), [("desk", 0.96), ("paper-scanned", 0.92)])
def test_matching_is_about_as_good_as_reported(noise: str, recall: float) -> None:
    """Bounds well below the figures of ``bench_identity``: to notice when something breaks."""
    labelled = list(generate(2000, 1500, PROFILES[noise]))
    records = {x.id: standardise(x.patient) for x in labelled}
    found, decisions = match_all(records, default_parameters())
    r = measure({x.id: x.person for x in labelled}, found, decisions)
    assert r.links.precision >= 0.998
    assert r.pairs.recall >= recall
    assert r.reviewed >= r.pairs.recall
    assert r.queue_share <= 0.03


def test_overlays_are_noticed_and_corrections_are_not_taken_for_them() -> None:
    parameters, known, noticed = default_parameters(), {}, []
    same: dict[str, list[MatchRecord]] = {}
    for x in generate(2001, 800, PROFILES["desk-hurried"], overlays=0.3):
        record = standardise(x.patient)
        if x.overlay:
            noticed.append(is_overlay(known[x.id], record, parameters))
        else:
            known[x.id] = record
            same.setdefault(x.person, []).append(record)
    assert sum(noticed) / len(noticed) >= 0.9
    pairs = [(a, b) for records in same.values() for a in records for b in records]
    assert sum(is_overlay(a, b, parameters) for a, b in pairs) <= len(pairs) * 0.002


def test_training_without_labels_learns_what_says_much_and_what_little() -> None:
    records = {x.id: standardise(x.patient) for x in generate(21, 800, PROFILES["desk"])}
    trained = train(records, default_parameters(), "test", random_pairs=10_000)
    w = trained.parameters.weights
    assert w["birth"]["exact"] > 10 > w["sex"]["same"] > 0.5
    assert w["given"]["exact"] > w["given"]["close"] > w["given"]["different"]
    assert w["family"]["different"] < 0 > w["birth"]["different"]
    assert trained.parameters.fingerprint != default_parameters().fingerprint
    again = train(records, default_parameters(), "test", random_pairs=10_000)
    assert again.parameters == trained.parameters
