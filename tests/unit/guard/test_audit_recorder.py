"""Group commit, signed heads and their keeper."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.audit_examples import NOW_US, PATIENT, context
from tests.support.clock import FakeClock
from tests.support.memory_audit import DOWN, MemoryAudit
from tests.support.patience import PATIENCE_S

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import ConfigurationError
from chartloom.guard.audit import HeadFile, HeadKeeper, Recorder, events, stream, verify
from chartloom.guard.keyfiles import load_or_create

KEY = Ed25519PrivateKey.generate()


def event(n: int = 0, at_us: int = NOW_US) -> dict[str, Any]:
    return events.patient_read(context(f"staff-{n}", at_us), PATIENT)


@pytest.fixture
def log() -> MemoryAudit:
    return MemoryAudit()


# Recorder


def test_events_are_durable_when_record_returns(log: MemoryAudit) -> None:
    recorder = Recorder(log)
    recorder.record(event(1), event(2))
    assert len(log.events) == 2
    recorder.record()
    recorder.close()
    recorder.close()
    with pytest.raises(AuditUnavailable, match="closed"):
        recorder.record(event())


def test_nobody_is_released_before_the_append_is_done(log: MemoryAudit) -> None:
    log.delay_s = 0.2
    recorder = Recorder(log)
    promise = recorder.submit([event()])
    assert not promise.done()
    assert log.events == []
    promise.result(5)
    assert len(log.events) == 1
    recorder.close()


def test_many_threads_share_appends(log: MemoryAudit) -> None:
    log.delay_s = 0.01
    recorder = Recorder(log)

    def reads(n: int) -> None:
        for i in range(10):
            before = len(log.events)
            recorder.record(event(n * 100 + i))
            assert len(log.events) > before

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(reads, range(16)))
    recorder.close()
    assert len(log.events) == 160
    assert len({e.body for e in log.events}) == 160
    assert len(log.groups) < 80


def test_a_group_can_wait_for_company_and_is_bounded(log: MemoryAudit) -> None:
    recorder = Recorder(log, gather_s=0.2, group_max=3)
    promises = [recorder.submit([event(i), event(i)]) for i in range(4)]
    for promise in promises:
        promise.result(5)
    recorder.close()
    assert log.groups == [2, 2, 2, 2]
    log.groups.clear()
    recorder = Recorder(log, gather_s=0.05, group_max=100)
    for promise in [recorder.submit([event(i)]) for i in range(4)]:
        promise.result(5)
    recorder.close()
    assert log.groups == [4]


def test_a_group_larger_than_the_bound_is_written_whole(log: MemoryAudit) -> None:
    recorder = Recorder(log, group_max=2)
    recorder.record(*[event(i) for i in range(5)])
    recorder.close()
    assert log.groups == [5]


def test_within_a_group_events_stand_in_order_of_time(log: MemoryAudit) -> None:
    recorder = Recorder(log, gather_s=0.1)
    late, early = recorder.submit([event(1, NOW_US + 5)]), recorder.submit([event(2, NOW_US)])
    late.result(5)
    early.result(5)
    recorder.close()
    assert [e.at_us for e in log.events] == [NOW_US, NOW_US + 5]


@pytest.mark.parametrize("failure", [DOWN, OSError("disk full"), RuntimeError("bug")])
def test_a_failing_log_refuses_the_read(log: MemoryAudit, failure: Exception) -> None:
    recorder = Recorder(log)
    log.fail = failure
    with pytest.raises(AuditUnavailable) as refused:
        recorder.record(event())
    assert "disk full" not in str(refused.value)
    log.fail = None
    recorder.record(event())  # and works again afterwards
    recorder.close()
    assert len(log.events) == 1


def test_a_slow_log_refuses_the_read(log: MemoryAudit) -> None:
    log.delay_s = 0.5
    recorder = Recorder(log, timeout_s=0.05)
    with pytest.raises(AuditUnavailable, match="within"):
        recorder.record(event())
    recorder.close()


def test_too_many_waiting_events_are_refused(log: MemoryAudit) -> None:
    log.gate.clear()
    recorder = Recorder(log, waiting_max=2)
    first = recorder.submit([event()])
    assert log.busy.wait(PATIENCE_S)
    rest = [recorder.submit([event()]), recorder.submit([event()])]
    with pytest.raises(AuditUnavailable, match="wait to be written"):
        recorder.submit([event()])
    log.gate.set()
    for promise in (first, *rest):
        promise.result(PATIENCE_S)
    recorder.close()


def test_closing_writes_what_waits(log: MemoryAudit) -> None:
    log.delay_s = 0.05
    recorder = Recorder(log)
    promises = [recorder.submit([event(i)]) for i in range(20)]
    recorder.close()
    assert all(p.done() for p in promises)
    assert len(log.events) == 20


def test_a_waiter_that_goes_away_takes_nothing_back(log: MemoryAudit) -> None:
    log.delay_s = 0.05
    recorder = Recorder(log)
    assert recorder.submit([event()]).cancel() is False
    recorder.close()
    assert len(log.events) == 1


# Heads


def keeper(log: MemoryAudit, folder: Path, key: Ed25519PrivateKey = KEY) -> HeadKeeper:
    return HeadKeeper(log, HeadFile(folder / "heads"), key, FakeClock(NOW_US))


def fill(log: MemoryAudit, count: int) -> None:
    recorder = Recorder(log)
    recorder.record(*[event(i) for i in range(count)])
    recorder.close()


def test_a_head_is_signed_only_when_the_log_grew(log: MemoryAudit, tmp_path: Path) -> None:
    heads = keeper(log, tmp_path)
    begun = heads.sign()
    assert begun.size == 0
    assert heads.sign() == begun
    fill(log, 3)
    first = heads.sign()
    assert first.size == 3
    assert first.previous == begun.digest()
    assert heads.sign() == first
    fill(log, 2)
    second = heads.sign()
    assert second.previous == first.digest()
    assert HeadFile(tmp_path / "heads").heads() == [begun, first, second]
    verdict = verify(log.events, [begun, first, second], KEY.public_key())
    assert verdict.sound
    assert (verdict.size, verdict.attested) == (5, 5)


def test_a_keeper_goes_on_after_a_restart(log: MemoryAudit, tmp_path: Path) -> None:
    for _ in range(4):
        fill(log, 3)
        keeper(log, tmp_path).sign()
    file = HeadFile(tmp_path / "heads")
    assert [h and h.size for h in file.heads()] == [3, 6, 9, 12]
    assert verify(stream(log), file.heads(), KEY.public_key()).sound


def test_a_torn_line_is_cut_off(log: MemoryAudit, tmp_path: Path) -> None:
    fill(log, 3)
    keeper(log, tmp_path).sign()
    path = tmp_path / "heads"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    fill(log, 1)
    keeper(log, tmp_path).sign()
    assert [h and h.size for h in HeadFile(path).heads()] == [3, 4]


def test_no_head_is_signed_under_a_log_that_does_not_follow(
    log: MemoryAudit, tmp_path: Path
) -> None:
    fill(log, 5)
    keeper(log, tmp_path).sign()
    before = (tmp_path / "heads").read_bytes()
    kept = list(log.events)
    forged = MemoryAudit()
    recorder = Recorder(forged)
    recorder.record(*[event(i, NOW_US + 1) for i in range(5)])
    recorder.close()
    for broken in (kept[:4], forged.events, [*kept[:4], forged.events[4]], []):
        log.events = list(broken)
        with pytest.raises(AuditUnavailable, match="no head"):
            keeper(log, tmp_path).sign()
    log.events = list(kept)
    running = keeper(log, tmp_path)
    running.sign()
    log.events = kept[:4]
    with pytest.raises(AuditUnavailable, match="shorter"):
        running.sign()
    log.events = [*kept, kept[0]]
    with pytest.raises(AuditUnavailable, match="event 6 does not follow"):
        running.sign()
    with pytest.raises(AuditUnavailable, match="not signed by this site"):
        keeper(log, tmp_path, Ed25519PrivateKey.generate()).sign()
    (tmp_path / "heads").write_bytes(b"nonsense\n")
    with pytest.raises(AuditUnavailable, match="damaged"):
        keeper(log, tmp_path).sign()
    (tmp_path / "heads").write_bytes(before)
    log.events = list(kept)
    assert running.sign().size == len(kept)  # and goes on when all is well again


# The key


def test_the_audit_key_is_made_also_for_older_sites(tmp_path: Path) -> None:
    keys = load_or_create(tmp_path / "k")
    assert len(keys.audit) == 32
    assert load_or_create(tmp_path / "k") == keys
    public = bytes.fromhex((tmp_path / "k" / "audit.pub").read_text())
    own = Ed25519PrivateKey.from_private_bytes(keys.audit).public_key()
    assert public == own.public_bytes_raw()
    for name in ("audit.key", "audit.pub"):  # as a site of the version before has it
        (tmp_path / "k" / name).unlink()
    site = tmp_path / "k" / "site.json"
    said = json.loads(site.read_text())
    assert said.pop("audit_key") == public.hex()
    site.write_text(json.dumps(said))
    older = load_or_create(tmp_path / "k")
    assert older.encryption == keys.encryption
    assert older.audit != keys.audit
    assert load_or_create(tmp_path / "k") == older


def test_a_lost_or_changed_audit_key_is_never_made_anew(tmp_path: Path) -> None:
    load_or_create(tmp_path / "k")
    kept = (tmp_path / "k" / "audit.key").read_text()
    (tmp_path / "k" / "audit.key").unlink()
    with pytest.raises(ConfigurationError, match=r"audit\.key"):
        load_or_create(tmp_path / "k")
    (tmp_path / "k" / "audit.key").touch(0o600)
    (tmp_path / "k" / "audit.key").write_text("11" * 32 + "\n")
    with pytest.raises(ConfigurationError, match="not this site's"):
        load_or_create(tmp_path / "k")
    (tmp_path / "k" / "audit.key").write_text(kept)
    load_or_create(tmp_path / "k")


def test_an_audit_key_that_is_lost_with_its_public_half_is_not_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    keys = load_or_create(folder)
    kept = {name: (folder / name).read_text() for name in ("audit.key", "audit.pub")}
    for name in kept:
        (folder / name).unlink()
    with pytest.raises(ConfigurationError) as caught:
        load_or_create(folder)
    assert "gone" in caught.value.what
    assert "No new key was made" in caught.value.cure
    assert not (folder / "audit.key").exists()
    (folder / "audit.key").touch(0o600)
    (folder / "audit.key").write_text(kept["audit.key"])  # the other half follows from it
    assert load_or_create(folder) == keys
    assert (folder / "audit.pub").read_text() == kept["audit.pub"]
    # Both exchanged for another pair: that is no key of this site either.
    other = load_or_create(tmp_path / "other")
    assert other.audit != keys.audit
    for name in kept:
        (folder / name).write_text((tmp_path / "other" / name).read_text())
    with pytest.raises(ConfigurationError, match="not this site's"):
        load_or_create(folder)


def test_halves_that_do_not_belong_together_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    load_or_create(folder)
    (folder / "audit.pub").write_text("11" * 32 + "\n")
    with pytest.raises(ConfigurationError, match="belong together"):
        load_or_create(folder)
