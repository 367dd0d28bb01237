"""A young log may wait for its first head, and the newest events of any for the next; an old one
whose heads are gone, or that nobody signs any more, is found."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.audit_examples import NOW_US, context
from tests.support.clock import FakeClock
from tests.support.memory_audit import MemoryAudit

from chartloom.guard.audit import HeadFile, HeadKeeper, entry, events, stream, verify
from chartloom.guard.audit.verify import FIRST_HEAD_WITHIN_US, OVERDUE_US, SKEW_US, Verdict

KEY = Ed25519PrivateKey.generate()
SECOND = 1_000_000


class Log:
    """A log, its heads, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.log = FakeClock(NOW_US), MemoryAudit()
        self.file = HeadFile(folder / "heads")
        self.keeper = HeadKeeper(self.log, self.file, KEY, self.clock)

    def add(self, count: int = 1) -> None:
        at_us = self.clock.now_us()
        self.log.append([entry(events.patient_read(context("x", at_us), "")) for _ in range(count)])

    def verify(self, *copies: HeadFile) -> Verdict:
        heads, more = self.file.heads(), [c.heads() for c in copies]
        return verify(stream(self.log), heads, KEY.public_key(), *more, clock=self.clock)

    def codes(self, *copies: HeadFile) -> list[str]:
        return [f.code for f in self.verify(*copies).findings]


def test_a_log_that_has_just_begun_waits_for_its_first_head(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add(22)
    verdict = log.verify()
    assert verdict.sound
    assert (verdict.size, verdict.attested, verdict.waiting, verdict.signed_us) == (22, 0, 22, 0)
    log.clock.time_us += FIRST_HEAD_WITHIN_US
    assert log.codes() == []
    log.clock.time_us += 1
    assert log.codes() == ["audit-head-missing"]


def test_an_empty_log_has_a_head(tmp_path: Path) -> None:
    """So that later it can be told that heads are gone: there never was a time without one."""
    log = Log(tmp_path)
    head = log.keeper.sign()
    assert head.size == 0
    log.clock.time_us += SECOND
    log.add(3)
    again = HeadKeeper(log.log, log.file, KEY, log.clock)  # after a restart
    assert again.sign().previous == head.digest()
    verdict = log.verify()
    assert verdict.sound
    assert (verdict.attested, verdict.waiting, verdict.signed_us) == (3, 0, log.clock.time_us)


def test_new_events_wait_for_the_next_head_but_not_for_ever(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.add(5)
    log.keeper.sign()
    log.clock.time_us += 3600 * SECOND
    log.add(2)
    log.clock.time_us += OVERDUE_US
    verdict = log.verify()
    assert verdict.sound
    assert (verdict.attested, verdict.waiting) == (5, 2)
    log.clock.time_us += 1
    assert [(f.code, f.location) for f in log.verify().findings] == [
        ("audit-head-overdue", "event 6")
    ]
    log.keeper.sign()
    assert log.verify().sound


def test_the_heads_of_an_old_log_cannot_go_unnoticed(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for _ in range(4):
        log.add(3)
        log.keeper.sign()
        log.clock.time_us += FIRST_HEAD_WITHIN_US
    assert log.verify().sound
    path = tmp_path / "heads"
    whole = path.read_bytes()
    copy = HeadFile(tmp_path / "copy")
    (tmp_path / "copy").write_bytes(whole)
    path.unlink()
    assert log.codes() == ["audit-head-missing"]
    # A keeper that starts over signs all of it anew: that the first head is late tells.
    HeadKeeper(log.log, log.file, KEY, log.clock).sign()
    assert log.codes() == ["audit-head-missing"]
    assert log.codes(copy) == ["audit-head-missing"]
    # Cut at the end: what was signed before is not signed any more.
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert log.codes() == ["audit-head-overdue"]
    # Cut at the beginning: the first line follows nothing.
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[1:]))
    assert "audit-head-missing" in log.codes()


def test_events_of_the_future_are_found(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.clock.time_us += SKEW_US + 1
    log.add()
    log.keeper.sign()
    log.clock.time_us = NOW_US
    assert log.codes() == ["audit-clock-rollback"]
    log.clock.time_us += 1
    assert log.codes() == []
