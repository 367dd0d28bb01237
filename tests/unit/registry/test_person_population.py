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
)
from chartloom.registry.persons.population import threshold_bits

MEASURED = default_parameters().records


def test_ten_times_the_records_ask_for_ten_times_the_odds() -> None:
    more = among(default_parameters(), 10 * MEASURED)
    assert more.link - default_parameters().link == pytest.approx(3.322, abs=1e-3)
    assert more.review - default_parameters().review == pytest.approx(3.322, abs=1e-3)
    assert more.weights == default_parameters().weights
    assert more.fingerprint != default_parameters().fingerprint


@pytest.mark.parametrize("records", [1_000, MEASURED // 4, MEASURED])
def test_up_to_what_was_measured_nothing_changes(records: int) -> None:
    assert among(default_parameters(), records) is default_parameters()


def test_the_number_is_declared_once() -> None:
    """Parameters that hold among a million are not raised for a million once more, and a file that
    was learned from them says among how many."""
    once = among(default_parameters(), 1_000_000)
    assert among(once, 1_000_000) is once
    assert load(dump(once)) == once
    assert among(once, 4_000_000).link == pytest.approx(once.link + 2, abs=1e-3)


def test_a_pair_that_is_linked_among_few_is_looked_at_among_many() -> None:
    patient = {
        "resourceType": "Patient",
        "name": [{"family": "Thornbury", "given": ["Miriam"]}],
        "birthDate": "1971-03-09",
        "gender": "female",
        "address": [{"line": ["12 Mill Lane"], "city": "Fairhaven", "postalCode": "85003"}],
    }
    a = standardise(patient)
    b = standardise({**patient, "address": [{"city": "Fairhaven", "postalCode": "85003"}]})
    found = {
        records: decide(a, b, among(default_parameters(), records))
        for records in (MEASURED, 2**40 * MEASURED)
    }
    weights = {d.weight for d in found.values()}
    assert len(weights) == 1
    outcomes = [d.outcome for d in found.values()]
    assert outcomes[0] is not Outcome.NEW
    assert outcomes[-1] is Outcome.NEW


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
    text = dump(default_parameters()).replace(b'"records": 100000', b'"records": 0')
    with pytest.raises(Exception, match="records"):
        load(text)
    assert threshold_bits(1, 1) == 0


def test_thresholds_of_a_file_may_be_raised_only() -> None:
    own = msgspec.structs.replace(default_parameters(), records=1_000_000, link=25.0, review=20.0)
    assert among(own, 100_000) is own
