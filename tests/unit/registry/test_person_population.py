"""Thresholds follow the declared number of records, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from chartloom.registry.persons import (
    Outcome,
    among,
    decide,
    default_parameters,
    dump,
    is_fit,
    load,
    standardise,
    thresholds,
    thresholds_of,
)
from chartloom.registry.persons.comparison import FIELDS, Comparison
from chartloom.registry.persons.population import is_far

MEASURED = default_parameters().records


def test_more_records_ask_for_more_of_those_who_are_far_from_each_other() -> None:
    known = default_parameters()
    more = among(known, 4 * MEASURED)
    far, near = compared(home="different"), compared(home="postal")
    assert thresholds(near, more) == thresholds(far, known) == (known.link, known.review)
    assert thresholds(far, more) == (known.link + 3.0, known.review + 2.8)
    assert more.weights == known.weights
    assert more.fingerprint != known.fingerprint


@pytest.mark.parametrize(
    ("field", "level", "near"),
    [
        ("home", "same", True),
        ("home", "street", True),
        ("home", "city", False),
        ("phone", "close", True),
        ("email", "same", True),
        ("national", "same", True),
        ("record", "same", True),
        ("family", "exact", False),
        ("mother", "same", False),
    ],
)
def test_what_becomes_rarer_with_more_people_makes_near(field: str, level: str, near: bool) -> None:
    assert is_far(compared(**{field: level})) is not near
    assert thresholds_of({field: level}, among(default_parameters(), 2 * MEASURED)) == thresholds(
        compared(**{field: level}), among(default_parameters(), 2 * MEASURED)
    )


def compared(**levels: str) -> Comparison:
    return Comparison(*(levels.get(field, "missing") for field in FIELDS))  # type: ignore[arg-type]


@pytest.mark.parametrize("records", [1_000, MEASURED // 4, MEASURED])
def test_up_to_what_was_measured_nothing_changes(records: int) -> None:
    assert among(default_parameters(), records) is default_parameters()


def test_the_number_is_declared_once() -> None:
    """Parameters that hold among a million are not raised for a million once more, and a file that
    was learned from them says among how many."""
    once = among(default_parameters(), 1_000_000)
    assert among(once, 1_000_000) is once
    assert load(dump(once)) == once
    assert among(once, 4_000_000).link_far == pytest.approx(once.link_far + 3, abs=1e-3)


def test_a_pair_far_apart_is_decided_otherwise_among_many() -> None:
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Thornbury", "given": ["Miriam"]}],
        "birthDate": "1971-03-09",
        "gender": "female",
        "address": [{"line": ["12 Mill Lane"], "city": "Fairhaven", "postalCode": "85003"}],
    }
    a = standardise(patient)
    moved = {"line": ["7 Oak Road"], "city": "Saltport", "postalCode": "85100"}
    near = {"line": ["7 Oak Road"], "city": "Fairhaven", "postalCode": "85003"}
    numbers = (MEASURED, 8 * MEASURED, 2**16 * MEASURED)
    outcomes = {}
    for address in (moved, near):
        b = standardise({**patient, "address": [address]})
        found = [decide(a, b, among(default_parameters(), n)) for n in numbers]
        assert len({d.weight for d in found}) == 1
        outcomes[address["city"]] = [d.outcome for d in found]
    assert outcomes["Fairhaven"] == [Outcome.LINK] * 3
    assert outcomes["Saltport"][0] is Outcome.LINK
    assert outcomes["Saltport"][-1] is Outcome.NEW


@pytest.mark.parametrize(
    ("declared", "stored", "fits"),
    [
        (MEASURED, 0, True),
        (MEASURED, 4 * MEASURED, True),
        (MEASURED, 4 * MEASURED + 1, False),
        (1_000, 2 * MEASURED, True),
        (10 * MEASURED, MEASURED, False),
        (4 * MEASURED, 10, True),
        (10 * MEASURED, 3 * MEASURED, True),
    ],
)
def test_a_number_is_good_for_four_times_fewer_or_more(
    declared: int, stored: int, fits: bool
) -> None:
    assert is_fit(declared, stored, MEASURED) is fits


def test_no_records_are_no_number() -> None:
    text = dump(default_parameters()).replace(b'"records": %d' % MEASURED, b'"records": 0')
    with pytest.raises(Exception, match="records"):
        load(text)


def test_thresholds_of_a_file_may_be_raised_only() -> None:
    own = msgspec.structs.replace(default_parameters(), records=1_000_000, link=25.0, review=20.0)
    assert among(own, 100_000) is own
