"""Escape sequences, both ways."""

from __future__ import annotations

import pytest

from chartloom.formats.hl7v2 import delimiters, escape, unescape

USUAL = delimiters()
FIVE = delimiters("|", "^~\\&#")
OTHER = delimiters("$", "%*@!")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        ("\\F\\\\S\\\\R\\\\T\\\\E\\", "|^~&\\"),
        ("a\\F\\b\\F\\c", "a|b|c"),
        ("\\H\\bold\\N\\ not", "bold not"),
        # formatting
        ("a\\.br\\b", "a\nb"),
        ("a\\.BR\\b", "a\nb"),
        ("a\\.sp\\b\\.sp2\\c\\.sp+1\\d", "a\nb\n\nc\nd"),
        ("a\\.sk 3\\b\\.sk\\c", "a   b c"),
        ("\\.in+4\\a\\.ti-2\\b\\.fi\\c\\.nf\\d", "abcd"),
        ("a\\.ce\\b", "a\nb"),
        # hexadecimal
        ("a\\X0D0A\\b", "a\r\nb"),
        ("a\\X0D\\\\X0A\\b", "a\r\nb"),
        ("a\\x0d0a\\b", "a\r\nb"),
        ("\\XC3A9\\", "é"),
        ("\\XC3\\\\XA9\\ and \\XC3\\", "é and \\XC3\\"),
        # what is not understood stays
        ("4\\5 re.", "4\\5 re."),
        ("end\\", "end\\"),
        ("\\", "\\"),
        ("\\\\", "\\\\"),
        ("\\\\\\", "\\\\\\"),
        ("a\\b c\\F\\d", "a\\b c|d"),
        ("C:\\dir\\file", "C:\\dir\\file"),
        ("\\Z01\\", "\\Z01\\"),
        ("\\X\\", "\\X\\"),
        ("\\X0\\", "\\X0\\"),
        ("\\Xray\\", "\\Xray\\"),
        ("\\XE9\\", "\\XE9\\"),
        ("\\P\\", "\\P\\"),
        ("\\f\\", "\\f\\"),
        ("\\.xx\\", "\\.xx\\"),
        ("\\.sp999\\", "\\.sp999\\"),
        ("\\F", "\\F"),
        ("F\\", "F\\"),
    ],
)
def test_unescape(raw: str, text: str) -> None:
    assert unescape(raw, USUAL) == text


def test_hexadecimal_is_read_in_the_character_set_of_the_message() -> None:
    assert unescape("\\XE9\\", USUAL, "iso8859-1") == "é"
    assert unescape("\\XB0A1\\", USUAL, "cp949") == "가"


def test_truncation_character() -> None:
    assert unescape("a\\P\\b", FIVE) == "a#b"
    assert escape("a#b", FIVE) == "a\\P\\b"
    assert escape("a#b", USUAL) == "a#b"


def test_other_delimiters() -> None:
    assert unescape("@F@@S@@R@@T@@E@ \\F\\", OTHER) == "$%*!@ \\F\\"
    assert escape("$%*!@ \\|", OTHER) == "@F@@S@@R@@T@@E@ \\|"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        # M2442: JIS X 0208; C2842: back to ASCII
        ("\\M2442\\;3ED\\C2842\\ end", "山田 end"),
        ("\\M242844\\\\C2842\\x", "x"),
        # GB 2312
        ("\\M2441\\VP\\C2842\\", "中"),
        # a designation that does not exist, or cannot be followed, leaves the text alone
        ("\\C7E7E\\abc", "abc"),
        ("\\Cxxyy\\abc", "\\Cxxyy\\abc"),
        ("\\M24\\abc", "\\M24\\abc"),
    ],
)
def test_character_set_switches(raw: str, text: str) -> None:
    assert unescape(raw, USUAL) == text


def test_single_byte_switch() -> None:
    cyrillic = "привет".encode("iso8859-5").decode("iso8859-1")
    assert unescape(f"x \\C2D4C\\{cyrillic}", USUAL, "iso8859-1") == "x привет"


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("plain", "plain"),
        ("a|b^c~d&e\\f", "a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f"),
        ("a\r\nb", "a\\X0D\\\\X0A\\b"),
        ("\x0b\x1c", "\\X0B\\\\X1C\\"),
        ('""', "\\X2222\\"),
        ('"quoted"', '"quoted"'),
        ("", ""),
    ],
)
def test_escape(text: str, raw: str) -> None:
    assert escape(text, USUAL) == raw
    assert unescape(raw, USUAL) == text


def test_without_escape_character_delimiters_become_blanks() -> None:
    assert escape("a|b^c\nd", delimiters("|", "^~")) == "a b c d"


def test_a_small_message_cannot_grow_large() -> None:
    raw = "\\.sp99\\" * 1000
    assert len(unescape(raw, USUAL)) <= 15 * len(raw)
