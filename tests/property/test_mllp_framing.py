"""However a byte stream is cut into chunks, the same frames come out."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.sources.mllp.framing import Frame, Framer

_PIECES = st.one_of(
    st.sampled_from(
        [
            b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"MSH", b"MSH|^~\\&|A", b"FHS|", b"BHS|",
            b"M", b"MS", b"PID|1", b"\x0bMSH|x\x1c\r", b"\x0bMSH|y\x1c", b"\x00", b"x" * 70,
        ]
    ),
    st.binary(max_size=12),
)  # fmt: skip
_STREAMS = st.lists(_PIECES, max_size=14).map(b"".join)
_BODIES = st.binary(min_size=0, max_size=60).filter(
    lambda b: not any(x in b for x in (b"\x0b", b"\x1c"))
)


def _frames(framer: Framer, chunks: list[bytes]) -> list[Frame]:
    out = []
    for chunk in chunks:
        body = framer.whole(chunk)
        if body is not None:
            out.append(Frame(body))
            continue
        framer.feed(chunk)
        while (frame := framer.next()) is not None:
            out.append(frame)
    return out


def _cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({min(c, len(stream)) for c in cuts} | {0, len(stream)})
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=400)
@given(stream=_STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12), limit=st.integers(1, 80))
def test_chunking_does_not_matter(stream: bytes, cuts: list[int], limit: int) -> None:
    whole, pieces, bytewise = Framer(limit), Framer(limit), Framer(limit)
    expected = _frames(whole, [stream])
    assert _frames(pieces, _cut(stream, cuts)) == expected
    assert _frames(bytewise, [stream[i : i + 1] for i in range(len(stream))]) == expected
    assert whole.events == pieces.events == bytewise.events
    assert whole.garbage_bytes == pieces.garbage_bytes == bytewise.garbage_bytes
    assert whole.awaits_end == bytewise.awaits_end
    assert whole.inside == bytewise.inside


@settings(max_examples=200)
@given(stream=_STREAMS, limit=st.integers(1, 80))
def test_no_more_is_held_than_the_limit_and_a_few_bytes(stream: bytes, limit: int) -> None:
    framer = Framer(limit)
    for i in range(len(stream)):
        framer.feed(stream[i : i + 1])
        while (frame := framer.next()) is not None:
            assert len(frame.body) <= limit
        assert framer.buffered_bytes <= limit + 5


@settings(max_examples=200)
@given(bodies=st.lists(_BODIES, max_size=8), cuts=st.lists(st.integers(0, 500), max_size=8))
def test_sound_frames_come_back_as_they_were_sent(bodies: list[bytes], cuts: list[int]) -> None:
    framer = Framer(1000)
    stream = b"".join(b"\x0b" + b + b"\x1c\r" for b in bodies)
    assert [f.body for f in _frames(framer, _cut(stream, cuts))] == bodies
    assert not framer.events
    assert not framer.inside
