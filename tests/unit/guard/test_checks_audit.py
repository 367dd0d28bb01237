"""Each reason for which the log, or what reads it, says no: alone, with all else in order."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.audit_examples import NOW_US, PATIENT, context, every_kind
from tests.support.clock import FakeClock
from tests.support.memory_audit import DOWN, MemoryAudit
from tests.support.patience import PATIENCE_S

from chartloom.domain.audit import AuditUnavailable, LoggedEvent
from chartloom.guard.audit import (
    HeadFile,
    HeadKeeper,
    Recorder,
    chain,
    entry,
    events,
    read_heads,
    verify,
)
from chartloom.guard.audit.canonical import instant_us
from chartloom.guard.audit.heads import Head, is_signed, sign_head
from chartloom.guard.audit.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)

KEY = Ed25519PrivateKey.generate()


def signed(head: Head) -> Head:
    """Whatever it says, the site's own key signed it."""
    return msgspec.structs.replace(head, signature=KEY.sign(head.signed_bytes()).hex())


@pytest.fixture
def head() -> Head:
    tree = Frontier()
    for n in range(3):
        tree.add(leaf_hash(bytes([n])))
    return sign_head(KEY, tree, bytes(32), NOW_US, None)


# Heads


def test_a_signature_does_not_make_a_head_sound(head: Head) -> None:
    """The peaks are what the keeper goes on from, and the root what the log is compared with."""
    assert is_signed(signed(head), KEY.public_key())
    for wrong in ({"root": "00" * 32}, {"key": "0" * 16}, {"peaks": head.peaks[::-1]}):
        changed = signed(msgspec.structs.replace(head, **wrong))  # type: ignore[arg-type]
        assert not is_signed(changed, KEY.public_key()), wrong


def test_a_head_is_written_in_one_way_only(head: Head) -> None:
    """What is chained is the line: the same head in other bytes is another line."""
    line = head.line()
    assert list(read_heads([line, line.rstrip(b"\n")])) == [head, head]
    other = (line.replace(b'":', b'": ', 1), b" " + line, line[:-2] + b"}\n".rjust(3))
    assert list(read_heads(other)) == [None] * len(other)


def test_copies_of_heads_may_begin_later() -> None:
    log = MemoryAudit()
    heads: list[Head] = []
    tree = Frontier()
    for n in range(3):
        log.append([entry(events.patient_read(context(f"s-{n}"), PATIENT))])
        tree.add(leaf_hash(log.events[-1].hash))
        last = log.events[-1].hash
        heads.append(sign_head(KEY, tree, last, NOW_US, heads[-1] if heads else None))
    for begins in range(3):
        assert verify(log.events, heads, KEY.public_key(), heads[begins:]).findings == ()
    missing = [f.code for f in verify(log.events, heads[1:], KEY.public_key()).findings]
    assert missing == ["audit-head-missing"]


# Proofs: whoever chooses the roots must not be able to choose the length too

LEAVES = [leaf_hash(bytes([n])) for n in range(8)]


def test_a_proof_is_as_long_as_the_tree_is_high() -> None:
    extra = leaf_hash(b"extra")
    for size in (2, 4, 8):
        leaves = LEAVES[:size]
        proof, root = inclusion_proof(leaves, 0), root_of(leaves)
        assert verify_inclusion(leaves[0], 0, size, proof, root)
        # The proof goes on above the root, to a root of its own.
        above = node_hash(extra, root)
        assert not verify_inclusion(leaves[0], 0, size, [*proof, extra], above)
        above = node_hash(root, extra)
        assert not verify_inclusion(leaves[0], 0, size, [*proof, extra], above)
        # It ends below the root.
        below = root_of(leaves[: size // 2])
        assert not verify_inclusion(leaves[0], 0, size, proof[:-1], below)


@pytest.mark.parametrize("first", range(1, 8))
def test_a_proof_of_growth_is_as_long_as_the_tree_is_high(first: int) -> None:
    extra, old = leaf_hash(b"extra"), root_of(LEAVES[:first])
    proof, root = consistency_proof(LEAVES, first), root_of(LEAVES)
    assert verify_consistency(first, 8, proof, old, root)
    for above, older in ((extra, root), (root, extra)):
        for of_old in (old, node_hash(extra, old)):
            assert not verify_consistency(
                first, 8, [*proof, extra], of_old, node_hash(above, older)
            )
    assert not verify_consistency(first, 8, [], old, root)


def test_a_proof_of_growth_does_not_end_below_the_root() -> None:
    proof = consistency_proof(LEAVES, 1)
    for steps in range(3):
        below = root_of(LEAVES[: 1 << steps])
        assert not verify_consistency(1, 8, proof[:steps], LEAVES[0], below)
    assert not verify_consistency(3, 5, [], root_of(LEAVES[:3]), root_of(LEAVES[:5]))


# The keeper of heads


def test_a_head_is_not_signed_over_an_event_that_does_not_follow(tmp_path: Path) -> None:
    log = MemoryAudit()
    log.append([entry(events.patient_read(context("a"), PATIENT))])
    keeper = HeadKeeper(log, HeadFile(tmp_path / "heads"), KEY, FakeClock(NOW_US))
    keeper.sign()
    kept = list(log.events)
    [sound] = chain(1, kept[-1].hash, [entry(events.patient_read(context("b"), PATIENT))])

    def refused(second: LoggedEvent) -> None:
        log.events = [*kept, second]
        with pytest.raises(AuditUnavailable, match="event 2 does not follow"):
            keeper.sign()

    refused(msgspec.structs.replace(sound, seq=3))
    refused(msgspec.structs.replace(sound, previous=bytes(32)))
    refused(msgspec.structs.replace(sound, hash=bytes(32)))
    refused(msgspec.structs.replace(sound, body=kept[0].body))
    log.events = [*kept, sound]
    assert keeper.sign().size == 2


# Events


@pytest.mark.parametrize(
    "text", ["2026-03-01T08:15:30.000001", "2026-03-01T08:15:30.0001+02",
             "2026-03-01T08:15:30.00Z", "2026-03-01T08:15:30.0000010Z"],
)  # fmt: skip
def test_a_time_is_written_in_one_way_only(text: str) -> None:
    assert instant_us("2026-03-01T08:15:30.000001Z") % 1_000_000 == 1
    with pytest.raises(ValueError, match="instant"):
        instant_us(text)


def test_an_event_holds_nothing_empty() -> None:
    """FHIR knows no empty arrays and no empty objects."""

    def empty(value: object) -> bool:
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(inner, str):
            return not inner
        return hasattr(inner, "__iter__") and (not inner or any(map(empty, inner)))

    assert [name for name, event in every_kind().items() if empty(event)] == []


# The recorder


def test_of_nothing_nothing_is_recorded() -> None:
    log = MemoryAudit()
    log.fail = DOWN
    recorder = Recorder(log)
    recorder.record()
    recorder.close()
    assert log.groups == []


def test_a_recorder_that_is_told_to_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: told.set())
    log = MemoryAudit()
    log.fail = KeyboardInterrupt()
    with pytest.raises(AuditUnavailable):
        Recorder(log).record(events.patient_read(context(), PATIENT))
    assert told.wait(PATIENCE_S)
