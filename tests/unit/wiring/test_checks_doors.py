"""What the doors are given when a site is opened: keys that are gone, files that are none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError
from chartloom.project import load_project, write_site
from chartloom.wiring import doors, internal_ca, services

BEGIN, END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(("gone", "told"), [(None, False), ((), False), (("p1",), True)])
def test_a_key_is_destroyed_where_there_are_keys_and_it_is(
    gone: tuple[str, ...] | None, told: bool
) -> None:
    broker = None if gone is None else SimpleNamespace(is_destroyed=lambda s: s in gone)
    opened: Any = SimpleNamespace(guard=SimpleNamespace(broker=broker))
    assert doors._is_destroyed(opened, "p1") is told


@pytest.mark.parametrize("content", [b"", BEGIN + b"\nMII", b"MII\n" + END, END + BEGIN])
def test_a_file_without_a_whole_certificate_is_no_leaf(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "leaf.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="no certificate"):
        internal_ca._leaf_of(path)
    path.write_bytes(b"key\n" + BEGIN + b"\nMII\n" + END + b"authority")
    assert internal_ca._leaf_of(path) == BEGIN + b"\nMII\n" + END


def test_a_token_key_that_cannot_be_kept_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_site(tmp_path / "north", name="North")
    project = load_project(tmp_path / "north")
    project.key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    real, faster = services.write, False

    def full(path: Path, pem: bytes) -> None:
        if faster:
            real(path, pem)
        raise ConfigurationError("The disk is full.")

    monkeypatch.setattr(services, "write", full)
    with pytest.raises(ConfigurationError, match="disk is full"):
        services.token_issuer(project, FakeClock())
    faster = True  # another process made it in this very moment
    made = services.token_issuer(project, FakeClock()).key_set()
    assert services.token_issuer(project, FakeClock()).key_set() == made
