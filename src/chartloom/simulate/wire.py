"""The way from a sending system to us: delays, resends, reused control ids, garbled bytes."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from random import Random

import msgspec
from msgspec.structs import replace

from chartloom.domain.message import Format
from chartloom.simulate.rates import Rates
from chartloom.simulate.times import HOUR, MINUTE, SECOND, between
from chartloom.simulate.truth import MessageTruth


class SimMessage(msgspec.Struct, frozen=True):
    """One message as it is sent.

    at_us: when it is sent. event_us: when its system recorded what it says. kind: message type.
    control_id: MSH-10, or the request id of an HTTP feed. truth_ref: leads to its
    :class:`~chartloom.simulate.truth.MessageTruth`.
    """

    feed: str
    at_us: int
    event_us: int
    format: Format
    body: bytes
    kind: str
    control_id: str
    truth_ref: str


#: A message on its way and what it is.
Sent = tuple[SimMessage, MessageTruth]

_USUAL_DELAY_US = SECOND


class Wire:
    """One feed's line. Control ids are drawn here, in the order of recording."""

    def __init__(self, feed: str, seed: int, rates: Rates) -> None:
        self.feed = feed
        self._rng = Random(f"{seed}/wire/{feed}")
        self._rates = rates
        self._numbers = 0
        self._refs = 0
        self._conflict = False

    def control_id(self) -> str:
        """The next control id; now and then the last one again."""
        if self._numbers and self._rng.random() < self._rates.conflict:
            self._conflict = True
        else:
            self._conflict = False
            self._numbers += 1
        return f"{self.feed[:3].upper()}{self._numbers:09d}"

    def send(
        self, body: bytes, kind: str, control_id: str, person: int, event_us: int
    ) -> Iterator[Sent]:
        """What leaves for one written message, in no particular order."""
        rng, rates, flags = self._rng, self._rates, []
        if self._conflict:
            flags.append("conflict")
        at_us = event_us + _USUAL_DELAY_US
        draw = rng.random()
        if draw < rates.late:
            flags.append("late")
            at_us += between(rng, 5 * MINUTE, 8 * HOUR)
        elif draw < rates.late + rates.out_of_order:
            flags.append("out-of-order")
            at_us += between(rng, SECOND, MINUTE)
        cut_short = self.feed != "fhir" and rng.random() < rates.cut_short
        if cut_short and "conflict" not in flags:
            flags.append("conflict")
        if rng.random() < rates.stripped:
            shorter = strip(body)
            if shorter != body:
                flags.append("stripped")
                body = shorter
        is_fhir = self.feed == "fhir"
        message = SimMessage(
            self.feed, at_us, event_us, Format.FHIR if is_fhir else Format.HL7V2,
            body, kind, control_id, self._ref(),
        )  # fmt: skip
        what = MessageTruth(
            message.truth_ref, self.feed, kind, control_id, person, at_us, event_us,
            "original", "", tuple(flags),
        )  # fmt: skip
        yield message, what
        if cut_short:
            short = _cut_short(body, rng)
            yield self._variant((message, what), at_us - 400_000, short, "cut-short", control_id)
        yield from self._accidents(message, what)

    def _ref(self) -> str:
        self._refs += 1
        return f"{self.feed}-{self._refs:09d}"

    def _variant(self, original: Sent, at_us: int, body: bytes, role: str, control: str) -> Sent:
        message, what = original
        ref = self._ref()
        return (
            replace(message, at_us=at_us, body=body, truth_ref=ref, control_id=control),
            replace(
                what, ref=ref, at_us=at_us, role=role, of=what.ref, flags=(), control_id=control
            ),
        )

    def _accidents(self, message: SimMessage, what: MessageTruth) -> Iterator[Sent]:
        rng, rates, original = self._rng, self._rates, (message, what)
        at_us = message.at_us
        if rng.random() < rates.duplicate:
            again_us = at_us + between(rng, 2 * SECOND, 20 * MINUTE)
            yield self._variant(original, again_us, message.body, "duplicate", message.control_id)
        if rng.random() < rates.cut_header:
            cut = message.body[: rng.randrange(1, 20)]
            yield self._variant(original, at_us - 600_000, cut, "cut-header", "")
        if rng.random() < rates.garbage:
            yield self._variant(original, at_us + 300_000, _garbage(rng), "garbage", "")


class Line:
    """All wires together: messages in the order in which they are sent, with bounded memory."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, str, SimMessage, MessageTruth]] = []

    def put(self, sent: Sent) -> None:
        """A message leaves later."""
        message, what = sent
        heapq.heappush(self._waiting, (message.at_us, message.truth_ref, message, what))

    def ready(self, until_us: int) -> Iterator[Sent]:
        """Messages that are sent before ``until_us``."""
        while self._waiting and self._waiting[0][0] < until_us:
            _, _, message, what = heapq.heappop(self._waiting)
            yield message, what

    def rest(self) -> Iterator[Sent]:
        """Everything that still waits."""
        while self._waiting:
            _, _, message, what = heapq.heappop(self._waiting)
            yield message, what


def strip(body: bytes) -> bytes:
    """Without the separators that end a segment for no reason (not MSH)."""
    if not body.startswith(b"MSH"):
        return body
    separator = body[3:4]
    head, *rest = body.split(b"\r")
    return b"\r".join([head, *(s.rstrip(separator) for s in rest)])


def _cut_short(body: bytes, rng: Random) -> bytes:
    segments = body.split(b"\r")[:-1]
    keep = rng.randrange(1, max(2, len(segments)))
    return b"\r".join(segments[:keep]) + b"\r"


def _garbage(rng: Random) -> bytes:
    """Bytes that are no message of any kind and hold no MLLP framing characters."""
    return b"\x01\x02" + bytes(rng.randrange(0x20, 0xFF) for _ in range(rng.randrange(5, 200)))
