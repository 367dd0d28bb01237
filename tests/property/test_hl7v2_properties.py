"""Properties of the HL7 v2 reader for generated trees and for any bytes."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.hl7v2_invariants import check_any_bytes
from tests.support.mutate import SEEDS, mutants

from chartloom.formats.hl7v2 import Delimiters, delimiters, escape, parse, serialise, unescape

PUNCTUATION = "!#$%&*+,-./:;<=>?@[\\]^_`{|}~"
#: Without SUB, which is no content at the end of a message: files of old systems end with it.
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x1a"), max_size=12)
#: Any field separator and 4 or 5 encoding characters, all different.
any_delimiters = st.lists(st.sampled_from(PUNCTUATION), min_size=5, max_size=6, unique=True).map(
    lambda c: delimiters(c[0], "".join(c[1:]))
)
names = st.from_regex(r"[A-Z][A-Z0-9]{2}", fullmatch=True).filter(
    lambda n: n not in ("MSH", "FHS", "BHS")
)
#: subcomponents in components in repetitions in fields
fields = st.lists(
    st.lists(st.lists(st.lists(text, max_size=3), max_size=3), max_size=3), min_size=1, max_size=5
)


@given(text, any_delimiters)
@example('""', delimiters())
@example("\\X0D\\", delimiters())
def test_unescape_undoes_escape(value: str, d: Delimiters) -> None:
    raw = escape(value, d)
    assert unescape(raw, d) == value
    special = {d.field, d.component, d.repetition, d.subcomponent, "\r", "\n", "\x0b", "\x1c"}
    assert special.isdisjoint(raw)


def build(d: Delimiters, segments: list[tuple[str, list[list[list[list[str]]]]]], end: str) -> str:
    def field(reps: list[list[list[str]]]) -> str:
        return d.repetition.join(
            d.component.join(d.subcomponent.join(escape(s, d) for s in subs) for subs in comps)
            for comps in reps
        )

    msh = f"MSH{d.field}{d.encoding}{d.field}A"
    lines = [d.field.join([name, *map(field, content)]) for name, content in segments]
    return end.join([msh, *lines]) + end


@settings(max_examples=150)
@given(
    any_delimiters,
    st.lists(st.tuples(names, fields), max_size=4),
    st.sampled_from(["\r", "\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-16-le", "gb18030"]),
)
def test_generated_trees_are_read_as_they_were_meant(d, segments, end, codec) -> None:
    data = build(d, segments, end).encode(codec)
    tree = parse(data, charset=codec)
    if codec == "gb18030":
        tree = parse(data, charset="GB18030")
    assert serialise(tree) == data
    assert [s.name for s in tree.segments[1:]] == [name for name, _ in segments]
    for segment, (_, content) in zip(tree.segments[1:], segments, strict=True):
        for f, reps in enumerate(content, 1):
            for r, comps in enumerate(reps, 1):
                for c, subs in enumerate(comps, 1):
                    for s, value in enumerate(subs, 1):
                        assert segment.value(f, r, c, s) == value
                        start, stop = segment.span(f, r, c, s)
                        assert data[start:stop].decode(codec) == escape(value, d)


@given(st.binary(max_size=300), st.sampled_from(["utf-8", "8859/1", "BIG-5", "ASCII", "x"]))
def test_any_bytes(data: bytes, charset: str) -> None:
    check_any_bytes(data, charset)


@settings(max_examples=200)
@given(
    st.sampled_from(
        ["", "ASCII", "8859/7", "UNICODE UTF-8", "~ISO IR87", "BIG-5", "GB 18030-2000"]
    ),
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"\r", b"\n", b"|", b"^", b"~", b"&", b"\\", b"\rPID|", b"\rNTE|"]),
            st.sampled_from([b"\x1b$B", b"\x1b(B", b"\x0b", b"\x1c\r", b"\xef\xbb\xbfMSH|", b'""']),
        ),
        max_size=30,
    ),
)
def test_any_bytes_behind_a_header(charset: str, pieces: list[bytes]) -> None:
    head = f"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|7|P|2.5||||||{charset}".encode()
    check_any_bytes(head + b"".join(pieces))


@given(st.text("\\XMC.brFSTE0DA2428 ", max_size=60))
def test_unescape_takes_any_text(raw: str) -> None:
    d = delimiters()
    plain = unescape(raw, d)
    if "\\" not in raw:
        assert plain == raw
    assert unescape(escape(plain, d), d) == plain


@pytest.mark.parametrize("data", SEEDS)
def test_undamaged_seeds(data: bytes) -> None:
    check_any_bytes(data)


@pytest.mark.parametrize("seed", range(8))
def test_mutants(seed: int) -> None:
    for names_of, data in mutants(seed, 150):
        try:
            check_any_bytes(data, leaves_max=500)
        except Exception as error:
            error.add_note(f"seed {seed}, mutations {names_of}")
            raise


@pytest.mark.slow
def test_many_mutants() -> None:
    for _, data in mutants(4711, 20_000):
        check_any_bytes(data, leaves_max=500)
