"""Tables that a site writes: what is wrong is said with its line."""

from __future__ import annotations

import msgspec
import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.formats.tables import csv_rows, fingerprint, over, toml_of, typed


def _rows(content: bytes) -> list[tuple[str, dict[str, str]]]:
    return list(csv_rows("a.csv", content, {"code", "text"}, {"note"}))


def test_rows_have_their_line_and_every_column() -> None:
    content = b'\xef\xbb\xbf# a comment\ncode,text\n\n1,"a, b" \n2,c\n'
    assert _rows(content) == [
        ("a.csv:4", {"code": "1", "text": "a, b", "note": ""}),
        ("a.csv:5", {"code": "2", "text": "c", "note": ""}),
    ]


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b"code\n1\n", "a.csv:1", "'text' is missing"),
        (b"code,text,colour\n", "a.csv:1", "no column 'colour'"),
        (b"code,text,code\n", "a.csv:1", "twice"),
        (b"code,text\n1,2\n1\n", "a.csv:3", "1 cells, not 2"),
        (b"code,text\n1,2\n\xff,2\n", "a.csv:3", "not UTF-8"),
    ],
)
def test_mistakes_in_csv(content: bytes, where: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        _rows(content)
    assert error.value.where == where
    assert what in error.value.what
    assert error.value.cure


class _Inner(msgspec.Struct, forbid_unknown_fields=True):
    days: int


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    inner: _Inner
    name: str = ""


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (b'name = "a"\n[inner]\ndays = "x"\n', "t.toml:3", "inner.days"),
        (b"[inner]\ndays = 1\nhours = 2\n", "t.toml:3", "hours"),
        (b"[inner]\ndays = \n", "t.toml:2", "not TOML"),
        (b"[inner]\n", "t.toml:1", "days"),
    ],
)
def test_mistakes_in_toml(content: bytes, where: str, what: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        typed(toml_of("t.toml", content), _Table, "t.toml", content)
    assert error.value.where == where
    assert what in error.value.what


def test_own_values_lie_over_the_base() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert over(base, {"a": {"y": [3]}, "c": 2}) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": 2}
    assert base["a"] == {"x": 1, "y": [1, 2]}


def test_fingerprint_changes_with_every_name_and_content() -> None:
    prints = {
        fingerprint({"a": b"1", "b": b"2"}),
        fingerprint({"a": b"1", "c": b"2"}),
        fingerprint({"a": b"12", "b": b""}),
        fingerprint({"a": b"1"}),
    }
    assert len(prints) == 4
    assert fingerprint({"b": b"2", "a": b"1"}) in prints
