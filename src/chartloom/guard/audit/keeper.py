"""Signs heads of the log as it grows and appends them to the file that is shipped elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chartloom.domain.audit import AuditUnavailable, LoggedEvent
from chartloom.domain.ports import AuditLog, Clock
from chartloom.guard.audit.canonical import event_hash
from chartloom.guard.audit.heads import Head, HeadFile, is_signed, sign_head
from chartloom.guard.audit.merkle import Frontier, leaf_hash

_PAGE: Final = 5_000


def stream(log: AuditLog, after: int = 0) -> Iterator[LoggedEvent]:
    """All events above a number, page by page."""
    while page := log.read(after, _PAGE):
        yield from page
        after = page[-1].seq


class HeadKeeper:
    """Signs a head whenever the log grew, the first one as soon as there is a log, be it empty. One
    per site at a time.

    Goes on from the newest head in the file, which it believes only if its own key signed it; what
    was logged since is checked against it. Raises ``AuditUnavailable`` where that does not hold,
    because a signature under a log that does not follow would hide the break.
    """

    def __init__(self, log: AuditLog, file: HeadFile, key: Ed25519PrivateKey, clock: Clock) -> None:
        self._log = log
        self._file = file
        self._key = key
        self._clock = clock
        self._head: Head | None = None
        self._opened = False
        self._tree = Frontier()
        self._last = bytes(32)

    def sign(self) -> Head:
        """Signs and appends a head if the log grew or has none yet; the newest head."""
        if not self._opened:
            self._open()
        for event in stream(self._log, self._tree.size):
            if (
                event.seq != self._tree.size + 1
                or event.previous != self._last
                or event.hash != event_hash(self._last, event.body)
            ):
                raise self._broken(f"event {self._tree.size + 1} does not follow")
            self._last = event.hash
            self._tree.add(leaf_hash(event.hash))
        size = self._head.size if self._head else 0
        if self._log.end().size < size:
            raise self._broken("the log is shorter than its newest head says")
        if self._head is None or self._tree.size > size:
            now_us = self._clock.now_us()
            head = sign_head(self._key, self._tree, self._last, now_us, self._head)
            self._file.append(head)
            self._head = head
        return self._head

    def _open(self) -> None:
        self._head = head = self._file.last()
        self._opened = True
        if head is None:
            if self._file.heads():
                raise self._broken("the newest line of the file of heads is damaged")
            return
        if not is_signed(head, self._key.public_key()):
            raise self._broken("the newest head was not signed by this site")
        self._tree = Frontier(head.size, (bytes.fromhex(p) for p in head.peaks))
        self._last = bytes.fromhex(head.last)
        if not head.size:
            return
        covered = self._log.read(head.size - 1, 1)
        if not covered or covered[0].hash != self._last:
            raise self._broken("the log does not hold what its newest head covers")

    def _broken(self, what: str) -> AuditUnavailable:
        self._opened = False
        self._tree, self._last, self._head = Frontier(), bytes(32), None
        return AuditUnavailable(
            f"no head can be signed: {what}.",
            cure="Run `chartloom audit verify`, and compare with the heads kept elsewhere.",
        )
