"""Settings of doors that contradict themselves, and keys that are not written over."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from chartloom.domain.errors import ConfigurationError
from chartloom.project.model_doors import DomainSettings, SignInSettings
from chartloom.wiring import service_keys
from chartloom.wiring.service_keys import fetch_token, make_service_key

GOOD = {"issuer": "https://idp.example", "client_id": "us", "client_secret_env": "SECRET"}


def test_there_is_one_way_to_sign_in() -> None:
    SignInSettings(**GOOD)
    SignInSettings(builtin=True)
    with pytest.raises(ValidationError, match="builtin is for trying"):
        SignInSettings(**GOOD, builtin=True)
    for missing in ("client_id", "client_secret_env"):
        with pytest.raises(ValidationError, match="client_id and client_secret_env"):
            SignInSettings(**(GOOD | {missing: ""}))


def test_a_domain_has_some_name() -> None:
    for name in ({"name": "SGH"}, {"oid": "1.2.3"}, {"uri": "urn:x"}):
        DomainSettings(**name)
    with pytest.raises(ValidationError, match="needs a name"):
        DomainSettings()


def test_the_key_of_a_service_is_not_written_over(tmp_path: Path) -> None:
    private, public = make_service_key(tmp_path, "lab")
    before = private.read_bytes(), public.read_bytes()
    with pytest.raises(ConfigurationError):
        make_service_key(tmp_path, "lab")
    assert (private.read_bytes(), public.read_bytes()) == before
    private.unlink()  # it was handed on; its public half is in use
    with pytest.raises(ConfigurationError, match="there already"):
        make_service_key(tmp_path, "lab")
    assert list(tmp_path.iterdir()) == [public]


@pytest.mark.parametrize(
    ("status", "body", "token"),
    [
        (200, b'{"access_token": "t"}', "t"),
        (400, b'{"error": "invalid_client", "access_token": "t"}', ""),
        (200, b'{"access_token": 7}', ""),
        (200, b"{}", ""),
        (200, b"<html>", ""),
    ],
)
def test_an_answer_without_a_token_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, token: str
) -> None:
    private, _ = make_service_key(tmp_path, "lab")
    answer = SimpleNamespace(status=status, body=body)
    origin: Any = SimpleNamespace(request=lambda *asked: answer)
    monkeypatch.setattr(service_keys, "HttpsOrigin", lambda *given, **more: origin)
    if token:
        assert fetch_token("http://127.0.0.1:1", "lab", private, ["system/*.c"]) == token
        return
    with pytest.raises(ConfigurationError, match="No token was given out"):
        fetch_token("http://127.0.0.1:1", "lab", private, ["system/*.c"])
