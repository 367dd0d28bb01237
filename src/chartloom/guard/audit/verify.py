"""Verifies the log: every edit, deletion, insertion, move, cut and turned-back clock is a finding.

The chain alone shows careless changes. Whoever rewrites the whole chain is shown by the signed
heads, as long as one of them is kept where that person cannot write. Events after the newest head
are held only by the chain; heads are signed every few seconds for that reason. So a young log may
have no head yet, and the newest events of any log none that covers them; older ones must have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chartloom.domain.audit import GENESIS, LoggedEvent
from chartloom.domain.issues import Issue
from chartloom.domain.ports import Clock
from chartloom.guard.audit import issues as _codes
from chartloom.guard.audit.canonical import event_hash, instant_us
from chartloom.guard.audit.heads import NO_HEAD, Head, is_signed
from chartloom.guard.audit.merkle import Frontier

assert _codes  # importing it registers the codes

#: How far events may be out of order in time: they wait for each other to be written together.
SKEW_US: Final = 20_000_000
#: The first head is signed when the log begins, or soon after: roles do not start in one moment.
FIRST_HEAD_WITHIN_US: Final = 600_000_000
#: How old an event may be that no head covers: many times the interval in which heads are signed.
OVERDUE_US: Final = 120_000_000
#: Findings that are told; a rewritten log would give one per event.
FINDINGS_MAX: Final = 1_000


class Verdict(msgspec.Struct, frozen=True):
    """What a verification found. Events 1 to ``attested`` are held by a signed head.

    findings: in order of finding, at most ``FINDINGS_MAX``. size: events read. signed_us: when the
    newest head was signed, 0 if there is none.
    """

    findings: tuple[Issue, ...]
    size: int
    attested: int
    signed_us: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def waiting(self) -> int:
        """How many events no signed head holds yet."""
        return self.size - self.attested


class _Walked(msgspec.Struct, frozen=True):
    """What a walk met. begun_us, open_us: times of the first event, and of the first that no head
    covers; 0 if there is none. latest_us: the latest time of any event."""

    size: int = 0
    attested: int = 0
    begun_us: int = 0
    open_us: int = 0
    latest_us: int = 0


_BEFORE_TIME: Final = b'"recorded":"'
_AFTER_TIME: Final = b'","resourceType":"AuditEvent",'


def verify(
    events: Iterable[LoggedEvent],
    heads: Iterable[Head | None],
    public: Ed25519PublicKey,
    *copies: Iterable[Head | None],
    skew_us: int = SKEW_US,
    clock: Clock | None = None,
) -> Verdict:
    """Checks all events, read once in order, against themselves and against the heads.

    heads: the file of heads, in its order. copies: heads kept elsewhere, each in its order; they
    may end earlier or begin later than the file. clock: by which events are judged that may be
    waiting for a head; without one, no log is young. Any number of events: memory stays bounded.
    """
    found: list[Issue] = []
    begun_us = clock.now_us() if clock else None  # reading takes its time
    own = list(_trusted(heads, public, found, whole=True))
    trusted = set(own)
    for copy in copies:
        trusted.update(_trusted(copy, public, found, whole=False))
    walked = _walk(events, sorted(trusted, key=lambda h: h.size), found.append, skew_us)
    found += _judge_age(walked, own, begun_us)
    if clock and walked.latest_us > clock.now_us() + skew_us:
        found.append(Issue("audit-clock-rollback", "now"))
    signed_us = max((h.at_us for h in trusted), default=0)
    return Verdict(tuple(found[:FINDINGS_MAX]), walked.size, walked.attested, signed_us)


def _judge_age(walked: _Walked, own: Sequence[Head], now_us: int | None) -> Iterator[Issue]:
    """What is too old for having no head."""
    if not walked.size:
        return
    first_us = own[0].at_us if own else now_us
    if first_us is None or first_us - walked.begun_us > FIRST_HEAD_WITHIN_US:
        yield Issue("audit-head-missing", "head 1" if own else "heads")
    elif own and walked.open_us and now_us is not None and now_us - walked.open_us > OVERDUE_US:
        yield Issue("audit-head-overdue", f"event {walked.attested + 1}")


def _trusted(
    heads: Iterable[Head | None], public: Ed25519PublicKey, found: list[Issue], *, whole: bool
) -> Iterator[Head]:
    """The heads that are signed. whole: the sequence must begin with the first head ever."""
    before = NO_HEAD if whole else ""
    last: Head | None = None
    for number, head in enumerate(heads, 1):
        where = f"head {number}"
        if head is None:
            found.append(Issue("audit-head-damaged", where))
            before = ""
            continue
        if not is_signed(head, public):
            found.append(Issue("audit-head-forged", where))
            before = ""
            continue
        if before and head.previous != before:
            found.append(Issue("audit-head-missing", where))
        if last is not None:
            if head.size < last.size:
                found.append(Issue("audit-truncated", where))
            if head.at_us < last.at_us:
                found.append(Issue("audit-clock-rollback", where))
        before, last = head.digest(), head
        yield head


def _walk(
    events: Iterable[LoggedEvent],
    heads: Sequence[Head],
    report: Callable[[Issue], None],
    skew_us: int,
) -> _Walked:
    """Walks through events and heads side by side."""
    tree = Frontier()
    add = tree.add
    previous, latest_us, attested, begun_us, open_us = GENESIS, 0, 0, 0, 0
    waiting = iter(heads)
    head = next(waiting, None)
    findings = 0

    def tell(code: str, where: str) -> None:
        nonlocal findings
        findings += 1
        if findings <= FINDINGS_MAX:
            report(Issue(code, where))

    def meet(covered: bool) -> None:
        """Compares every head of this size with the tree."""
        nonlocal head, attested, open_us
        while head is not None and head.size == tree.size:
            if head.root != tree.root().hex() or head.last != previous.hex():
                tell("audit-rewritten", f"event {tree.size}")
            elif covered:
                attested, open_us = tree.size, 0
            if latest_us > head.at_us + skew_us:
                tell("audit-clock-rollback", f"event {tree.size}")
            head = next(waiting, None)

    meet(False)
    recorded_us = _Times().recorded_us
    sha256 = hashlib.sha256
    for seq, event in enumerate(events, 1):
        digest = event.hash
        if event_hash(event.previous, event.body) != digest:
            tell("audit-edited", f"event {seq}")
        if event.previous != previous:
            tell("audit-chain-broken", f"event {seq}")
        if event.seq != seq:
            tell("audit-sequence", f"event {seq}")
        at_us = recorded_us(event.body)
        if at_us != event.at_us:
            tell("audit-time-differs", f"event {seq}")
        if at_us < latest_us - skew_us:
            tell("audit-clock-rollback", f"event {seq}")
        elif at_us > latest_us:
            latest_us = at_us
        begun_us, open_us = begun_us or at_us, open_us or at_us
        previous = digest
        add(sha256(b"\x00" + digest).digest())  # leaf_hash, spelled out
        if head is not None and head.size == seq:
            meet(True)
    if head is not None:
        tell("audit-truncated", f"event {tree.size + 1}")
    return _Walked(tree.size, attested, begun_us, open_us, latest_us)


class _Times:
    """Finds the time in canonical events without reading all of them.

    Keys are sorted and quotes in values are escaped, so that the pattern stands only in one place.
    """

    def __init__(self) -> None:
        self._second = b""
        self._second_us = 0

    def recorded_us(self, body: bytes) -> int:
        """The time in an event; -1 if there is none."""
        at = body.find(_AFTER_TIME)
        text = body[at - 27 : at]
        if at < 40 or body[at - 39 : at - 27] != _BEFORE_TIME or text[20:26].isdigit() is False:
            return -1
        if text[:19] != self._second:
            try:
                self._second_us = instant_us(text[:20].decode("ascii") + "000000Z")
            except ValueError:
                return -1
            self._second = text[:19]
        if text[26:] != b"Z" or text[19:20] != b".":
            return -1
        return self._second_us + int(text[20:26])
