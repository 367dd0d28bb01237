"""MLLP release 1 framing: a stream of bytes, in any chunks, to message bodies.

``<VT>body<FS><CR>`` (0x0B, 0x1C 0x0D). What breaks the rules is tolerated where the meaning is
certain, and always counted; how the stream is cut into chunks never changes the result:

- bytes between frames are skipped (:data:`~chartloom.sources.events.GARBAGE`); line ends, blanks
  and NUL between frames are not worth counting;
- a message head (``MSH``, ``FHS``, ``BHS``) where a start byte should be begins a frame;
- 0x1C directly before a start byte ends a frame, and so does 0x1C when nothing follows
  (:meth:`Framer.settle`, after a moment); 0x1C before anything else is part of the body, so that
  no body is cut short;
- a start byte directly before a message head begins a new frame; the one before was a half frame.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from chartloom.sources import events

START: Final = 0x0B
END: Final = 0x1C
CR: Final = 0x0D
TRAILER: Final = b"\x1c\x0d"
_START_BYTE, _END_BYTE = b"\x0b", b"\x1c"
_HEADS: Final = (b"MSH", b"FHS", b"BHS")
_PREFIXES: Final = frozenset(h[:n] for h in _HEADS for n in range(4))
_IDLE_BYTES: Final = b"\r\n \x00"
#: How much of a refused body is kept so that the answer can name its control id.
HEAD_BYTES_MAX: Final = 4096


class Frame(NamedTuple):
    """A complete frame. ``refused`` is an event code when the body was too large to be kept:
    then ``body`` is only its head."""

    body: bytes
    refused: str = ""


class Framer:
    """Incremental; never holds more than ``body_bytes_max`` and one chunk.

    ``events`` counts what was tolerated; the owner takes and clears it. ``garbage_bytes`` counts
    skipped bytes.
    """

    __slots__ = (
        "_body_bytes_max",
        "_buffer",
        "_dropped",
        "_head",
        "_head_bytes_max",
        "_in_garbage",
        "_inside",
        "_refused",
        "_scan",
        "events",
        "garbage_bytes",
    )

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self._head_bytes_max = min(HEAD_BYTES_MAX, body_bytes_max)
        self._buffer = bytearray()
        self._inside = False
        self._in_garbage = False
        self.events: Counter[str] = Counter()
        self.garbage_bytes = 0
        self._refused = ""
        self._begin_body()

    @property
    def buffered_bytes(self) -> int:
        """How much is held."""
        return len(self._buffer)

    @property
    def inside(self) -> bool:
        """True while a begun frame has not ended."""
        return self._inside

    @property
    def awaits_end(self) -> bool:
        """True if the last byte received is an 0x1C that may or may not end the frame."""
        buffer = self._buffer
        return self._inside and buffer[-1:] == _END_BYTE and self._scan + 1 == len(buffer)

    def whole(self, data: bytes) -> bytes | None:
        """The body if ``data`` is exactly one sound frame and nothing is pending (the usual case).

        Otherwise None; then call :meth:`feed`.
        """
        last = len(data) - 2
        if (
            last > 0
            and not self._buffer
            and not self._inside
            and not self._in_garbage
            and data[0] == START
            and last - 1 <= self._body_bytes_max
            and data.find(_END_BYTE, 1) == last
            and data[-1] == CR
            and data.find(_START_BYTE, 1) < 0
        ):
            return data[1:last]
        return None

    def feed(self, data: bytes) -> None:
        """Adds received bytes; then take frames with :meth:`next` until there is none."""
        self._buffer += data

    def next(self) -> Frame | None:
        """The next complete frame, or None if more bytes are needed."""
        while self._buffer:
            if not self._inside and not self._find_start():
                return None
            if self._inside:
                return self._find_end()
        return None

    def settle(self) -> Frame | None:
        """Nothing came after a last 0x1C for a moment: takes it as the end of the frame."""
        if not self.awaits_end:
            return None
        self.events[events.MISSING_CR] += 1
        return self._finish(self._scan, self._scan + 1)

    def refuse(self, code: str) -> None:
        """Stops keeping the frame in progress; it is reported as refused with ``code``."""
        if self._inside and not self._refused:
            self._refused = code
            self._trim()

    def abandon(self) -> bytes:
        """Forgets what is pending (connection closed, time over); the head of a begun body."""
        head = self._first_bytes(len(self._buffer)) if self._inside else b""
        if self._inside:
            self.events[events.HALF_FRAME] += 1
        self._buffer.clear()
        self._inside = self._in_garbage = False
        self._begin_body()
        return head

    def _begin_body(self) -> None:
        self._scan = 0
        self._dropped = 0
        self._head = b""
        self._refused = ""

    def _find_start(self) -> bool:
        """Outside of frames: True if something was decided, False if more bytes are needed."""
        buffer = self._buffer
        if self._in_garbage:
            return self._skip_garbage()
        idle = len(buffer) - len(buffer.lstrip(_IDLE_BYTES))
        del buffer[:idle]
        if not buffer:
            return False
        if buffer[0] == START:
            del buffer[:1]
            self._inside = True
        elif (head := bytes(buffer[:3])) in _HEADS:
            self.events[events.MISSING_START] += 1
            self._inside = True
        elif len(buffer) < 3 and head in _PREFIXES:
            return False
        else:
            self.events[events.GARBAGE] += 1
            self._in_garbage = True
        return True

    def _skip_garbage(self) -> bool:
        buffer = self._buffer
        ends = [i for i in (buffer.find(_START_BYTE), buffer.find(_END_BYTE)) if i >= 0]
        until = min(ends, default=len(buffer))
        self.garbage_bytes += until
        if ends:
            self._in_garbage = False
            until += buffer[until] == END
        del buffer[:until]
        return bool(ends)

    def _find_end(self) -> Frame | None:
        """Inside a frame: the frame if it ends; None if undecided or a new frame was begun."""
        buffer = self._buffer
        while True:
            end = buffer.find(_END_BYTE, self._scan)
            start = buffer.find(_START_BYTE, self._scan, end if end >= 0 else len(buffer))
            if start >= 0:
                head = bytes(buffer[start + 1 : start + 4])
                if head in _HEADS:
                    self._restart(start + 1)
                    continue
                if len(head) < 3 and head in _PREFIXES:
                    self._wait(start)
                    return None
                self._scan = start + 1
                continue
            if end < 0 or end + 1 == len(buffer):
                self._wait(len(buffer) if end < 0 else end)
                return None
            after = buffer[end + 1]
            if after == CR:
                return self._finish(end, end + 2)
            if after == START:
                self.events[events.MISSING_CR] += 1
                return self._finish(end, end + 1)
            self._scan = end + 1

    def _first_bytes(self, end: int) -> bytes:
        return self._head or bytes(self._buffer[: min(end, self._head_bytes_max)])

    def _restart(self, at: int) -> None:
        self.events[events.HALF_FRAME] += 1
        del self._buffer[:at]
        self._begin_body()

    def _wait(self, scan: int) -> None:
        self._scan = scan
        if self._dropped + scan > self._body_bytes_max and not self._refused:
            self._refused = events.OVERSIZE
        if self._refused:
            self._trim()

    def _trim(self) -> None:
        if not self._dropped:
            self._head = self._first_bytes(self._scan)
        del self._buffer[: self._scan]
        self._dropped += self._scan
        self._scan = 0

    def _finish(self, end: int, after: int) -> Frame:
        if self._dropped + end > self._body_bytes_max and not self._refused:
            self._refused = events.OVERSIZE
        if self._refused:
            frame = Frame(self._first_bytes(end), self._refused)
        else:
            frame = Frame(bytes(self._buffer[:end]))
        del self._buffer[:after]
        self._inside = False
        self._begin_body()
        return frame
