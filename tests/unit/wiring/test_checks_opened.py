"""What is not opened: keys without a key-encryption key, a door that cannot tell who asks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import ConfigurationError, MadeAnew
from chartloom.wiring import identity_door, keeping
from chartloom.wiring.desk import Desk


def test_keys_of_a_site_that_has_none_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(keeping.Operator, "__enter__", lambda self: self)
    keeper: Any = keeping.KeyKeeper.__new__(keeping.KeyKeeper)
    keeper.opened = SimpleNamespace(guard=SimpleNamespace(broker=None))
    keeper._stack = SimpleNamespace(close=lambda: closed.append(True))
    with pytest.raises(ConfigurationError, match="no key-encryption key"):
        keeper.__enter__()
    assert closed == [True]


def test_who_asks_who_somebody_is_shows_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def nobody(settings: object, folder: object, named: str) -> None:
        asked.append(named)

    monkeypatch.setattr(identity_door, "client_authority", nobody)
    monkeypatch.setattr(identity_door, "server_context", lambda *given: object())
    tls = SimpleNamespace(client_ca="of-the-site.pem")
    project: Any = SimpleNamespace(settings=SimpleNamespace(tls=tls), folder=Path())
    settings: Any = SimpleNamespace(tls_client_ca="")
    with pytest.raises(ConfigurationError, match="cannot tell who asks"):
        identity_door._tls(project, settings, (Path("cert.pem"), Path("key.pem")))
    assert asked == ["of-the-site.pem"]
    assert identity_door._tls(project, settings, None) == (None, None)


def test_a_desk_waits_until_everything_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    anew = [True, False]
    desk: Any = Desk.__new__(Desk)
    desk.opened = SimpleNamespace(store=SimpleNamespace(made_anew=lambda grant: anew.pop(0)))
    desk.authority = SimpleNamespace(gatherer=SimpleNamespace(grant=lambda: None))
    with pytest.raises(MadeAnew):
        desk.must_be_whole()
    desk.must_be_whole()
