"""Acknowledgements, read back with our own parser."""

from __future__ import annotations

import pytest

from chartloom.domain.issues import CATALOGUE, Issue
from chartloom.formats.hl7v2 import AckError, Tree, acknowledge, parse, peek

NOW_US = 1_767_323_045_678_901  # 2026-01-02 03:04:05.678901 UTC
ERROR = AckError("101", location="PID-3[2].4", text="Nothing | there", application_code="x-1")


def incoming(version: str = "2.5.1", rest: str = "", type: str = "ADT^A01^ADT_A01") -> bytes:
    return (
        f"MSH|^~\\&|LAB^1|HOSP|EHR|CITY^2|20260101||{type}|M\\T\\1|D^T|{version}{rest}\r".encode()
    )


def answer(data: bytes, code: str = "AA", errors: tuple[AckError, ...] = ()) -> Tree:
    tree = parse(acknowledge(peek(data), code, control_id="K|9", now_us=NOW_US, errors=errors))
    assert tree.issues == []
    return tree


def test_header_and_msa() -> None:
    tree = answer(incoming())
    assert tree.data == (
        b"MSH|^~\\&|EHR|CITY^2|LAB^1|HOSP|20260102030405.678+0000||ACK^A01^ACK|K\\F\\9|D^T|2.5.1\r"
        b"MSA|AA|M\\T\\1\r"
    )


@pytest.mark.parametrize("code", ["AA", "AE", "AR", "CA", "CE", "CR"])
def test_codes(code: str) -> None:
    assert answer(incoming(), code).segments[1].value(1) == code


def test_other_codes_are_refused() -> None:
    with pytest.raises(ValueError, match="0008"):
        acknowledge(peek(incoming()), "OK", control_id="1", now_us=NOW_US)


@pytest.mark.parametrize(
    ("version", "time", "type"),
    [
        ("2.1", "20260102030405", "ACK"),
        ("2.2", "20260102030405", "ACK^A01"),
        ("2.3", "20260102030405.678+0000", "ACK^A01"),
        ("2.3.1", "20260102030405.678+0000", "ACK^A01^ACK"),
        ("2.8", "20260102030405.678+0000", "ACK^A01^ACK"),
    ],
)
def test_shape_follows_the_version(version: str, time: str, type: str) -> None:
    msh = answer(incoming(version)).segments[0]
    assert (msh.fields[7], msh.fields[9], msh.fields[12]) == (time, type, version)


def test_without_event() -> None:
    assert answer(incoming(type="XYZ")).segments[0].fields[9] == "ACK"


def test_enhanced_mode_asks_for_no_answer_to_the_answer() -> None:
    msh = answer(incoming(rest="|||AL|NE"), "CA").segments[0]
    assert (msh.value(15), msh.value(16)) == ("NE", "NE")


def test_error_in_todays_shape() -> None:
    err = answer(incoming(), "AE", (ERROR,)).segments[2]
    assert err.fields == [
        "ERR",
        "",
        "PID^1^3^2^4",
        "101^Required field missing^HL70357",
        "E",
        "x-1",
        "",
        "",
        "Nothing \\F\\ there",
    ]


@pytest.mark.parametrize(
    ("location", "erl"),
    [
        ("", ""),
        ("OBX[3]-5", "OBX^3^5^1"),
        ("OBX[3]", "OBX^3"),
        ("PID-5[1].1.2", "PID^1^5^1^1^2"),
        ("somewhere", ""),
    ],
)
def test_error_location(location: str, erl: str) -> None:
    err = answer(incoming(), "AE", (AckError("207", location=location),)).segments[2]
    assert err.fields[2] == erl


def test_error_in_the_old_shape() -> None:
    tree = answer(incoming("2.3.1"), "AE", (ERROR,))
    assert tree.segments[1].value(3) == "Nothing | there"
    assert tree.segments[2].fields == ["ERR", "PID^1^3^101&Required field missing&HL70357"]


def test_several_errors() -> None:
    tree = answer(incoming(), "AE", (ERROR, AckError("102", "W")))
    assert [s.value(4) for s in tree.segments_named("ERR")] == ["E", "W"]


def test_error_from_issue_carries_no_value() -> None:
    issue = Issue("hl7v2-undecodable", "PID-5", detail="secret")
    error = AckError.from_issue(issue)
    assert (error.condition, error.severity, error.location) == ("102", "E", "PID-5")
    assert error.text == CATALOGUE[issue.code].title
    assert b"secret" not in answer(incoming(), "AE", (error,)).data


def test_sender_without_header_is_answered_all_the_same() -> None:
    error = AckError.from_issue(Issue("hl7v2-no-msh"))
    tree = answer(b"garbage", "AR", (error,))
    assert tree.segments[0].fields[2:7] == ["^~\\&", "", "", "", ""]
    assert tree.segments[1].fields == ["MSA", "AR", ""]
    assert tree.segments[2].value(3) == "100"


def test_delimiters_and_character_set_are_the_senders() -> None:
    data = "MSH$%*@!$Labör$$$$1$$ADT%A01$7ü$P$2.5$$$$$$8859/1".encode("iso8859-1")
    tree = answer(data, "AE", (ERROR,))
    assert tree.delimiters.encoding == "%*@!"
    assert tree.charset == "iso8859-1"
    assert (tree.segments[0].value(5), tree.segments[1].value(2)) == ("Labör", "7ü")
    assert tree.segments[2].value(8) == "Nothing | there"


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_undecodable_control_id_is_echoed_byte_for_byte(codec: str) -> None:
    data = "MSH|^~\\&|A|||||| |7@|P|2.5".replace(" ", "ADT^A01").encode(codec)
    data = data.replace("@".encode(codec), b"\xff" if codec == "utf-8" else b"\x00\xd8")
    bad = b"7\xff" if codec == "utf-8" else b"7\x00\x00\xd8"
    assert bad in acknowledge(peek(data), "AA", control_id="1", now_us=NOW_US)


def test_few_delimiters() -> None:
    data = b"MSH|^|A||||1||ADT^A01|7|P|2.5"
    assert answer(data, "AE", (ERROR,)).segments[2].value(8) == "Nothing   there"
    old = b"MSH|^|A||||1||ADT^A01|7|P|2.3"
    assert answer(old, "AE", (ERROR,)).segments[2].fields == ["ERR", "PID^1^3^101"]


def test_line_breaks_in_the_senders_header_do_not_break_the_answer() -> None:
    data = b"MSH|^~\\&|A|H|||1||ADT^A01|7\r8 and more|P|2.5\rPID|1"
    tree = answer(data)
    assert [s.name for s in tree.segments] == ["MSH", "MSA"]
    assert tree.segments[1].value(2) == "7\r8 and more"


def test_a_shift_of_the_character_set_in_the_senders_header_does_not_break_the_answer() -> None:
    """Read in the set that the header declares, it would swallow the segments that follow."""
    data = b"MSH|^~\\&|P|H|||2\n026||RDE^O11|M4\x1b$B\x1a|P|2.5||||||~ISO IR87\r"
    seen = peek(data)
    sent = acknowledge(seen, "AE", control_id="1", now_us=NOW_US, errors=(ERROR,))
    back = parse(sent, charset=seen.codec)
    assert [s.name for s in back.segments] == ["MSH", "MSA", "ERR"]
    assert back.segments[1].value(2) == "M4\x1b$B\x1a"
