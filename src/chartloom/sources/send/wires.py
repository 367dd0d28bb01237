"""How messages travel and how answers are read: MLLP and HTTP, as small strategies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol
from uuid import uuid4

import httptools

from chartloom.sources.mllp.framing import Framer

_ANSWER_BYTES_MAX: Final = 1024 * 1024


class Fate(Enum):
    """What an answer means for the message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETRY = "retry"  #: refused for now; sending again may succeed
    WAIT = "wait"  #: another answer follows


class Garbled(Exception):
    """What the receiver answers cannot be read; the connection is of no more use."""


class Answer(Protocol):
    """Reads answers of one connection, in order."""

    def feed(self, data: bytes) -> list[str]:
        """The codes of the answers that are complete now; raises :class:`Garbled`."""
        ...


class Wire(Protocol):
    """One transport. pipelining_max: how many messages may be on their way per connection."""

    pipelining_max: int

    def frame(self, message: bytes, number: int) -> bytes:
        """The bytes to write for a message, the ``number``-th of the run however often sent."""
        ...

    def reader(self) -> Answer:
        """A fresh reader for a new connection."""
        ...

    def expects_answer(self, message: bytes) -> bool:
        """False if the message asks for silence."""
        ...

    def fate(self, message: bytes, code: str) -> Fate:
        """What ``code`` means for ``message``."""
        ...


class MllpWire:
    """HL7 v2 over MLLP, original and enhanced mode. heard: is handed every answer as it came."""

    pipelining_max = 1_000

    def __init__(self, heard: Callable[[bytes], None] = lambda _: None) -> None:
        self._heard = heard

    def frame(self, message: bytes, number: int) -> bytes:
        """The message in its frame."""
        return b"\x0b" + message + b"\x1c\x0d"

    def reader(self) -> Answer:
        """Reads acknowledgements."""
        return _MllpReader(self._heard)

    def expects_answer(self, message: bytes) -> bool:
        """False in enhanced mode when both acknowledgements are refused (NE)."""
        accept, application = _modes(message)
        return not (accept or application) or not {accept, application} <= {b"NE", b""}

    def fate(self, message: bytes, code: str) -> Fate:
        """AA and CA accept; AR and CE may succeed later; AE and CR will not."""
        if code == "CA" and _modes(message)[1] in (b"AL", b"SU"):
            return Fate.WAIT
        if code in ("AA", "CA"):
            return Fate.ACCEPTED
        return Fate.RETRY if code in ("AR", "CE") else Fate.REFUSED


class _MllpReader:
    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._framer, self._heard = Framer(_ANSWER_BYTES_MAX), heard

    def feed(self, data: bytes) -> list[str]:
        body = self._framer.whole(data)
        if body is not None:
            return [self._code(body)]
        self._framer.feed(data)
        codes = []
        while (frame := self._framer.next()) is not None:
            codes.append(self._code(frame.body))
        return codes

    def _code(self, body: bytes) -> str:
        self._heard(body)
        return _code(body)


def _code(acknowledgement: bytes) -> str:
    """The code in MSA-1; of a response batch, the worst of all. "?" if there is none."""
    at = acknowledgement.find(b"\rMSA")
    if at < 0:
        return "?"
    code = acknowledgement[at + 5 : at + 7].decode("ascii", "replace")
    while (at := acknowledgement.find(b"\rMSA", at + 4)) >= 0:
        other = acknowledgement[at + 5 : at + 7].decode("ascii", "replace")
        if other not in ("AA", "CA"):
            return other
    return code


def _modes(message: bytes) -> tuple[bytes, bytes]:
    """MSH-15 and MSH-16."""
    if message[:3] != b"MSH":
        return b"", b""
    end = message.find(b"\r")
    fields = message[: end if end >= 0 else len(message)].split(message[3:4], 16)
    if len(fields) < 15:
        return b"", b""
    return fields[14].strip(), fields[15].strip() if len(fields) > 15 else b""


class HttpWire:
    """POST over HTTP/1.1 with keep-alive. path, host: as in the URL. media_type: of the bodies.

    Each message has an ``X-Request-Id``, the same when it is sent again because its answer was
    lost: only so can the receiver tell a repetition from a resource that was changed back.
    """

    pipelining_max = 1  # servers may answer, but proxies do not take pipelined POSTs

    def __init__(self, host: str, path: str, media_type: str, token: str = "") -> None:
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._head = (
            f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {media_type}\r\n"
            f"{authorization}X-Request-Id: {uuid4()}-"
        ).encode("ascii")

    def frame(self, message: bytes, number: int) -> bytes:
        """The request."""
        return b"%s%d\r\nContent-Length: %d\r\n\r\n%s" % (
            self._head,
            number,
            len(message),
            message,
        )

    def reader(self) -> Answer:
        """Reads responses."""
        return _HttpReader()

    def expects_answer(self, message: bytes) -> bool:
        """HTTP always answers."""
        return True

    def fate(self, message: bytes, code: str) -> Fate:
        """2xx accepts; 408, 429 and 503 may succeed later."""
        if code.startswith("2"):
            return Fate.ACCEPTED
        return Fate.RETRY if code in ("408", "429", "503") else Fate.REFUSED


class _HttpReader:
    def __init__(self) -> None:
        self._codes: deque[str] = deque()
        self._parser = httptools.HttpResponseParser(self)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a response."""
        self._codes.append(str(self._parser.get_status_code()))

    def feed(self, data: bytes) -> list[str]:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as e:
            raise Garbled from e
        codes = [*self._codes]
        self._codes.clear()
        return codes
