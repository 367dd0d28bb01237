"""Heads are signed in time, and the whole log is looked through while the console runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.audit_examples import NOW_US, context
from tests.support.clock import FakeClock
from tests.support.memory_audit import MemoryAudit

from chartloom.domain.audit import AuditUnavailable
from chartloom.guard.audit import HeadFile, HeadKeeper, entry, events
from chartloom.wiring import heads as wired
from chartloom.wiring.heads import HeadWatch

KEY = Ed25519PrivateKey.generate()


class Site:
    """A log with its watch; pages of ten events, so that a round has several."""

    def __init__(self, folder: Path) -> None:
        self.log, self.clock = MemoryAudit(), FakeClock(NOW_US)
        self.file = HeadFile(folder / "heads")
        keeper = HeadKeeper(self.log, self.file, KEY, self.clock)
        self.watch = HeadWatch(keeper, self.file, self.log, KEY.public_key(), self.clock)

    def add(self, count: int) -> None:
        read = events.patient_read(context("x", self.clock.now_us()), "")
        self.log.append([entry(read) for _ in range(count)])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(wired, "_PAGE", 10)
    monkeypatch.setattr(wired, "_PAUSE_S", 0.001)
    return Site(tmp_path)


def go_on(_: float) -> bool:
    return False


def until(holds: Callable[[], bool]) -> None:
    waiting = Event()
    for _ in range(1_000):
        if holds():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not happen")


def test_a_head_is_there_before_anybody_can_verify_and_after_the_end(site: Site) -> None:
    with site.watch.running():
        assert [h and h.size for h in site.file.heads()] == [0]
        assert site.watch.last().at_us == NOW_US
        site.add(3)
    assert [h and h.size for h in site.file.heads()] == [0, 3]


def test_the_patrol_verifies_everything_and_says_so(site: Site) -> None:
    site.add(35)
    with site.watch.running():
        until(lambda: site.watch.last().whole_size == 35)
    assert site.watch.last().sound


def test_a_young_log_is_not_called_verified(site: Site) -> None:
    with site.watch.running():
        until(lambda: site.watch.last().due_us > NOW_US)
        check = site.watch.last()
        assert (check.whole_us, check.size) == (0, 0)
    site.add(2)
    assert not site.watch.go_round(go_on)
    assert site.watch.last().size == 2


def test_a_young_log_beside_an_old_copy_of_its_heads_is_looked_at(
    site: Site, tmp_path: Path
) -> None:
    site.add(3)
    with site.watch.running():
        pass
    old = site.file
    (tmp_path / "new").mkdir()
    young = Site(tmp_path / "new")
    young.watch = HeadWatch(
        HeadKeeper(young.log, young.file, KEY, young.clock), young.file, young.log,
        KEY.public_key(), young.clock, [old],
    )  # fmt: skip
    assert young.watch.go_round(go_on)
    assert not young.watch.last().sound


def test_the_patrol_finds_what_was_changed_long_ago(site: Site) -> None:
    site.add(35)
    with site.watch.running():
        pass
    site.watch.go_round(go_on)
    assert site.watch.last().sound
    site.log.events[4] = msgspec.structs.replace(site.log.events[4], body=b"{}")
    site.watch.go_round(go_on)
    check = site.watch.last()
    assert not check.sound
    assert check.findings[0] == ("audit-edited", "event 5")
    assert (check.trouble, check.whole_size) == ("", 35)  # signing looks at what is new only


def test_the_patrol_stops_when_asked(site: Site) -> None:
    site.add(35)
    with site.watch.running():
        until(lambda: len(site.file.heads()) > 0)
    before = site.watch.last().whole_us
    asked: list[float] = []

    def stop(pause_s: float) -> bool:
        asked.append(pause_s)
        return len(asked) == 2

    with pytest.raises(wired._Stopped):
        site.watch.go_round(stop)
    assert site.watch.last().whole_us == before


def test_what_keeps_it_from_signing_is_said_until_it_is_over(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add(3)
    with site.watch.running():
        pass
    kept = list(site.log.events)
    site.log.events = kept[:-1]
    site.watch._sign()
    assert "shorter" in site.watch.last().trouble
    assert not site.watch.last().sound
    site.log.events = kept
    site.watch._sign()
    assert site.watch.last().sound

    def down() -> None:
        raise AuditUnavailable("the store is down.")

    monkeypatch.setattr(site.log, "end", down)
    site.watch._sign()
    assert site.watch.last().trouble == "the store is down."
