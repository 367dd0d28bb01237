"""What happens to the bodies of one connection: landed, then answered in the order they came.

Every message gets a slot; slots are written in order, whatever the order in which their verdicts
become known, and answers that are ready together leave in one write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from chartloom.domain.errors import LandingRefused
from chartloom.domain.message import Arrival, Receipt
from chartloom.formats.hl7v2 import Peek, parse, peek
from chartloom.sources import events
from chartloom.sources.batches import Batch, answer_batch, may_be_batch, too_many, unpack
from chartloom.sources.common import Landed
from chartloom.sources.mllp import answers
from chartloom.sources.mllp.answers import Verdict
from chartloom.sources.mllp.framing import HEAD_BYTES_MAX

if TYPE_CHECKING:
    from chartloom.sources.mllp.source import MllpSource

_BLANK = b"\r\n\t \x00"


class Slot:
    """The place of one frame in the order of answers; a batch in its envelope is one frame."""

    __slots__ = ("_batch", "_open", "_parts", "_reception", "wire")

    def __init__(self, reception: Reception, count: int = 1, batch: Batch | None = None) -> None:
        self._reception = reception
        self._batch = batch
        self._open = count
        self._parts: list[list[bytes]] = [[] for _ in range(count)]
        self.wire: bytes | None = None  #: framed answers once all are known; may be empty
        if not count:
            self._close()

    def answer(self, index: int, acknowledgements: list[bytes]) -> None:
        """Notes the acknowledgements for the message at ``index``."""
        self._parts[index] = acknowledgements
        self._open -= 1
        if not self._open:
            self._close()

    def _close(self) -> None:
        flat = [a for part in self._parts for a in part]
        self.wire = self._reception.framed(flat, self._batch)


class Reception:
    """Takes bodies, lands them, and hands the answers to ``write``; then calls ``progressed``."""

    def __init__(
        self, source: MllpSource, write: Callable[[bytes], None], progressed: Callable[[], None]
    ) -> None:
        self._source = source
        self._write, self._progressed = write, progressed
        self._context = source.context
        self._charset = source.context.feed.charset
        self._slots: deque[Slot] = deque()
        self._flush_due = False
        self.open_count = 0  #: messages submitted and not yet durable

    @property
    def idle(self) -> bool:
        """True if every message was answered."""
        return not self._slots

    def take(self, body: bytes, now_s: float) -> None:
        """One frame's body: a message, several, or a batch in its envelope."""
        if may_be_batch(body):
            if too_many(body):
                self.refuse(body[:HEAD_BYTES_MAX], events.BATCH)
                return
            batch = unpack(body)
            if batch is not None:
                self._take_batch(batch, now_s)
                return
        self._take_message(body, now_s)

    def refuse(self, body: bytes, event: str) -> None:
        """Answers that nothing was kept; ``body`` may be a message's head only."""
        self._context.note(event)
        slot = self._slot()
        slot.answer(0, self._acknowledgements(peek(body, charset=self._charset), event))
        self._flush_soon()

    def framed(self, acknowledgements: list[bytes], batch: Batch | None) -> bytes:
        """The acknowledgements as frames, or as one response batch in one frame."""
        if batch is None:
            return b"".join(b"\x0b" + a + b"\x1c\x0d" for a in acknowledgements)
        if not acknowledgements and batch.bodies:
            return b""  # every message of the batch asked for silence
        control_id = self._context.next_control_id()
        time = answers.hl7_time(self._context.clock.now_us())
        return (
            b"\x0b" + answer_batch(batch.headers, acknowledgements, control_id, time) + b"\x1c\x0d"
        )

    def _take_message(self, body: bytes, now_s: float) -> None:
        if self._source.bucket.take(1, now_s):
            self._land(body, self._slot(), 0)
        else:
            self.refuse(body, events.RATE)

    def _take_batch(self, batch: Batch, now_s: float) -> None:
        for event in batch.events:
            self._context.note(event)
        if not batch.headers:  # several messages in one frame: each gets its own answer
            for body in batch.bodies:
                self._take_message(body, now_s)
            return
        allowed = self._source.bucket.take(len(batch.bodies), now_s)
        slot = self._slot(len(batch.bodies), batch)
        for index, body in enumerate(batch.bodies):
            if allowed:
                self._land(body, slot, index)
            else:
                self._context.note(events.RATE)
                seen = peek(body, charset=self._charset)
                slot.answer(index, self._acknowledgements(seen, events.RATE))
        self._flush_soon()

    def _slot(self, count: int = 1, batch: Batch | None = None) -> Slot:
        slot = Slot(self, count, batch)
        self._slots.append(slot)
        return slot

    def _land(self, body: bytes, slot: Slot, index: int) -> None:
        seen = peek(body, charset=self._charset)
        arrival = self._source.intake.arrival(body, seen, self._context.clock.now_us())
        verdict = self._verdict_if_durable(seen, body)
        self.open_count += 1
        self._context.stats.in_flight += 1

        def done(outcome: Landed) -> None:
            self.open_count -= 1
            self._context.stats.in_flight -= 1
            if isinstance(outcome, Receipt):
                slot.answer(index, self._durable(seen, arrival, outcome, verdict))
            else:
                event = events.REFUSED if isinstance(outcome, LandingRefused) else events.STORE
                self._context.note(event)
                slot.answer(index, self._acknowledgements(seen, event))
            self._flush_soon()

        self._context.lander.submit(arrival, done)

    def _verdict_if_durable(self, seen: Peek, body: bytes) -> Verdict:
        if seen.fatal:
            self._context.note(events.NO_HEADER)
            return answers.NO_HEADER
        if self._source.parse_first and answers.unreadable(parse(body, charset=self._charset)):
            self._context.note(events.UNREADABLE)
            return answers.UNREADABLE
        return answers.ACCEPTED

    def _durable(
        self, seen: Peek, arrival: Arrival, receipt: Receipt, verdict: Verdict
    ) -> list[bytes]:
        now_us = self._context.clock.now_us()
        self._context.stats.durable(
            receipt.outcome, len(arrival.body), arrival.received_at_us, now_us
        )
        return self._build(seen, verdict, now_us)

    def _acknowledgements(self, seen: Peek, event: str) -> list[bytes]:
        return self._build(seen, answers.refused(event), self._context.clock.now_us())

    def _build(self, seen: Peek, verdict: Verdict, now_us: int) -> list[bytes]:
        built = self._source.acknowledger.messages(seen, verdict, now_us)
        counts = self._context.stats.answers
        for code, _ in built:
            counts[code] += 1
        return [message for _, message in built]

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._source.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        slots = self._slots
        ready: list[bytes] = []
        while slots and (wire := slots[0].wire) is not None:
            ready.append(wire)
            slots.popleft()
        if ready:
            self._write(ready[0] if len(ready) == 1 else b"".join(ready))
            self._progressed()


def is_blank(body: bytes) -> bool:
    """True for a frame without content, which some senders use as a heartbeat."""
    return len(body) < 8 and not body.strip(_BLANK)
