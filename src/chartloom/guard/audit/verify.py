"""Verifies the log: every edit, deletion, insertion, move, cut and turned-back clock is a finding.

The chain alone shows careless changes. Whoever rewrites the whole chain is shown by the signed
heads, as long as one of them is kept where that person cannot write. Events after the newest head
are held only by the chain; heads are signed every few seconds for that reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chartloom.domain.audit import GENESIS, LoggedEvent
from chartloom.domain.issues import Issue
from chartloom.guard.audit import issues as _codes
from chartloom.guard.audit.canonical import event_hash, instant_us
from chartloom.guard.audit.heads import NO_HEAD, Head, is_signed
from chartloom.guard.audit.merkle import Frontier

assert _codes  # importing it registers the codes

#: How far events may be out of order in time: they wait for each other to be written together.
SKEW_US: Final = 20_000_000
#: Findings that are told; a rewritten log would give one per event.
FINDINGS_MAX: Final = 1_000


class Verdict(msgspec.Struct, frozen=True):
    """What a verification found. Events 1 to ``attested`` are held by a signed head.

    findings: in order of finding, at most ``FINDINGS_MAX``. size: events read.
    """

    findings: tuple[Issue, ...]
    size: int
    attested: int

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


_BEFORE_TIME: Final = b'"recorded":"'
_AFTER_TIME: Final = b'","resourceType":"AuditEvent",'


def verify(
    events: Iterable[LoggedEvent],
    heads: Iterable[Head | None],
    public: Ed25519PublicKey,
    *copies: Iterable[Head | None],
    skew_us: int = SKEW_US,
) -> Verdict:
    """Checks all events, read once in order, against themselves and against the heads.

    heads: the file of heads, in its order. copies: heads kept elsewhere, each in its order; they
    may end earlier or begin later than the file. Any number of events: memory stays bounded.
    """
    found: list[Issue] = []
    trusted = list(_trusted(heads, public, found, whole=True))
    for copy in copies:
        trusted.extend(_trusted(copy, public, found, whole=False))
    trusted = sorted(set(trusted), key=lambda h: h.size)
    size, attested = _walk(events, trusted, found.append, skew_us)
    if not trusted and size:
        found.append(Issue("audit-head-missing", "heads"))
    return Verdict(tuple(found[:FINDINGS_MAX]), size, attested)


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
) -> tuple[int, int]:
    """Walks through events and heads side by side; how many events, how many attested."""
    tree = Frontier()
    add = tree.add
    previous, latest_us, attested = GENESIS, 0, 0
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
        nonlocal head, attested
        while head is not None and head.size == tree.size:
            if head.root != tree.root().hex() or head.last != previous.hex():
                tell("audit-rewritten", f"event {tree.size}")
            elif covered:
                attested = tree.size
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
        previous = digest
        add(sha256(b"\x00" + digest).digest())  # leaf_hash, spelled out
        if head is not None and head.size == seq:
            meet(True)
    if head is not None:
        tell("audit-truncated", f"event {tree.size + 1}")
    return tree.size, attested


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
