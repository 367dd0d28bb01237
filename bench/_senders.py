"""Senders that behave as real ones under faults: what was not acknowledged is sent again."""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable

from chartloom.formats.hl7v2 import peek

START, END = b"\x0b", b"\x1c\r"
_PAUSE_S = 0.05


class Sender(threading.Thread):
    """Sends its patients' messages one after the other at a bounded rate, while it is let go.

    The same bytes are sent again until they are acknowledged, also over new connections.
    """

    def __init__(self, port: int, messages: list[tuple[str, bytes]], rate_per_s: float) -> None:
        super().__init__(daemon=True)
        self._port, self._messages, self._every_s = port, messages, 1 / rate_per_s
        self._go, self._idle, self._end = threading.Event(), threading.Event(), threading.Event()
        self._idle.set()
        self.acked: list[str] = []
        self.refused: Counter[str] = Counter()
        self.resent = 0

    def go(self) -> None:
        """Sends from now on."""
        self._idle.clear()
        self._go.set()

    def pause(self) -> None:
        """No new message from now on; the last one is repeated until it is acknowledged."""
        self._go.clear()

    def wait_idle(self, timeout_s: float) -> bool:
        """After :meth:`pause`: waits until the last message is acknowledged."""
        return self._idle.wait(timeout_s)

    def end(self) -> None:
        """Ends the thread, whatever it does."""
        self._end.set()
        self._go.set()

    @property
    def exhausted(self) -> bool:
        """Whether there is nothing left to send."""
        return len(self.acked) >= len(self._messages)

    def run(self) -> None:
        under_way = False  # sent, perhaps, and not acknowledged
        while not self._end.is_set() and not self.exhausted:
            if not under_way and not self._go.is_set():
                self._idle.set()
                self._go.wait()
                continue
            under_way = True
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                    connection.settimeout(10)
                    while self._go.is_set() or under_way:
                        under_way = True
                        if not self._converse(connection):
                            continue
                        under_way = False
                        if self.exhausted or self._end.wait(self._every_s):
                            break
            except OSError:
                self.resent += under_way
                self._end.wait(_PAUSE_S)
        self._idle.set()

    def _converse(self, connection: socket.socket) -> bool:
        control_id, body = self._messages[len(self.acked)]
        connection.sendall(START + body + END)
        answer = b""
        while not answer.endswith(END):
            chunk = connection.recv(65536)
            if not chunk:
                raise ConnectionError("closed")
            answer += chunk
        code = answer.split(b"\rMSA|", 1)[1][:2].decode()
        if code in ("AA", "CA"):
            self.acked.append(control_id)
            return True
        self.refused[code] += 1
        time.sleep(_PAUSE_S)
        return False


class Plan:
    """Messages dealt to senders so that one patient's go through one sender, in order."""

    def __init__(self, bodies: Iterable[bytes], senders: int) -> None:
        self.by_patient: dict[str, list[str]] = defaultdict(list)
        self.shares: list[list[tuple[str, bytes]]] = [[] for _ in range(senders)]
        for body in bodies:
            seen = peek(body)
            key = f"{seen.patient_authority}|{seen.patient_identifier}"
            self.by_patient[key].append(seen.control_id)
            share = zlib.crc32(key.encode()) % senders
            self.shares[share].append((seen.control_id, body))
