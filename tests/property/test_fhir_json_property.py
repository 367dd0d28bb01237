"""Any bytes are read or refused; what is read is written again with the same digits."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.domain.codec import encode
from chartloom.formats.fhir import decode_json, pointers, scan, validate

_numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.integers(
    -(2**53), 2**53
)
_leaves = st.none() | st.booleans() | _numbers | st.text(st.characters(exclude_categories=["Cs"]))
_values = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=6), inner, max_size=4
        )
    ),
    max_leaves=20,
)
_fragments = st.lists(
    st.sampled_from(
        b'{ } [ ] : , " "a" 1.50 \\ \\u d800 null - e9 "resourceType":"Patient"'.split(b" ")
    ),
    max_size=30,
).map(b"".join)


@given(st.binary(max_size=200) | _fragments)
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    value, issues = decode_json(data)
    if value is None and data.strip() != b"null":
        assert issues or data[3:].strip() == b"null"
    validate(value)


@given(_values)
@settings(max_examples=150, deadline=None)
def test_what_is_read_is_written_with_the_same_digits(value: Any) -> None:
    text = encode(value)
    again, issues = decode_json(text)
    assert not issues
    assert encode(again) == text


@given(_values, st.sampled_from([None, 1, "\t"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_spans_hold_the_values(value: Any, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only, default=float).encode()
    decoded, _ = decode_json(text)
    for pointer, start, end, _ in scan(text):
        at = decoded
        for step in pointer.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            at = at[int(step)] if isinstance(at, list) else at[step]
        assert decode_json(text[start:end])[0] == at
    leaves = list(pointers(text))
    assert all(a[2] <= b[1] for a, b in pairwise(leaves))


@given(st.dictionaries(st.sampled_from(["id", "name", "gender", "contact"]), _values, max_size=4))
@settings(max_examples=150, deadline=None)
def test_validation_never_raises(members: dict[str, Any]) -> None:
    assert isinstance(validate({"resourceType": "Patient", **members}), list)
    assert isinstance(validate({"resourceType": "Bundle", "entry": members, **members}), list)
    inner = {"resourceType": "Basic", "code": {"text": "x"}, **members}
    outer = {"resourceType": "Patient", "contained": [inner, members], **members}
    assert isinstance(validate(outer), list)
    entries = [{"resource": outer}, {"resource": inner}]
    assert isinstance(
        validate({"resourceType": "Bundle", "type": "collection", "entry": entries}), list
    )


def test_decimal_is_what_numbers_with_a_point_become() -> None:
    assert isinstance(decode_json(b"1.0")[0], Decimal)
