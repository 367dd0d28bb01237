"""Files and batches."""

from __future__ import annotations

import pytest

from chartloom.formats.hl7v2 import split_batch

A = b"MSH|^~\\&|A|||||| |1|P|2.5"
B = b"MSH|^~\\&|B|||||| |2|P|2.5"


def cut(data: bytes) -> list[bytes]:
    return [data[start:end] for start, end in split_batch(data)]


def codes(data: bytes) -> list[tuple[str, str]]:
    return [(i.code, i.location) for i in split_batch(data).issues]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_full_envelope(end: bytes) -> None:
    lines = [b"FHS|^~\\&", b"BHS|^~\\&", A, b"PID|1", B, b"PID|2", b"BTS|2", b"FTS|1", b""]
    data = end.join(lines)
    assert cut(data) == [A + end + b"PID|1" + end, B + end + b"PID|2" + end]
    assert codes(data) == []


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (A, [A]),
        (A + b"\r", [A + b"\r"]),
        (A + b"\rPID|1\r" + B, [A + b"\rPID|1\r", B]),
        (A + b"\r\r\r\n\n" + B + b"\n\n", [A + b"\r", B + b"\n"]),
        (b"\x0b" + A + b"\r\x1c\r\x0b" + B + b"\r\x1c\r", [A + b"\r", B + b"\r"]),
        (b"\xef\xbb\xbf" + A + b"\n\xef\xbb\xbf" + B, [A + b"\n", B]),
        (b"  " + A, [A]),
        (b"", []),
        (b"\r\n \x1c\r", []),
    ],
)
def test_messages_without_envelope(data: bytes, expected: list[bytes]) -> None:
    assert cut(data) == expected
    assert codes(data) == []


def test_header_name_in_a_text_does_not_split() -> None:
    data = A + b"\rNTE|1||see MSH|x\rMSHX|1\rNTE|2||a\r"
    assert cut(data) == [data]


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([b"BHS|", A, b"BTS|2"], [("hl7v2-batch-count", "BTS-1")]),
        ([b"FHS|", b"BHS|", A, b"BTS|1", b"FTS|2"], [("hl7v2-batch-count", "FTS-1")]),
        ([b"BHS|", A, b"BTS"], []),
        ([b"BHS|", A, b"BTS|x"], []),
        ([b"BHS|", A], [("hl7v2-batch-envelope", "BHS")]),
        ([b"FHS|", b"BHS|", A, b"BTS|1"], [("hl7v2-batch-envelope", "FHS")]),
        ([A, b"BTS|1"], [("hl7v2-batch-envelope", "BTS")]),
        ([b"BHS|", A, b"BHS|", B, b"BTS|1"], [("hl7v2-batch-envelope", "BHS")]),
        ([b"BHS|", A, b"BTS|1", b"BHS|", B, b"BTS|1"], []),
        ([b"FHS|", A, b"FTS|0"], []),
    ],
)
def test_envelope_is_checked(lines: list[bytes], found: list[tuple[str, str]]) -> None:
    data = b"\r".join(lines)
    assert len(split_batch(data)) == len([x for x in lines if x.startswith(b"MSH")])
    assert codes(data) == found


def test_count_issue_says_numbers_and_place() -> None:
    data = b"BHS|\r" + A + b"\rBTS|5\r"
    (issue,) = split_batch(data).issues
    assert issue.detail == "5 announced, 1 found"
    assert issue.span is not None
    assert data[slice(*issue.span)] == b"BTS|5"


def test_stray_bytes_are_kept_as_messages_of_their_own() -> None:
    data = b"junk\rmore\r" + A + b"\rBTS|1\rPID|lost\r" + B
    assert cut(data) == [b"junk\rmore\r", A + b"\r", b"PID|lost\r", B]
    assert codes(data)[0] == ("hl7v2-batch-stray", "")


def test_no_message_at_all() -> None:
    assert cut(b"hello\n") == [b"hello\n"]
    assert codes(b"hello\n") == [("hl7v2-batch-stray", "")]


def test_every_byte_is_in_a_span_or_envelope_or_blank() -> None:
    data = b"x\rFHS|\r\nBHS|\r" + A + b"\n\nPID|1\r\r" + B + b"\rBTS|2\ry\rFTS|1\r\n"
    rest = bytearray(data)
    for start, end in split_batch(data):
        rest[start:end] = b" " * (end - start)
    assert bytes(rest).split() == [b"FHS|", b"BHS|", b"BTS|2", b"FTS|1"]
