"""Every tampering with a random log is found: by whoever edits rows, and by whoever can recompute
the whole chain but does not hold the key that signs heads."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.audit_examples import NOW_US, OTHER, PATIENT, context

from chartloom.domain.audit import GENESIS, AuditEntry, LoggedEvent
from chartloom.guard.audit import chain, entry, events, instant, verify
from chartloom.guard.audit.heads import Head, sign_head
from chartloom.guard.audit.merkle import Frontier, leaf_hash
from chartloom.guard.audit.verify import SKEW_US, Verdict

KEY = Ed25519PrivateKey.generate()
THIEF = Ed25519PrivateKey.generate()
SECOND = 1_000_000


def make(at_us: int, actor: str = "staff-1", patient: str = PATIENT) -> AuditEntry:
    return entry(events.patient_read(context(actor, at_us), patient))


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[LoggedEvent], list[Head]]:
    """A log of 2 to 40 events and heads at random sizes, the last one at its end."""
    steps = draw(st.lists(st.integers(-1, 20), min_size=2, max_size=40))
    at_us, entries = NOW_US, []
    for step in steps:
        at_us += step * SECOND
        entries.append(make(at_us, f"staff-{len(entries)}"))
    log = chain(0, GENESIS, entries)
    sizes = draw(st.sets(st.integers(1, len(log)), max_size=5)) | {len(log)}
    return log, heads_of(log, sizes)


def heads_of(
    log: Sequence[LoggedEvent], sizes: set[int], key: Ed25519PrivateKey = KEY
) -> list[Head]:
    tree, heads, before, latest = Frontier(), [], None, 0
    for event in log:
        tree.add(leaf_hash(event.hash))
        latest = max(latest, event.at_us)
        if tree.size in sizes:
            before = sign_head(key, tree, event.hash, latest + SECOND, before)
            heads.append(before)
    return heads


def recomputed(log: Sequence[LoggedEvent]) -> list[LoggedEvent]:
    """What somebody makes of changed rows who knows how the chain is made."""
    return chain(0, GENESIS, [AuditEntry(e.at_us, e.body) for e in log])


def check(log: Sequence[LoggedEvent], heads: Sequence[Head | None]) -> Verdict:
    return verify(iter(log), heads, KEY.public_key())


def codes(verdict: Verdict) -> set[str]:
    return {f.code for f in verdict.findings}


CHEAP = settings(max_examples=40, deadline=None)


@CHEAP
@given(logs())
def test_an_honest_log_is_sound(made: tuple[list[LoggedEvent], list[Head]]) -> None:
    log, heads = made
    verdict = check(log, heads)
    assert verdict.findings == ()
    assert (verdict.size, verdict.attested) == (len(log), len(log))
    grown = [*log, *chain(len(log), log[-1].hash, [make(log[-1].at_us + SECOND)])]
    later = check(grown, heads)
    assert later.sound
    assert (later.size, later.attested) == (len(grown), len(log))


def tampered(log: list[LoggedEvent], draw: st.DataObject) -> tuple[str, list[LoggedEvent]]:
    """One change of rows, anywhere."""
    i = draw.draw(st.integers(0, len(log) - 1), label="place")
    how = draw.draw(
        st.sampled_from(
            [
                "edit body",
                "edit actor",
                "edit time",
                "edit hash",
                "edit previous",
                "edit seq",
                "edit all",
                "delete",
                "insert",
                "repeat",
                "swap",
                "truncate",
            ]
        ),
        label="how",
    )
    event = log[i]
    replace = msgspec.structs.replace
    if how == "edit body":
        at = draw.draw(st.integers(0, len(event.body) - 1))
        body = bytearray(event.body)
        body[at] ^= draw.draw(st.integers(1, 255))
        return how, [*log[:i], replace(event, body=bytes(body)), *log[i + 1 :]]
    if how == "edit actor":
        body = make(event.at_us, "nobody").body
        return how, [*log[:i], replace(event, body=body), *log[i + 1 :]]
    if how == "edit time":
        shift = draw.draw(st.sampled_from([-SECOND, -1, 1, SECOND]))
        return how, [*log[:i], replace(event, at_us=event.at_us + shift), *log[i + 1 :]]
    if how == "edit hash":
        return how, [*log[:i], replace(event, hash=bytes(32)), *log[i + 1 :]]
    if how == "edit previous":
        return how, [*log[:i], replace(event, previous=b"\1" * 32), *log[i + 1 :]]
    if how == "edit seq":
        return how, [*log[:i], replace(event, seq=event.seq + 1), *log[i + 1 :]]
    if how == "edit all":
        changed = chain(i, event.previous, [make(event.at_us, "nobody")])
        return how, [*log[:i], *changed, *log[i + 1 :]]
    if how == "delete":
        return how, [*log[:i], *log[i + 1 :]]
    if how == "insert":
        return how, [*log[:i], *chain(i, event.previous, [make(event.at_us)]), *log[i:]]
    if how == "repeat":
        return how, [*log[: i + 1], event, *log[i + 1 :]]
    if how == "truncate":
        return how, log[:i]
    j = draw.draw(st.integers(0, len(log) - 1).filter(lambda j: j != i))
    moved = list(log)
    moved[i], moved[j] = moved[j], moved[i]
    return how, moved


@settings(max_examples=250, deadline=None)
@given(logs(), st.data())
def test_changed_rows_are_found(
    made: tuple[list[LoggedEvent], list[Head]], draw: st.DataObject
) -> None:
    log, heads = made
    how, changed = tampered(log, draw)
    assert changed != log
    assert not check(changed, heads).sound, how


@settings(max_examples=250, deadline=None)
@given(logs(), st.data())
def test_changed_and_recomputed_rows_are_found(
    made: tuple[list[LoggedEvent], list[Head]], draw: st.DataObject
) -> None:
    """Hashes, links, numbers and times are all made to fit again; only the heads tell."""
    log, heads = made
    how, changed = tampered(log, draw)
    rebuilt = recomputed(changed)
    if [e.body for e in rebuilt] == [e.body for e in log]:
        return  # only a hash, a number or a time had been changed, and is right again
    verdict = check(rebuilt, heads)
    if rebuilt[: len(log)] == log:  # something was appended after all heads: not yet attested
        assert how in ("repeat", "insert")  # an event written again behind the last one
        assert (verdict.size, verdict.attested) == (len(log) + 1, len(log))
        return
    assert codes(verdict) & {"audit-rewritten", "audit-truncated"}, how


@CHEAP
@given(logs(), st.data())
def test_forged_heads_are_found(
    made: tuple[list[LoggedEvent], list[Head]], draw: st.DataObject
) -> None:
    log, heads = made
    rewritten = recomputed([*log[:-1], msgspec.structs.replace(log[-1], body=make(NOW_US).body)])
    sizes = {h.size for h in heads}
    assert "audit-head-forged" in codes(check(rewritten, heads_of(rewritten, sizes, THIEF)))
    i = draw.draw(st.integers(0, len(heads) - 1))
    replace = msgspec.structs.replace
    for forged in (
        replace(heads[i], size=heads[i].size + 1),
        replace(heads[i], root="00" * 32),
        replace(heads[i], last="00" * 32),
        replace(heads[i], at_us=heads[i].at_us + 1),
        replace(heads[i], previous="11" * 32),
        replace(heads[i], peaks=()),
        replace(heads[i], key="0" * 16),
        replace(heads[i], signature="00" * 64),
        replace(heads[i], signature="zz"),
    ):
        found = check(log, [*heads[:i], forged, *heads[i + 1 :]])
        assert "audit-head-forged" in codes(found)


@CHEAP
@given(logs(), st.data())
def test_missing_moved_and_damaged_heads_are_found(
    made: tuple[list[LoggedEvent], list[Head]], draw: st.DataObject
) -> None:
    log, heads = made
    i = draw.draw(st.integers(0, len(heads) - 1))
    assert not check(log, [*heads[:i], None, *heads[i + 1 :]]).sound
    assert not check(log, []).sound
    if i < len(heads) - 1:
        assert "audit-head-missing" in codes(check(log, [*heads[:i], *heads[i + 1 :]]))
        assert not check(log, [*heads[:i], heads[i + 1], heads[i], *heads[i + 2 :]]).sound


@CHEAP
@given(logs(), st.data())
def test_cutting_log_and_heads_together_is_found_with_a_copy(
    made: tuple[list[LoggedEvent], list[Head]], draw: st.DataObject
) -> None:
    """Whoever cuts both leaves a sound pair; the heads kept elsewhere tell."""
    log, heads = made
    size = draw.draw(st.integers(0, len(log) - 1))
    cut, left = log[:size], [h for h in heads if h.size <= size]
    assert "audit-truncated" in codes(verify(cut, left, KEY.public_key(), heads))
    assert "audit-truncated" in codes(verify(cut, left, KEY.public_key(), heads[-1:]))


@CHEAP
@given(logs(), st.integers(1, 10))
def test_a_forked_log_is_found_with_a_copy(
    made: tuple[list[LoggedEvent], list[Head]], more: int
) -> None:
    """The same key signed two stories: one was shown to the place where copies are kept."""
    log, heads = made
    fork = recomputed([*log[:-1], msgspec.structs.replace(log[-1], body=make(NOW_US).body)])
    fork += chain(len(fork), fork[-1].hash, [make(fork[-1].at_us + i) for i in range(more)])
    other = heads_of(fork, {len(fork)})
    assert check(log, heads).sound
    found = codes(verify(log, heads, KEY.public_key(), other))
    assert found & {"audit-truncated", "audit-rewritten"}
    longer = log + chain(
        len(log), log[-1].hash, [make(log[-1].at_us + i, "x") for i in range(more)]
    )
    found = codes(verify(longer, heads_of(longer, {len(longer)}), KEY.public_key(), other))
    assert "audit-rewritten" in found


@CHEAP
@given(logs(), st.integers(SKEW_US + 1, 10**13), st.data())
def test_a_clock_that_was_turned_back_is_found(
    made: tuple[list[LoggedEvent], list[Head]], back_us: int, draw: st.DataObject
) -> None:
    log, _ = made
    i = draw.draw(st.integers(1, len(log)))
    latest = max(e.at_us for e in log[:i])
    turned = log[:i] + chain(i, log[i - 1].hash, [make(latest - back_us)])
    verdict = check(turned, heads_of(turned, {len(turned)}))
    assert [f.code for f in verdict.findings] == ["audit-clock-rollback"]
    assert verdict.findings[0].location == f"event {i + 1}"


def test_heads_that_are_older_than_what_they_cover_are_found() -> None:
    log = chain(0, GENESIS, [make(NOW_US), make(NOW_US + 60 * SECOND)])
    tree = Frontier()
    for event in log:
        tree.add(leaf_hash(event.hash))
    head = sign_head(KEY, tree, log[-1].hash, NOW_US, None)
    assert codes(check(log, [head])) == {"audit-clock-rollback"}
    later = sign_head(KEY, tree, log[-1].hash, NOW_US + 61 * SECOND, None)
    earlier = sign_head(KEY, tree, log[-1].hash, NOW_US + 60 * SECOND, later)
    assert codes(check(log, [later, earlier])) == {"audit-clock-rollback"}


@pytest.mark.parametrize("body", [b"{}", b"", b'{"resourceType":"Patient","recorded":""}'])
def test_what_is_no_event_is_found(body: bytes) -> None:
    log = chain(0, GENESIS, [AuditEntry(NOW_US, body)])
    assert "audit-time-differs" in codes(check(log, heads_of(log, {1})))


def test_findings_are_bounded_and_empty_logs_are_sound() -> None:
    entries = [AuditEntry(NOW_US + i, b"{}") for i in range(3000)]
    log = chain(0, GENESIS, entries)
    verdict = check(log, heads_of(log, {3000}))
    assert len(verdict.findings) == 1000
    assert verdict.size == 3000
    assert check([], []).sound
    assert instant(NOW_US).encode() in make(NOW_US, patient=OTHER).body
