"""One MLLP connection: reads frames, and stops reading when it must.

Reading stops while too many messages of this sender are not yet durable, while the landing is
congested, and while the sender does not read its answers. TCP then slows the sender, so that
nothing here grows without bound.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, cast

from chartloom.sources import events
from chartloom.sources.mllp.framing import Frame, Framer
from chartloom.sources.mllp.reception import Reception, is_blank
from chartloom.sources.tls import certificate_shown

if TYPE_CHECKING:
    from chartloom.sources.mllp.source import MllpSource

#: How long a last 0x1C waits for its carriage return.
SETTLE_S: Final = 0.2
#: How long a connection beyond the limit may wait for its refusal.
REFUSAL_S: Final = 5.0
#: Unfinished frames up to this size do not count against the byte budget.
_SMALL_BYTES: Final = 64 * 1024


class MllpConnection(asyncio.Protocol):
    """See the module. Its source holds what all connections of the feed share."""

    def __init__(self, source: MllpSource) -> None:
        self._source = source
        self._stats = source.context.stats
        self._lander = source.context.lander
        self._limits = source.context.feed.limits
        self._framer = Framer(self._limits.message_size_bytes_max)
        self._reception = Reception(source, self._write, self._progressed)
        self._transport: asyncio.Transport | None = None
        self._refuse_all = ""  #: an event code while this connection takes nothing
        self._paused = self._write_paused = self._waits_for_room = False
        self._ended = False  #: the sender will send no more
        self._closing = False  #: nothing more is taken; closes once all is answered
        self._budgeted_bytes = 0
        self._heard_s = 0.0
        self._frame_since_s = 0.0

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender connected."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._heard_s = self._source.loop.time()
        self._refuse_all = self._source.admit(self, certificate_shown(transport))
        link = transport.get_extra_info("socket")
        if link is not None:  # finds out about senders that vanished without a word
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what was submitted is landed all the same."""
        self._transport = None
        self._framer.abandon()
        self._book()
        self._source.forget(self)

    def pause_writing(self) -> None:
        """The sender does not read its answers."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._write_paused = False
        self._pump()

    def eof_received(self) -> bool:
        """The sender will send no more: takes and answers what is here, then closes."""
        self._ended = True
        self._pump()
        transport = self._transport
        return transport is not None and transport.get_extra_info("sslcontext") is None

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard_s = self._source.loop.time()
        if not self._refuse_all and not self._paused and not self._closing and self._has_room():
            body = self._framer.whole(data)
            if body is not None and not is_blank(body):
                self._reception.take(body, self._heard_s)
                return
        self._framer.feed(data)
        if not self._paused:
            self._pump()

    # --- reading, and when not to

    def _has_room(self) -> bool:
        return (
            self._reception.open_count < self._source.in_flight_max
            and not self._write_paused
            and not self._lander.congested
        )

    def _pump(self) -> None:
        """Takes complete frames while there is room, then reads on; otherwise stops reading."""
        if self._transport is None or self._closing:
            return
        finished = False
        while self._has_room():
            frame = self._framer.next()
            if frame is None and self._ended:
                if (frame := self._framer.settle()) is not None:
                    self._take(frame)
                self.finish()
                return
            if frame is None:
                self._watch_frame(finished)
                return
            finished = True
            self._take(frame)
            if self._closing:
                return
        self._hold()

    def _hold(self) -> None:
        self._frame_since_s = 0.0
        if not self._paused and self._transport is not None:
            self._paused = True
            self._stats.paused += 1
            if not self._ended:
                self._transport.pause_reading()
        if self._lander.congested and not self._waits_for_room:
            self._waits_for_room = True
            self._lander.when_clear(self._room_again)

    def _room_again(self) -> None:
        self._waits_for_room = False
        self._pump()

    def _progressed(self) -> None:
        if self._closing:
            self._close_if_answered()
        elif self._paused:
            self._pump()

    def _watch_frame(self, finished: bool) -> None:
        """No complete frame is left: notes since when an unfinished one is here, and reads on."""
        if not self._framer.inside:
            self._frame_since_s = 0.0
        elif finished or not self._frame_since_s:
            self._frame_since_s = self._source.loop.time()
        if self._framer.awaits_end:
            self._source.loop.call_later(SETTLE_S, self._settle, self._heard_s)
        self._book()
        if self._paused and self._transport is not None and not self._closing:
            self._paused = False
            self._transport.resume_reading()

    def _settle(self, heard_s: float) -> None:
        if self._heard_s == heard_s and not self._paused and not self._closing:
            if (frame := self._framer.settle()) is not None:
                self._frame_since_s = 0.0
                self._take(frame)
            self._book()

    def _book(self) -> None:
        """Books the events and the bytes held by the framer."""
        framer = self._framer
        held = framer.buffered_bytes if framer.buffered_bytes > _SMALL_BYTES else 0
        budget = self._source.context.budget
        if held != self._budgeted_bytes:
            if not budget.change(self._budgeted_bytes, held):
                framer.refuse(events.MEMORY)
                budget.change(held, 0)
                held = 0
            self._budgeted_bytes = held
        for event, count in framer.events.items():
            self._source.context.note(event, count)
        framer.events.clear()
        self._stats.garbage_bytes += framer.garbage_bytes
        framer.garbage_bytes = 0

    def _take(self, frame: Frame) -> None:
        if self._refuse_all:
            self._reception.refuse(frame.body, self._refuse_all)
            self.finish()
        elif frame.refused:
            self._reception.refuse(frame.body, frame.refused)
        elif is_blank(frame.body):
            self._source.context.note(events.GARBAGE)
        else:
            self._reception.take(frame.body, self._heard_s)

    # --- writing and ending

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and answer:
            self._transport.write(answer)

    def finish(self) -> None:
        """Takes nothing more; closes when all is answered."""
        self._closing = True
        if not self._paused and not self._ended and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._close_if_answered()

    def _close_if_answered(self) -> None:
        if self._reception.idle and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Closes at once."""
        if self._transport is not None:
            self._transport.abort()

    def sweep(self, now_s: float) -> None:
        """Called regularly: ends what takes too long."""
        if self._transport is None or self._closing:
            return
        limits = self._limits
        if self._frame_since_s and now_s - self._frame_since_s > limits.frame_timeout_s:
            self._frame_since_s = 0.0
            head = self._framer.abandon()
            self._book()
            self._reception.refuse(head, events.FRAME_TIMEOUT)
            self.finish()
        elif self._is_stale(now_s - self._heard_s):
            self.finish()

    def _is_stale(self, silent_s: float) -> bool:
        if self._refuse_all:
            return silent_s > REFUSAL_S
        idle_timeout_s = self._limits.idle_timeout_s
        if not idle_timeout_s or silent_s <= idle_timeout_s:
            return False
        return self._reception.idle and not self._paused
