"""A copy of the signed heads in another place: kept up, and caught up with when it was away."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.audit_examples import NOW_US, context
from tests.support.clock import FakeClock
from tests.support.memory_audit import MemoryAudit

from chartloom.guard.audit import HeadFile, HeadKeeper, entry, events, read_heads, stream, verify


def test_a_copy_gets_every_head_and_is_caught_up_with(tmp_path: Path) -> None:
    away = tmp_path / "mount"
    away.mkdir()
    copy, log, key = away / "heads", MemoryAudit(), Ed25519PrivateKey.generate()
    file = HeadFile(tmp_path / "heads", copy)
    keeper = HeadKeeper(log, file, key, FakeClock(NOW_US))

    def grow() -> None:
        log.append([entry(events.sign_in(context(), "oidc"))])
        keeper.sign()

    grow()
    assert copy.read_bytes() == (tmp_path / "heads").read_bytes()
    away.rename(tmp_path / "gone")
    grow()
    assert file.copy_lacks
    (tmp_path / "gone").rename(away)
    grow()
    assert not file.copy_lacks
    assert copy.read_bytes() == (tmp_path / "heads").read_bytes()
    # The log is cut and all heads here with it: the copy tells.
    log.events = log.events[:1]
    (tmp_path / "heads").write_bytes((tmp_path / "heads").read_bytes().splitlines(True)[0])
    with copy.open("rb") as f:
        kept = list(read_heads(f))
    assert verify(stream(log), file.heads(), key.public_key()).sound
    found = verify(stream(log), file.heads(), key.public_key(), kept).findings
    assert {i.code for i in found} == {"audit-truncated"}
