"""Keys, grants and sealing."""

from __future__ import annotations

import hmac
import stat
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError, GrantRefused
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.ports import GrantVerifier, Sealer
from chartloom.guard import DIRECTORY_KIND, Guard, SealBroken, SystemClock
from chartloom.guard.keyfiles import SiteKeys

SECRETS = SiteKeys(b"e" * 32, b"g" * 32, b"b" * 32, UUID(int=0))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def guard(clock: FakeClock) -> Guard:
    return Guard(SECRETS, clock)


def test_it_is_what_the_ports_ask_for(guard: Guard) -> None:
    sealer: Sealer = guard
    verifier: GrantVerifier = guard
    assert sealer is verifier


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first, second = Guard.open(folder), Guard.open(folder)
    assert first.namespace == second.namespace
    assert first.fingerprint == second.fingerprint
    assert first.blind("f", "v") == second.blind("f", "v")
    grant = first.mint("a", Purpose.TREATMENT)
    second.verify(grant)
    sealed = first.seal("p", "k", "i", "1", b"x")
    assert second.unseal(grant, "p", "k", "i", "1", sealed) == b"x"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in folder.iterdir()} == {0o600}


def test_two_sites_share_nothing(tmp_path: Path) -> None:
    one, two = Guard.open(tmp_path / "1"), Guard.open(tmp_path / "2")
    assert one.namespace != two.namespace
    assert one.blind("f", "v") != two.blind("f", "v")
    with pytest.raises(GrantRefused):
        two.verify(one.mint("a", Purpose.TREATMENT))
    sealed = one.seal("p", "k", "i", "1", b"x")
    with pytest.raises(SealBroken):
        two.unseal(two.mint("a", Purpose.TREATMENT), "p", "k", "i", "1", sealed)


@pytest.mark.parametrize("name", ["encryption.key", "grant.key", "blind.key"])
@pytest.mark.parametrize("damage", ["missing", "open", "short", "binary"])
def test_damaged_keys_are_named_and_never_replaced(tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "keys"
    Guard.open(folder)
    key = folder / name
    if damage == "missing":
        key.unlink()
    elif damage == "open":
        key.chmod(0o640)
    elif damage == "short":
        key.write_text("ab")
    else:
        key.write_bytes(b"\xff\xfe")
    before = sorted((f.name, f.read_bytes()) for f in folder.iterdir())
    with pytest.raises(ConfigurationError) as caught:
        Guard.open(folder)
    assert name in caught.value.where
    assert caught.value.cure
    assert sorted((f.name, f.read_bytes()) for f in folder.iterdir()) == before


def test_an_open_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    Guard.open(folder)
    folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        Guard.open(folder)


def test_an_interrupted_creation_is_finished(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    Guard.open(folder)
    (folder / "site.json").unlink()  # as if killed before the last file
    (folder / "blind.key").unlink()
    kept = (folder / "grant.key").read_bytes()
    Guard.open(folder)
    assert (folder / "grant.key").read_bytes() == kept
    assert (folder / "blind.key").exists()


def test_an_unusable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="key folder"):
        Guard.open(tmp_path / "file" / "keys")


def test_a_grant_expires(guard: Guard, clock: FakeClock) -> None:
    grant = guard.mint("a", Purpose.TREATMENT, ttl_s=10)
    clock.time_us += 9_999_999
    guard.verify(grant)
    clock.time_us += 1
    with pytest.raises(GrantRefused, match="expired"):
        guard.verify(grant)


@pytest.mark.parametrize("actor", ["", "  "])
def test_a_grant_needs_an_actor(guard: Guard, actor: str) -> None:
    with pytest.raises(GrantRefused, match="actor"):
        guard.mint(actor, Purpose.TREATMENT)


CHANGES: list[dict[str, object]] = [
    {"actor": "mallory"},
    {"purpose": Purpose.RESEARCH},
    {"persons": ("*",)},
    {"persons": ("p1", "p2")},
    {"labels": ("secret",)},
    {"expires_at_us": 2**60},
    {"grant_id": "other"},
    {"policy_version": "2"},
    {"mac": b""},
    {"mac": b"\0" * 32},
]


@pytest.mark.parametrize("change", CHANGES, ids="-".join)
def test_a_changed_grant_is_refused(guard: Guard, change: dict[str, object]) -> None:
    grant = guard.mint("a", Purpose.TREATMENT, ["p1"])
    guard.verify(grant)  # a remembered grant must not lend its good name to another
    forged = msgspec.structs.replace(grant, **change)
    with pytest.raises(GrantRefused):
        guard.verify(forged)
    with pytest.raises(GrantRefused):
        guard.unseal(forged, "p1", "k", "i", "1", guard.seal("p1", "k", "i", "1", b"x"))


@pytest.mark.parametrize("nothing", [None, "", object()])
def test_no_grant_is_refused(guard: Guard, nothing: object) -> None:
    with pytest.raises(GrantRefused):
        guard.verify(nothing)  # type: ignore[arg-type]


def test_a_grant_opens_only_its_persons(guard: Guard) -> None:
    some = guard.mint("a", Purpose.TREATMENT, ["p1"])
    everyone = guard.mint("a", Purpose.TREATMENT)
    for subject, covered in (("p1", True), ("p2", False), ("", False), ("*", False)):
        sealed = guard.seal(subject, "k", "i", "1", b"x")
        assert guard.covers(some, subject) is covered
        assert guard.unseal(everyone, subject, "k", "i", "1", sealed) == b"x"
        if covered:
            assert guard.unseal(some, subject, "k", "i", "1", sealed) == b"x"
        else:
            with pytest.raises(GrantRefused):
                guard.unseal(some, subject, "k", "i", "1", sealed)
    directory = guard.seal("", DIRECTORY_KIND, "i", "1", b"x")
    assert guard.unseal(some, "", DIRECTORY_KIND, "i", "1", directory) == b"x"


def test_many_grants_are_told_apart(guard: Guard) -> None:
    grants = [guard.mint(f"a{i}", Purpose.TREATMENT, [f"p{i}"]) for i in range(1000)]
    for i, grant in enumerate(grants):
        assert guard.covers(grant, f"p{i}")
        assert not guard.covers(grant, f"p{i + 1}")


def test_a_sealed_body_cannot_be_moved_or_changed(guard: Guard) -> None:
    grant: Grant = guard.mint("a", Purpose.TREATMENT)
    place = ("p", "k", "i", "1")
    sealed = guard.seal(*place, b"x")
    for i in range(4):
        other = [*place]
        other[i] += "2"
        with pytest.raises(SealBroken):
            guard.unseal(grant, *other, sealed)
    with pytest.raises(SealBroken):  # the parts are delimited, not just glued together
        guard.unseal(grant, "p", "ki", "", "1", sealed)
    for i in range(len(sealed)):
        changed = bytearray(sealed)
        changed[i] ^= 1
        with pytest.raises(SealBroken):
            guard.unseal(grant, *place, bytes(changed))
    for i in range(len(sealed)):
        with pytest.raises(SealBroken):
            guard.unseal(grant, *place, sealed[:i])


@given(plain=st.binary(max_size=200), subject=st.text(max_size=20), id=st.text(max_size=20))
def test_what_was_sealed_opens(plain: bytes, subject: str, id: str) -> None:
    guard = Guard(SECRETS, SystemClock())
    grant = guard.mint("a", Purpose.TREATMENT)
    sealed = guard.seal(subject, "k", id, "1", plain)
    assert guard.unseal(grant, subject, "k", id, "1", sealed) == plain
    assert sealed != guard.seal(subject, "k", id, "1", plain)


@pytest.mark.parametrize("value", ["", "v", "Straße", "x" * 200])
def test_a_blind_fingerprint_is_half_an_hmac_under_the_key_of_its_field(
    guard: Guard, value: str
) -> None:
    key = hmac.digest(SECRETS.blind, b"chartloom blind key 1\0f", "sha256")
    for _ in range(2):
        assert guard.blind("f", value) == hmac.digest(key, value.encode(), "sha256")[:16]


def test_blind_fingerprints_differ_by_field_and_value(guard: Guard) -> None:
    marks = {guard.blind(f, v) for f in ("a", "b") for v in ("x", "y", "")}
    assert len(marks) == 6
    assert {len(m) for m in marks} == {16}


def test_secrets_do_not_show() -> None:
    assert repr(SECRETS) == "SiteKeys(...)"
