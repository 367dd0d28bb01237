"""Labels and their stored masks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import (
    ALL_LABELS_MASK,
    BIT,
    Label,
    labels_of,
    mask,
    mask_of_grant,
    security,
    visible,
)

LABELS = st.frozensets(st.sampled_from(list(Label)))


def test_bits_are_stored_and_never_change() -> None:
    assert {label.value: bit for label, bit in BIT.items()} == {
        "PSY": 1,
        "ETH": 2,
        "HIV": 4,
        "SEX": 8,
        "SDV": 16,
        "VIP": 32,
        "EMP": 64,
        "R": 128,
    }
    assert set(BIT) == set(Label)


def test_break_glass_is_a_purpose() -> None:
    assert Purpose("BTG") is Purpose.BREAK_GLASS


@given(LABELS)
def test_mask_and_back(labels: frozenset[Label]) -> None:
    assert labels_of(mask(labels)) == labels


@given(LABELS, LABELS)
def test_visible_iff_subset(thing: frozenset[Label], grant: frozenset[Label]) -> None:
    assert visible(mask(thing), mask(grant)) == (thing <= grant)


@given(LABELS)
def test_grant_of_everything_covers_every_label(labels: frozenset[Label]) -> None:
    assert visible(mask(labels), mask_of_grant(("*",)))


def test_misspelt_label_in_a_grant_covers_nothing() -> None:
    assert mask_of_grant(("psy", "", "HIV ")) == 0
    assert mask_of_grant(("PSY", "nonsense")) == BIT[Label.PSY]


@pytest.mark.parametrize("bad", [256, -1, ALL_LABELS_MASK + 1])
def test_unknown_bits_are_refused(bad: int) -> None:
    with pytest.raises(ValueError, match="mask"):
        labels_of(bad)


def test_security_codings() -> None:
    assert security({Label.R, Label.HIV}) == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"},
    ]
