"""Every byte is drawn once, marks cover exactly what was asked for, and nothing becomes markup."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.drawn import Drawn

from chartloom.serve.bytes_view import Page, Region, Row, render, visible, within
from chartloom.serve.layouts import Layout, hl7v2_layout, json_layout, plain_layout

MESSAGE = (
    b"MSH|^~\\&|APP|FAC|||20260301||ADT^A01|1|P|2.5\r"
    b"PID|1||123^^^H^MR~456^^^X||M\xc3\xbcller^J\\T\\J||19700101|F\r"
    b"OBX|1|NM|GLU||5.40|mmol/L\rOBX|2|ST|X||<b>;</b>\r"
)


def check(page: Page, marks: list[tuple[int, int]]) -> Drawn:
    drawn = Drawn(str(page.html))
    at = page.start
    for start, end, _ in drawn.runs:
        assert start == at
        assert end > start
        at = end
    assert at == page.end
    marked = {i for a, b, on in drawn.runs if on for i in range(a, b)}
    asked = {i for a, b in marks for i in range(max(a, 0), min(b, page.total))}
    assert marked == {i for i in asked if page.start <= i < page.end}
    assert drawn.tags <= {"div", "span", "mark", "i"}
    assert drawn.attributes <= {"class", "id", "data-a", "data-b", "title"}
    return drawn


def draw(body: bytes, layout: Layout, marks: list[tuple[int, int]], limit: int = 10_000) -> Page:
    return render(body, layout.rows, layout.regions, marks, layout.charset, limit)


def test_leaves_are_addressable_by_offset_and_location() -> None:
    layout = hl7v2_layout(MESSAGE, "utf-8")
    locations = {r.location: MESSAGE[r.start : r.end] for r in layout.regions}
    assert locations["PID-5[1].1"] == "Müller".encode()
    assert locations["PID-3[2].1"] == b"456"
    assert locations["OBX[2]-5"] == b"<b>;</b>"
    assert locations["MSH-2"] == b"^~\\&"
    assert locations["OBX[2]"] == b"OBX"


def test_one_row_per_segment_with_its_terminator() -> None:
    rows = hl7v2_layout(MESSAGE, "utf-8").rows
    assert [r.label for r in rows] == ["MSH", "PID", "OBX", "OBX"]
    assert b"".join(MESSAGE[r.start : r.end] for r in rows) == MESSAGE
    assert all(MESSAGE[r.end - 1 : r.end] == b"\r" for r in rows)


def test_a_mark_covers_exactly_its_bytes() -> None:
    start = MESSAGE.index(b"5.40")
    marks = [(start, start + 4)]
    drawn = check(draw(MESSAGE, hl7v2_layout(MESSAGE, "utf-8"), marks), marks)
    assert [drawn.text[a, b] for a, b, on in drawn.runs if on] == ["5.40"]


def test_marks_may_cut_through_leaves_and_overlap() -> None:
    layout = hl7v2_layout(MESSAGE, "utf-8")
    marks = [(3, 20), (10, 60), (61, 63)]
    check(draw(MESSAGE, layout, marks), marks)


def test_markup_in_a_message_stays_text() -> None:
    page = draw(MESSAGE, hl7v2_layout(MESSAGE, "utf-8"), [])
    assert "&lt;b&gt;;&lt;/b&gt;" in page.html


def test_what_does_not_show_is_drawn() -> None:
    shown = str(visible(b"a\rb\x00\x0b" + "\u202e\u200b\u00a0".encode() + b"\xff"))
    for symbol in (">CR<", ">NUL<", ">VT<", "U+202E", "U+200B", "NBSP", "\\xFF"):
        assert symbol in shown
    assert "\u202e" not in shown


def test_the_character_set_is_used() -> None:
    assert str(visible("Müller".encode("iso-8859-1"), "iso-8859-1")) == "Müller"
    assert str(visible("Müller".encode("iso-8859-1"), "no-such-codec")).startswith("M<i")


def test_json_has_a_row_per_member_whatever_its_whitespace() -> None:
    body = b'{"a":[{"b":"x, y {"},{}],"c":1.50,"d":[],"e":"q\\"z"}'
    layout = json_layout(body)
    rows = [body[r.start : r.end] for r in layout.rows]
    assert rows == [
        b"{",
        b'"a":[',
        b"{",
        b'"b":"x, y {"',
        b"},",
        b"{}",
        b"],",
        b'"c":1.50,',
        b'"d":[],',
        b'"e":"q\\"z"',
        b"}",
    ]
    assert [r.depth for r in layout.rows] == [0, 1, 2, 3, 2, 2, 1, 1, 1, 1, 0]


def test_a_large_message_is_cut_around_the_mark() -> None:
    body = b"\r".join(b"OBX|%d|ST|X||%s" % (i, b"v" * 80) for i in range(1000))
    at = body.index(b"OBX|900|")
    page = draw(body, plain_layout(body), [(at, at + 3)], 5_000)
    assert page.cut
    assert page.start <= at
    assert page.end - page.start <= 5_000
    check(page, [(at, at + 3)])


def test_one_giant_row_is_cut_too() -> None:
    body = b"x" * 100_000
    page = draw(body, plain_layout(body), [(90_000, 90_010)], 4_000)
    assert page.end - page.start <= 4_000
    check(page, [(90_000, 90_010)])


spans = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=6)
bodies = st.one_of(
    st.binary(max_size=300),
    st.text(alphabet='{}[],:" \\\n\tabc1é', max_size=200).map(lambda t: t.encode()),
    st.text(alphabet="|^~\\&\r\nABC1é<", max_size=200).map(
        lambda t: b"MSH|^~\\&|" + t.encode() + b"\rPID|" + t.encode()
    ),
)


@settings(max_examples=150, deadline=None)
@given(body=bodies, marks=spans)
@example(body=b"", marks=[(0, 5)])
@example(body=b"\xef\xbb\xbfMSH|^~\\&|\r\n\r\nZZZ", marks=[(0, 3), (11, 14)])
def test_every_byte_is_drawn_once_whatever_the_message(
    body: bytes, marks: list[tuple[int, int]]
) -> None:
    marks = [(a, b) for a, b in marks if a < b]
    for layout in (
        hl7v2_layout(body, "utf-8"),
        hl7v2_layout(body, "iso-8859-1"),
        json_layout(body),
        plain_layout(body),
    ):
        assert b"".join(body[r.start : r.end] for r in layout.rows) == body
        check(draw(body, layout, marks), marks)
        check(draw(body, layout, marks, 40), marks)


def test_regions_outside_the_rows_are_ignored() -> None:
    page = render(b"abc", [Row(0, 3)], [Region(5, 9)], [])
    assert Drawn(str(page.html)).runs == [(0, 3, False)]


def test_rows_within_spans_show_nothing_else() -> None:
    rows = [Row(0, 10), Row(10, 20, "x"), Row(20, 30)]
    shown = within(rows, [(2, 4), (8, 12), (25, 30)])
    assert [(r.start, r.end) for r in shown] == [(2, 4), (8, 10), (10, 12), (25, 30)]
    page = render(b"0123456789abcdefghijklmnopqrst", shown, marks=[(3, 26)])
    runs = Drawn(str(page.html)).runs
    drawn = {n for start, end, _ in runs for n in range(start, end)}
    assert drawn == {2, 3, *range(8, 12), *range(25, 30)}
    assert {n for start, end, on in runs if on for n in range(start, end)} == {3, 8, 9, 10, 11, 25}
