"""Heads of the audit log signed in time, and the whole log looked through again and again.

Two threads of the ``serve`` role. One signs what was logged since the newest head, after seeing
that it follows. The other, the patrol, begins at the first event and verifies everything against
itself and every signed head, a page at a time so that it costs next to nothing, and begins again.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chartloom.domain.audit import HEAD_EVERY_S, AuditUnavailable, LoggedEvent
from chartloom.domain.errors import ChartloomError
from chartloom.domain.ports import AuditLog, Clock
from chartloom.guard.audit import HeadFile, HeadKeeper, verify
from chartloom.serve import LogCheck

_LOG = logging.getLogger(__name__)

#: The file of signed heads in the data folder: ship it to where nobody here can write.
HEADS: Final = "audit-heads.jsonl"
#: Events verified in one go (about a twentieth of a second), and the pause after them.
_PAGE: Final = 5_000
_PAUSE_S: Final = 5.0
#: From the end of one round of the patrol to the next.
_ROUND_S: Final = 300.0
_FINDINGS_KEPT: Final = 20


class HeadWatch:
    """Signs heads and patrols the log until the end; what is wrong is said, and looked at again.

    copies: further files of heads, if the site keeps any.
    """

    def __init__(
        self,
        keeper: HeadKeeper,
        heads: HeadFile,
        log: AuditLog,
        public: Ed25519PublicKey,
        clock: Clock,
        copies: Sequence[HeadFile] = (),
    ) -> None:
        self._keeper, self._heads, self._clock = keeper, heads, clock
        self._log, self._public, self._copies = log, public, copies
        self._check = LogCheck()
        self._lock = threading.Lock()

    def last(self) -> LogCheck:
        """How the newest looks at the log ended."""
        return self._check

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Signs at once, so that whoever verifies meets a head, then goes on in threads."""
        stop = threading.Event()
        self._sign()
        threads = [
            threading.Thread(target=self._keep_signing, args=(stop,), name="audit-heads"),
            threading.Thread(target=self._patrol, args=(stop,), name="audit-patrol"),
        ]
        for thread in threads:
            thread.daemon = True
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(10)

    def _keep_signing(self, stop: threading.Event) -> None:
        while not stop.wait(HEAD_EVERY_S):
            self._sign()
        self._sign()

    def _sign(self) -> None:
        try:
            self._keeper.sign()
        except AuditUnavailable as error:
            self._note(at_us=self._clock.now_us(), trouble=error.what)
            _LOG.error("no head of the audit log is signed: %s", error.what)
            return
        self._note(at_us=self._clock.now_us(), trouble="")
        if self._heads.copy_lacks:
            extra = {"chartloom": {"why": self._heads.copy_lacks}}
            _LOG.warning("the copy of the heads cannot be written", extra=extra)

    def _patrol(self, stop: threading.Event) -> None:
        while not stop.is_set():
            pause_s = _ROUND_S
            try:
                if not self.go_round(stop.wait):
                    pause_s = HEAD_EVERY_S
            except _Stopped:
                return
            except (ChartloomError, OSError) as error:
                _LOG.warning("the audit log was not looked through: %s", type(error).__name__)
            stop.wait(pause_s)

    def go_round(self, wait: Callable[[float], bool]) -> bool:
        """Verifies all that signed heads cover; False if they cover nothing yet. wait: pauses, and
        says whether to stop."""
        heads = self._heads.heads()
        upto = max((h.size for h in heads if h is not None), default=0)
        copies = [copy.heads() for copy in self._copies]
        attested = upto or any(h is not None and h.size for copy in copies for h in copy)
        if not attested and not self._check.whole_us:
            due_us = self._clock.now_us() + int(HEAD_EVERY_S * 1e6)
            self._note(due_us=due_us, size=self._log.end().size)
            return False
        verdict = verify(self._slowly(upto, wait), heads, self._public, *copies)
        found = tuple((f.code, f.location) for f in verdict.findings[:_FINDINGS_KEPT])
        self._note(whole_us=self._clock.now_us(), whole_size=verdict.size, findings=found)
        if found:
            extra = {"chartloom": {"code": found[0][0], "where": found[0][1]}}
            _LOG.error("the audit log is not sound; run `chartloom audit verify`", extra=extra)
        return True

    def _slowly(self, upto: int, wait: Callable[[float], bool]) -> Iterator[LoggedEvent]:
        after = 0
        while after < upto and (page := self._log.read(after, min(_PAGE, upto - after))):
            yield from page
            after = page[-1].seq
            if after < upto and wait(_PAUSE_S):
                raise _Stopped

    def _note(self, **changes: object) -> None:
        with self._lock:
            self._check = msgspec.structs.replace(self._check, **changes)


class _Stopped(Exception):
    """The console ends in the middle of a round."""
