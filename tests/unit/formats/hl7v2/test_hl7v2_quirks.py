"""Messages as they really come, each with the reason why it is probed. (Made up; no real data.)"""

from __future__ import annotations

import pytest

from chartloom.formats.hl7v2 import Tree, parse, serialise

MSH = b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|7|P|2.5"


def read(data: bytes) -> Tree:
    """The tree, whose re-serialisation is checked on the way."""
    tree = parse(data)
    assert serialise(tree) == data
    for segment in tree.segments:
        for leaf in segment.leaves():
            raw = data[leaf.start : leaf.end].decode(tree.charset, tree.source.errors)
            assert raw == leaf.raw
    return tree


def codes_of(tree: Tree) -> list[str]:
    return [issue.code for issue in tree.issues]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r", b"\r\n\r\n", b"\n\r\n"])
def test_segment_terminators(end: bytes) -> None:
    """The standard says CR; files and engines write LF or CRLF, with or without blank lines."""
    tree = read(MSH + end + b"PID|1||5" + end + b"PV1|1" + end)
    assert [s.name for s in tree.segments] == ["MSH", "PID", "PV1"]
    assert tree.segments[1].value(3) == "5"
    assert tree.issues == []


def test_mixed_terminators() -> None:
    """Interface engines that append segments do it with their own line ends."""
    tree = read(MSH + b"\rPID|1\nPV1|1\r\n\r\n  \r\nNTE|1\n\rNTE|2")
    assert [s.name for s in tree.segments] == ["MSH", "PID", "PV1", "NTE", "NTE"]
    assert tree.issues == []


def test_no_terminator_at_the_end() -> None:
    """Many senders leave out the last CR."""
    assert read(MSH + b"\rPID|1||5").segments[1].value(3) == "5"


def test_byte_order_mark() -> None:
    """Files written by Windows tools start with one; it belongs to the message's offsets."""
    tree = read(b"\xef\xbb\xbf" + MSH + b"\rPID|1||5")
    assert tree.segments[0].start == 3
    assert tree.issues == []


@pytest.mark.parametrize("tail", [b"\x1c\r", b"\x1c", b"\r\x1c\r", b"\r\x1c\r\n", b"\x1a"])
def test_framing_left_on(tail: bytes) -> None:
    """Captured files hold MLLP framing; DOS tools end files with Ctrl-Z."""
    tree = read(b"\x0b" + MSH + b"\rPID|1||5" + tail)
    assert (tree.segments[0].start, tree.segments[1].value(3)) == (1, "5")


def test_leading_blank_lines() -> None:
    """Some senders put line ends in front of MSH."""
    assert read(b"\r\n  \r\n" + MSH).issues == []


def test_junk_before_the_header() -> None:
    """Captures start with the end of something else; it is kept, and told."""
    tree = read(b"rest of a file|x\r" + MSH + b"\rPID|1")
    assert codes_of(tree) == ["hl7v2-bytes-before-msh"]
    assert tree.issues[0].span == (0, 17)
    assert len(tree.segments) == 2


def test_header_name_within_a_text_is_no_header() -> None:
    """MSH must stand at the start of a line."""
    assert read(b"see MSH|^~\\&|A").fatal


def test_five_encoding_characters() -> None:
    """Version 2.7 added the truncation character; hl7apy rejects it."""
    tree = read(MSH.replace(b"~\\&", b"~\\&#") + b"\rNTE|1||a\\P\\b#")
    assert tree.delimiters.truncation == "#"
    assert tree.segments[1].value(3) == "a#b#"
    assert tree.issues == []


@pytest.mark.parametrize(
    ("encoding", "field", "expected"),
    [
        (b"^", b"a~b\\F\\&c", ["a~b\\F\\&c"]),
        (b"^~", b"a~b\\F\\&c", ["a", "b\\F\\&c"]),
        (b"^~\\", b"a~b\\F\\&c", ["a", "b|&c"]),
        (b"^~\\&", b"a~b\\F\\&c", ["a", "b|", "c"]),
    ],
)
def test_fewer_encoding_characters(encoding: bytes, field: bytes, expected: list[str]) -> None:
    """Delimiters that are not used may be left out; their usual characters are then plain text."""
    tree = read(MSH.replace(b"^~\\&", encoding) + b"\rNTE|1||" + field)
    assert [x.text for x in tree.segments[1].leaves()][1:] == expected
    assert tree.issues == []


def test_other_delimiters() -> None:
    """Any punctuation may separate; labs with Windows paths in texts change the escape."""
    tree = read(
        b"MSH$%*@!$A%1!2$B$C$D$20260101$$ADT%A01$7$P$2.5\rPID$1$$5%%%X!Y*6\rNTE$1$$C:\\d@F@e"
    )
    assert tree.segments[0].value(3, 1, 2, 2) == "2"
    assert tree.segments[1].value(3, 2) == "6"
    assert tree.segments[2].value(3) == "C:\\d$e"
    assert tree.issues == []


def test_control_character_as_separator() -> None:
    """Seen with ASCII unit separators."""
    tree = read(MSH.replace(b"|", b"\x1d") + b"\rPID\x1d1\x1d\x1d5")
    assert tree.segments[1].value(3) == "5"


def test_separator_outside_ascii() -> None:
    """The separator is a character, not a byte."""
    tree = read(MSH.replace(b"|", "¦".encode()) + "\rPID¦1¦¦5".encode())
    assert tree.segments[1].value(3) == "5"


@pytest.mark.parametrize(
    ("msh2", "code"),
    [
        (b"", "hl7v2-encoding-characters"),
        (b"^~\\&#!", "hl7v2-encoding-characters"),
        (b"^^\\&", "hl7v2-delimiters-ambiguous"),
        (b"^~\\|"[:3] + b"^", "hl7v2-delimiters-ambiguous"),
        (b"^~\\x", "hl7v2-delimiters-ambiguous"),
    ],
)
def test_odd_encoding_characters(msh2: bytes, code: str) -> None:
    """A wrong MSH-2 must be told, and must not cut words apart at letters."""
    tree = read(MSH.replace(b"^~\\&", msh2) + b"\rPID|1||box")
    assert codes_of(tree) == [code]
    assert tree.segments[1].value(3) == "box"
    assert tree.message_type == "ADT^A01"


def test_missing_trailing_separators_and_too_many() -> None:
    """Senders leave out empty fields at the end, or write dozens."""
    tree = read(MSH + b"\rPID|1||5\rPV1|1" + b"|" * 60)
    assert [tree.segments[1].value(n) for n in (3, 30)] == ["5", ""]
    assert len(tree.segments[2].fields) == 62
    assert tree.issues == []


def test_over_long_segment() -> None:
    """Documents travel as base64 in one OBX-5."""
    text = b"QUJD" * 500_000
    tree = read(MSH + b"\rOBX|1|ED|PDF||^^PDF^Base64^" + text)
    assert len(tree.segments[1].value(5, 1, 5)) == len(text)
    assert tree.issues == []


def test_segments_without_fields_and_own_segments() -> None:
    """Empty segments and Z-segments are legal, whatever their name."""
    tree = read(MSH + b"\rPV2\rZ01|x\rZPI\rZZZ|")
    assert [s.name for s in tree.segments] == ["MSH", "PV2", "Z01", "ZPI", "ZZZ"]
    assert tree.segments[1].fields == ["PV2"]
    assert tree.issues == []


@pytest.mark.parametrize(
    ("line", "name"),
    [(b"pid|1||5", "PID"), (b" PID|1||5", "PID"), (b"PID |1||5", "PID"), (b"PIDX|1||5", "PIDX")],
)
def test_bad_segment_names(line: bytes, name: str) -> None:
    """Lower case and stray blanks are understood; all are told with their place."""
    tree = read(MSH + b"\r" + line + b"\rPV1|1")
    assert [s.name for s in tree.segments] == ["MSH", name, "PV1"]
    assert tree.segments[1].value(3) == "5"
    assert codes_of(tree) == ["hl7v2-segment-name"]
    assert tree.issues[0].span == (len(MSH) + 1, len(MSH) + 1 + len(line))


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_line_break_inside_a_field(end: bytes) -> None:
    """Reports arrive with unescaped line breaks; the text must not end at the first line."""
    data = MSH + b"\rOBX|1|TX|R||Impression:" + end + b"no fracture." + end + end
    data += b"Signed by X||||||F|||2026\rNTE|1||ok"
    tree = read(data)
    obx = tree.segments[1]
    text = b"Impression:" + end + b"no fracture." + end + end + b"Signed by X"
    assert obx.value(5) == text.decode()
    assert data[slice(*obx.span(5))] == text
    assert (obx.value(11), obx.value(14)) == ("F", "2026")
    assert [s.name for s in tree.segments] == ["MSH", "OBX", "NTE"]
    assert [(i.code, i.location) for i in tree.issues] == [("hl7v2-embedded-newline", "OBX-5")]


def test_a_capital_word_alone_on_a_line_is_text() -> None:
    """Three capitals are not a segment when nothing follows them."""
    obx = read(MSH + b"\rOBX|1|TX|R||seen:\nEKG\nall fine||||||F").segments[1]
    assert (obx.value(5), obx.value(11)) == ("seen:\nEKG\nall fine", "F")


def test_two_messages_in_one() -> None:
    """A sender that forgot a frame must not mix two patients."""
    tree = read(MSH + b"\rPID|1||5\r" + MSH + b"\rPID|1||6")
    assert codes_of(tree) == ["hl7v2-several-messages"]
    assert tree.segments[2].value(10) == "7"


def test_byte_order_mark_before_a_second_message() -> None:
    """Files with byte order marks, put together one after the other."""
    tree = read(MSH + b"\rPID|1||5\r\xef\xbb\xbf" + MSH + b"\rPID|1||6")
    assert codes_of(tree) == ["hl7v2-segment-name", "hl7v2-several-messages"]


def test_second_message_with_other_delimiters() -> None:
    """It is a second message all the same."""
    tree = read(MSH + b"\rPID|1||5\rMSH#^~\\&#A#B")
    assert codes_of(tree) == ["hl7v2-several-messages"]


def test_control_characters_are_told() -> None:
    """NUL breaks databases, others break XML; the value is kept for whoever cleans it."""
    tree = read(MSH + b"\rPID|1||5\x00\x07")
    assert tree.segments[1].value(3) == "5\x00\x07"
    assert [(i.code, i.location) for i in tree.issues] == [("hl7v2-control-character", "PID-3")]


def test_lone_backslash() -> None:
    """python-hl7 truncates `4\\5 re.` to `4`."""
    assert read(MSH + b"\rNTE|1||4\\5 re.").segments[1].value(3) == "4\\5 re."


def test_vendor_line_breaks() -> None:
    """Epic writes line breaks as hexadecimal CRLF."""
    assert read(MSH + b"\rNTE|1||a\\X0D0A\\b").segments[1].value(3) == "a\r\nb"


def test_html_with_escaped_backslashes() -> None:
    """`\\E\\` stands for one backslash, also next to other sequences."""
    text = b"C:\\E\\temp\\E\\\\E\\x <b>\\T\\nbsp;</b>"
    assert read(MSH + b"\rNTE|1||" + text).segments[1].value(3) == "C:\\temp\\\\x <b>&nbsp;</b>"


def test_many_continued_lines_take_linear_time() -> None:
    """An unescaped report of 200,000 lines would take hours if each line copied the field."""
    data = MSH + b"\rOBX|1|TX|R||" + b"line of text\n" * 200_000
    tree = parse(data)
    assert len(tree.segments) == 2
    assert tree.segments[1].value(5).count("\n") == 199_999


def test_many_continued_lines_with_separators_stay_bounded() -> None:
    """Continued lines cannot grow a segment beyond the limit of fields."""
    data = MSH + b"\rOBX|1|TX|R||" + b"a b c|d\n" * 100_000
    tree = parse(data)
    assert len(tree.segments[1].fields) <= 1001
    assert serialise(tree) == data
