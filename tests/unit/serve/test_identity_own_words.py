"""Whether two records are one person, as their page says to whoever spoke about them."""

from __future__ import annotations

import pytest

from chartloom.domain.identity import Membership
from chartloom.serve.identity.pairs import _is_one_person


@pytest.mark.parametrize(
    ("persons", "one"),
    [
        ({"a": "a", "b": "a"}, True),
        ({"a": "a", "b": "b"}, False),
        ({"a": "a"}, False),  # of one nothing is known any more: it was destroyed
        ({}, False),
    ],
)
def test_two_are_one_only_if_both_are_known(persons: dict[str, str], one: bool) -> None:
    known = [Membership(p, "", person, 1, 1, "said") for p, person in persons.items()]
    assert _is_one_person(("a", "b"), known) is one
    assert _is_one_person(("b", "a"), known) is one
