"""MSH-18: character sets, their spellings, and bytes that do not fit."""

from __future__ import annotations

import codecs

import pytest

from chartloom.formats.hl7v2 import Tree, codec_for, parse, peek, serialise
from chartloom.formats.hl7v2.charset import _CODECS, SINGLE_BYTE


def message(charset: str, name: str, codec: str) -> bytes:
    msh = f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|7|P|2.5||||||{charset}"
    return f"{msh}\rPID|1||5^^^H&{name}&x||{name}^{name}~x^{name}\rNTE|1||{name}\r".encode(codec)


def check(data: bytes, charset: str = "utf-8") -> Tree:
    """Spans, peek and re-serialisation hold whatever the character set."""
    tree = parse(data, charset=charset)
    assert serialise(tree) == data
    for segment in tree.segments:
        assert data[segment.start : segment.end].decode(tree.charset, tree.source.errors)
        for leaf in segment.leaves():
            raw = data[leaf.start : leaf.end].decode(tree.charset, tree.source.errors)
            assert raw == leaf.raw
            place = (leaf.field, leaf.rep, leaf.comp, leaf.sub)
            assert segment.span(*place) == (leaf.start, leaf.end)
            assert segment.value(*place) == leaf.text
    seen = peek(data, charset)
    assert (seen.control_id, seen.patient_identifier) == (tree.control_id, "5")
    return tree


@pytest.mark.parametrize(
    ("charset", "codec", "name"),
    [
        ("", "utf-8", "Zoë Müller"),
        ("UNICODE UTF-8", "utf-8", "Ωμέγα 山田 𝄞"),
        ("UTF-8", "utf-8", "Zoë"),
        ("UTF-8~UNICODE", "utf-8", "Zoë"),
        ("unicode utf8", "utf-8", "Zoë"),
        ("8859/1", "iso8859-1", "Zoë Müller"),
        ("ISO 8859-1", "iso8859-1", "Zoë"),
        ("8859/2", "iso8859-2", "Łódź"),
        ("8859/3", "iso8859-3", "ĦĝĤ"),
        ("8859/4", "iso8859-4", "Ādams"),
        ("8859/5", "iso8859-5", "Иванов"),
        ("8859/6", "iso8859-6", "محمد"),
        ("8859/7", "iso8859-7", "Νίκος"),
        ("8859/8", "iso8859-8", "דוד"),
        ("8859/9", "iso8859-9", "İşıl"),
        ("8859/15", "iso8859-15", "Œuvre €"),
        ("WINDOWS-1252", "cp1252", "“Zoë” €"),
        ("GB 18030-2000", "gb18030", "张伟|^".replace("|^", "") + "镕㐀"),
        ("GB18030", "gb18030", "李娜"),
        ("KS X 1001", "cp949", "김철수"),
        ("BIG-5", "cp950", "王小明"),
        # The second byte of these is a backslash or a bar: bytes must not be split before decoding.
        ("BIG5", "cp950", "許功蓋 育 悴"),
        ("~ISO IR87", "iso2022_jp_ext", "山田太郎"),
        ("ISO IR6~ISO IR87~ISO IR159", "iso2022_jp_ext", "山田丂"),
        ("Shift_JIS", "cp932", "表ソ能ｱｲｳ"),
    ],
)
def test_character_sets(charset: str, codec: str, name: str) -> None:
    tree = check(message(charset, name, codec))
    assert tree.issues == []
    assert codecs.lookup(tree.charset) == codecs.lookup(codec)
    assert tree.segments[1].value(5, 1, 2) == name
    assert tree.segments[1].value(5, 2, 2) == name
    assert tree.segments[1].value(3, 1, 4, 2) == name
    assert tree.segments[2].value(3) == name


def test_big5_really_holds_delimiter_bytes() -> None:
    """Keeps the case above honest."""
    assert "功".encode("cp950")[1:] == b"\\"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("bom", [True, False])
def test_wide_character_sets(codec: str, bom: bool) -> None:
    data = message("UNICODE UTF-16", "Zoë 山 𝄞", codec)
    data = ("\ufeff".encode(codec) if bom else b"") + data
    tree = check(data)
    assert tree.segments[1].value(5, 1, 2) == "Zoë 山 𝄞"
    assert tree.issues == []


def test_half_a_character_at_the_end_of_utf16() -> None:
    data = message("UNICODE UTF-16", "Zoë", "utf-16-le")
    assert check(data + b"\x41").segments[2].value(3) == "Zoë"


def test_the_feed_says_what_the_message_does_not() -> None:
    tree = check(message("", "Müller", "iso8859-1"), charset="8859/1")
    assert tree.segments[1].value(5) == "Müller"
    assert tree.issues == []


def test_undecodable_bytes_are_shown_told_and_kept() -> None:
    data = message("UNICODE UTF-8", "Müller", "iso8859-1")
    tree = check(data)
    assert tree.segments[1].value(5) == "M\ufffdller"
    assert [(i.code, i.location) for i in tree.issues] == [
        ("hl7v2-undecodable", "PID-3"),
        ("hl7v2-undecodable", "PID-5"),
        ("hl7v2-undecodable", "NTE-3"),
    ]
    span = tree.issues[2].span
    assert span is not None
    assert data[slice(*span)] == "Müller".encode("iso8859-1")


@pytest.mark.parametrize("charset", ["ASCII", "ISO IR6"])
def test_ascii_that_is_not(charset: str) -> None:
    """Declaring ASCII and sending UTF-8 is the commonest contradiction."""
    tree = check(message(charset, "Müller", "utf-8"))
    assert tree.segments[1].value(5) == "Müller"
    assert [(i.code, i.location) for i in tree.issues] == [("hl7v2-charset-contradicted", "MSH-18")]


def test_ascii_is_no_contradiction_to_anything() -> None:
    for charset in ("ASCII", "8859/1", "BIG-5", "CNS 11643-1992", "UNICODE UTF-16", "nonsense"):
        assert check(message(charset, "Miller", "ascii")).issues == []


@pytest.mark.parametrize("charset", ["CNS 11643", "nonsense"])
def test_unsupported_character_set(charset: str) -> None:
    tree = check(message(charset, "Müller", "iso8859-1"))
    assert tree.segments[1].value(5) == "M\ufffdller"
    assert tree.issues[0].code == "hl7v2-charset-unknown"


def test_alternate_set_holds_where_the_first_is_ascii() -> None:
    tree = check(message("ASCII~8859/1", "Müller", "iso8859-1"))
    assert tree.segments[1].value(5) == "Müller"
    assert tree.issues == []


def test_one_character_with_two_codes_is_written_back_as_sent() -> None:
    """CP950 has several codes for some box-drawing characters; ISO 2022 several designations."""
    data = message("BIG-5", "王@", "cp950").replace(b"@", b"\xf9\xf9\xa2\xa4")
    assert check(data).segments[2].value(3) == "王══"
    old = message("~ISO IR87", "山田", "iso2022_jp_ext").replace(b"\x1b$B", b"\x1b$@")
    assert check(old).segments[2].value(3) == "山田"


def test_broken_multi_byte_text_does_not_swallow_delimiters() -> None:
    for charset in ("GB 18030-2000", "KS X 1001", "BIG-5", "~ISO IR87", "UNICODE UTF-8"):
        data = message(charset, "x@", "ascii").replace(b"@", b"\xff")
        if charset == "~ISO IR87":
            data += b"NTE|2||\x1b(B"  # without ESC it is read in the feed's character set
        tree = check(data)
        assert tree.segments[1].value(5, 2) == "x"
        assert "hl7v2-undecodable" in [i.code for i in tree.issues]


@pytest.mark.parametrize("codec", sorted(SINGLE_BYTE))
def test_single_byte_sets_lose_nothing(codec: str) -> None:
    everything = bytes(range(256))
    text = everything.decode(codec, "surrogateescape")
    assert len(text) == 256
    assert text.encode(codec, "surrogateescape") == everything


def test_every_known_name_has_a_codec() -> None:
    for name, codec in _CODECS.items():
        assert codecs.lookup(codec)
        assert codec_for(name) == codec
    assert codec_for("CNS 11643") is None
