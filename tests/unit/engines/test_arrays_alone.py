"""An array of one element is packed as the elements of longer ones are."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.engines.postgres.arrays import packed

_HEAD = 20


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bool", True),
        ("bytea", b"\0\xff" * 3000),
        ("bytea", b""),
        ("float8", -1.5),
        ("int2", -2),
        ("int4", 1 << 30),
        ("int8", -(1 << 62)),
        ("text", "Søren"),
        ("text", ""),
    ],
)
def test_one_element(kind: str, value: Any) -> None:
    one, two = packed(kind, [value]), packed(kind, [value, value])
    assert two[_HEAD:] == one[_HEAD:] * 2
    assert one[:12] == two[:12]
    assert one[12:_HEAD] == b"\0\0\0\1\0\0\0\1"
    assert two[12:_HEAD] == b"\0\0\0\2\0\0\0\1"
