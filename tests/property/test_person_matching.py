"""What holds for all records: symmetry, order, totality, and people's words above decisions."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.registry.persons import (
    LEVELS,
    Matcher,
    MatchRecord,
    Outcome,
    compare,
    decide,
    default_parameters,
    keys,
    match_all,
    pair_of,
    standardise,
    weigh,
)
from chartloom.simulate.identity import PROFILES, generate

PARAMETERS = default_parameters()


def world(seed: int, people: int, noise: str) -> dict[str, MatchRecord]:
    return {x.id: standardise(x.patient) for x in generate(seed, people, PROFILES[noise])}


RECORDS = world(5, 400, "desk-hurried")

_TEXT = st.one_of(
    st.sampled_from(
        [
            "",
            "Smith",
            "de la",
            "BABY BOY",
            "UNKNOWN",
            "Jr",
            "#",
            "12",
            "1900-01-01",
            "999999999",
            "\x00",
        ]
    ),
    st.text(max_size=12),
)
_ELEMENTS = (
    *("family", "given", "text", "use", "suffix", "value", "system", "line", "city", "postalCode"),
    *("type", "coding", "code", "url", "valueString", "valueIdentifier"),
)
_JUNK: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(_ELEMENTS),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
_NAME = st.fixed_dictionaries({}, optional={"family": _TEXT, "given": st.lists(_TEXT, max_size=3)})
_PATIENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.one_of(_JUNK, st.lists(_NAME, max_size=3)),
        "birthDate": st.one_of(_JUNK, st.dates().map(str)),
        "gender": st.one_of(_JUNK, st.sampled_from(["male", "female"])),
        "address": _JUNK,
        "telecom": _JUNK,
        "identifier": _JUNK,
        "extension": _JUNK,
        "multipleBirthInteger": _JUNK,
        "multipleBirthBoolean": _JUNK,
    },
)


@settings(max_examples=100, deadline=None)
@given(_PATIENTS, _PATIENTS)
def test_any_patients_can_be_compared_and_both_ways_alike(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    a, b = standardise(one), standardise(other)
    assert len(keys(a)) <= 40
    there, back = compare(a, b, PARAMETERS), compare(b, a, PARAMETERS)
    assert there == back
    assert decide(a, b, PARAMETERS) == decide(b, a, PARAMETERS)
    for field, levels in LEVELS.items():
        assert getattr(there, field) in levels


def test_real_pairs_are_symmetric() -> None:
    rng, ids = Random(1), list(RECORDS)
    pairs = [(rng.choice(ids), rng.choice(ids)) for _ in range(3000)]
    _, decisions = match_all(RECORDS, PARAMETERS)
    for a, b in [*pairs, *decisions]:
        one, other = RECORDS[a], RECORDS[b]
        assert compare(one, other, PARAMETERS) == compare(other, one, PARAMETERS)
        assert decide(one, other, PARAMETERS) == decide(other, one, PARAMETERS)
        assert weigh(compare(one, other, PARAMETERS), PARAMETERS) < 200


@pytest.mark.parametrize("seed", range(4))
def test_a_stream_ends_where_the_batch_does(seed: int) -> None:
    rng = Random(seed)
    small = PARAMETERS.__class__(
        **{f: getattr(PARAMETERS, f) for f in PARAMETERS.__struct_fields__ if f != "carriers_max"},
        carriers_max=6,
    )
    for parameters in (PARAMETERS, small):
        batch, decisions = match_all(RECORDS, parameters)
        matcher, order = Matcher(parameters), list(RECORDS)
        rng.shuffle(order)
        for record_id in order:
            if rng.random() < 0.2:
                matcher.put(record_id, RECORDS[rng.choice(order)])  # first wrong, then corrected
            matcher.put(record_id, RECORDS[record_id])
        for record_id in rng.sample(order, 40):
            matcher.remove(record_id)
        for record_id in order:
            matcher.put(record_id, RECORDS[record_id])
        assert matcher.decisions == decisions
        assert matcher.clusters() == batch


@pytest.mark.parametrize("seed", range(3))
def test_what_was_said_and_taken_back_leaves_no_trace(seed: int) -> None:
    rng = Random(seed)
    matcher = Matcher(PARAMETERS)
    for record_id, record in RECORDS.items():
        matcher.put(record_id, record)
    before = matcher.clusters()
    ids, said = list(RECORDS), []
    for _ in range(60):
        pair = (rng.choice(ids), rng.choice(ids))
        if pair[0] != pair[1]:
            matcher.say(pair, rng.random() < 0.5)
            said.append(pair)
    assert matcher.clusters() != before
    rng.shuffle(said)
    for pair in said:
        matcher.say(pair, None)
    assert matcher.clusters() == before


def test_a_word_is_above_every_decision() -> None:
    clusters, decisions = match_all(RECORDS, PARAMETERS)
    linked = next(p for p, d in sorted(decisions.items()) if d.outcome is Outcome.LINK)
    apart = next(r for r in RECORDS if clusters.person[r] != clusters.person[linked[0]])
    said = {linked: False, pair_of(linked[0], apart): True}
    after, _ = match_all(RECORDS, PARAMETERS, said)
    assert after.person[linked[0]] != after.person[linked[1]]
    assert after.person[linked[0]] == after.person[apart]


def test_nobody_in_a_cluster_is_kept_apart() -> None:
    clusters, _ = match_all(RECORDS, PARAMETERS)
    members: dict[str, list[str]] = {}
    for record_id, person in clusters.person.items():
        members.setdefault(person, []).append(record_id)
    for ids in members.values():
        assert min(ids) in clusters.person.values()
        for i, a in enumerate(ids):
            for b in ids[i + 1 :]:
                assert not decide(RECORDS[a], RECORDS[b], PARAMETERS).apart
    for review in clusters.reviews:
        assert clusters.person[review.pair[0]] != clusters.person[review.pair[1]]
