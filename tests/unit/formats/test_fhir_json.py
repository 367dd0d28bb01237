"""JSON from outside is read strictly, and each value can be found in the bytes again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from chartloom.formats.fhir import decode_json, locate, pointers, scan


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"a":NaN}', "json-malformed"),
        (b"Infinity", "json-malformed"),
        (b'{"a":-Infinity}', "json-malformed"),
        (b"", "json-malformed"),
        (b'{"a":1}x', "json-malformed"),
        (b'{"a":1,}', "json-malformed"),
        (b"[01]", "json-malformed"),
        (b"'a'", "json-malformed"),
        (b'{"a":1,"a":2}', "json-duplicate-key"),
        (b'{"a":1,"b" :2,"a":3}', "json-duplicate-key"),
        (b'{"a":1,"\\u0061":2}', "json-duplicate-key"),
        (b'[{"x\\\\":1,"x\\\\":1}]', "json-duplicate-key"),
        (b'"\\ud800"', "json-lone-surrogate"),
        (b'"\\udc00 and more"', "json-lone-surrogate"),
        (b'"\xed\xa0\x80"', "json-not-utf8"),
        (b'"M\xfcller"', "json-not-utf8"),
        ('{"a":1}'.encode("utf-16"), "json-not-utf8"),
        ('{"a":1}'.encode("utf-16-le"), "json-not-utf8"),
        (b"[" * 65 + b"]" * 65, "json-too-deep"),
        (b"[" * 200_000, "json-too-deep"),
        (b"1e500", "json-number-out-of-range"),
        (b'{"a":1E-99999999999999999999}', "json-number-out-of-range"),
        (b"9" * 5000, "json-number-out-of-range"),
    ],
)
def test_refused(text: bytes, code: str) -> None:
    value, issues = decode_json(text)
    assert value is None
    assert [i.code for i in issues] == [code]


def test_the_place_of_a_repeated_key_is_told() -> None:
    _, issues = decode_json(b'{"a":{"b":1,"c":[1,{"x":1,"x":2}]}}')
    assert issues[0].location == "/a/c/1/x"


def test_a_byte_order_mark_is_skipped_and_told() -> None:
    value, issues = decode_json(b'\xef\xbb\xbf{"a":1}')
    assert value == {"a": 1}
    assert [(i.code, i.span) for i in issues] == [("json-byte-order-mark", (0, 3))]
    assert locate(b'\xef\xbb\xbf{"a":1}', "/a") == (8, 9)


def test_the_size_limit_is_explicit() -> None:
    assert decode_json(b"[1,2]", size_bytes_max=4)[1][0].code == "json-too-large"


def test_decimals_keep_their_digits() -> None:
    value, _ = decode_json(b"[1.50,-0.0,1.0e3,12345678901234567890.10]")
    assert [str(v) for v in value] == ["1.50", "-0.0", "1.0E+3", "12345678901234567890.10"]
    assert all(isinstance(v, Decimal) for v in value)


def test_colons_in_strings_are_no_keys() -> None:
    assert decode_json(b'{"a":"\\": x","b":"y :"}')[0] == {"a": '": x', "b": "y :"}


def test_every_leaf_has_a_span() -> None:
    data = b'{"a/b~":[1,{"c":"x\\"y"},[],{}],"d":null , "e":1.50}'
    assert [(p, data[a:b]) for p, a, b in pointers(data)] == [
        ("/a~1b~0/0", b"1"),
        ("/a~1b~0/1/c", b'"x\\"y"'),
        ("/a~1b~0/2", b"[]"),
        ("/a~1b~0/3", b"{}"),
        ("/d", b"null"),
        ("/e", b"1.50"),
    ]
    start, end = locate(data, "/a~1b~0/1")
    assert data[start:end] == b'{"c":"x\\"y"}'
    assert locate(data, "") == (0, len(data))
    with pytest.raises(LookupError):
        locate(data, "/nowhere")
    assert list(scan(b"7")) == [("", 0, 1, True)]
