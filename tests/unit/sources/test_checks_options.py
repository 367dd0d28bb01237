"""Options of another kind than they should be are told, each by its name."""

from __future__ import annotations

import pytest

from chartloom.sources.options import _fits


@pytest.mark.parametrize(
    ("kind", "fits", "others"),
    [
        (str, ["", "x"], [1, 1.5, True]),
        (int, [0, -1, 7], [True, False, 1.5, "7"]),
        (float, [0, 1.5, 7], [True, False, "1.5"]),
        (bool, [True, False], [0, 1, "true", 1.0]),
    ],
)
def test_a_value_is_of_its_kind(kind: type, fits: list, others: list) -> None:  # type: ignore[type-arg]
    assert [v for v in fits if not _fits(kind, v)] == []
    assert [v for v in others if _fits(kind, v)] == []
