"""Key sets: which keys are taken, from where, and for how long they are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import OctKey
from tests.support.clock import FakeClock
from tests.support.tls_server import Asked, Reply, https_server
from tests.support.token_examples import KEY, OTHER, RSA, clock, refused
from tests.support.tokens import b64, public_set

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.guard.https import AddressRefused, HttpsOrigin, ServiceUnavailable
from chartloom.guard.tokens import (
    FetchedKeys,
    FileKeys,
    read_keys,
)

__all__ = ["clock"]


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}, "private-key"),
        (OTHER.as_dict(private=True), "private-key"),
        (RSA.as_dict(private=True), "private-key"),
        ({"kty": "EC", "kid": "x"}, "malformed"),
        ({**OTHER.as_dict(private=False), "x": "AAAA"}, "malformed"),
        ({**OTHER.as_dict(private=False), "kid": KEY.kid}, "malformed"),
        ("x", "malformed"),
        ({**OTHER.as_dict(private=False), "kid": ""}, 1),
        ({**OTHER.as_dict(private=False), "use": "enc"}, 1),
        ({**OTHER.as_dict(private=False), "key_ops": ["sign"]}, 1),
        ({"kty": "AKP", "kid": "pq", "pub": "AA"}, 1),
        ({**OTHER.as_dict(private=False), "x5u": "https://evil.test", "alg": "ES256"}, 2),
    ],
)
def test_entries_of_key_sets(entry: Any, outcome: str | int) -> None:
    content = json.dumps({"keys": [KEY.as_dict(private=False), entry]}).encode()
    if isinstance(outcome, int):
        assert len(read_keys(content)) == outcome
    else:
        assert refused(lambda: read_keys(content)) == outcome


def test_weak_rsa_keys_are_refused() -> None:
    numbers = generate_private_key(65537, 1024).public_key().public_numbers()
    entry = {
        "kty": "RSA",
        "kid": "weak",
        "n": b64(numbers.n.to_bytes(128)),
        "e": b64(numbers.e.to_bytes(3)),
    }
    assert refused(lambda: read_keys(json.dumps({"keys": [entry]}).encode())) == "weak-key"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[' + b"{}," * 60 + b"{}]}",
        b'{"keys":[],"keys":[]}',
    ],
)
def test_what_is_no_key_set(content: bytes) -> None:
    assert refused(lambda: read_keys(content)) == "malformed"
    assert refused(lambda: read_keys(b" " * 65_537)) == "too-large"


def test_key_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(ConfigurationError):
        FileKeys(path)
    path.write_bytes(public_set(KEY))
    keys = FileKeys(path)
    assert keys.find(str(KEY.kid), "ES256").kid == KEY.kid
    assert refused(lambda: keys.find(str(OTHER.kid), "ES256")) == "unknown-key"
    path.write_bytes(public_set(OTHER, RSA))
    assert keys.find(str(OTHER.kid), "ES256").kid == OTHER.kid
    assert refused(lambda: keys.find(str(KEY.kid), "ES256")) == "unknown-key"
    path.write_bytes(json.dumps({"keys": [OctKey.generate_key().as_dict()]}).encode())
    with pytest.raises(ConfigurationError):
        keys.find(str(KEY.kid), "ES256")


class Keys:
    """A JWKS address whose answer changes."""

    def __init__(self) -> None:
        self.reply = Reply(200, public_set(KEY))

    def __call__(self, asked: Asked) -> Reply:
        return self.reply if asked.path == "/jwks?x=1" else Reply(404)


def test_fetched_keys_are_kept_and_renewed(tmp_path: Path, clock: FakeClock) -> None:
    answers = Keys()
    with https_server(tmp_path, answers) as served:
        client = HttpsOrigin(served.url, ca=served.ca, allow_private=True)
        keys = FetchedKeys(served.url + "/jwks?x=1", client, clock)
        kid, other = str(KEY.kid), str(OTHER.kid)
        for _ in range(3):
            assert keys.find(kid, "ES256").kid == kid
        assert len(served.asked) == 1
        answers.reply = Reply(200, public_set(KEY, OTHER))
        assert refused(lambda: keys.find(other, "ES256")) == "unknown-key"
        for _ in range(5):  # unknown ids cannot make us ask all the time
            refused(lambda: keys.find("nobody", "ES256"))
        assert len(served.asked) == 1
        clock.time_us += 31_000_000
        assert keys.find(other, "ES256").kid == other
        assert len(served.asked) == 2
        for broken in (Reply(500), Reply(302, b"", {"Location": "/jwks?x=1"}), Reply(200, b"[]")):
            answers.reply = broken
            clock.time_us += 301_000_000
            assert keys.find(kid, "ES256").kid == kid  # the old set, for a while
        clock.time_us += 3_600_000_000
        with pytest.raises(ChartloomError):
            keys.find(kid, "ES256")


def test_keys_are_fetched_from_nowhere_else(tmp_path: Path, clock: FakeClock) -> None:
    with https_server(tmp_path, Keys()) as served:
        client = HttpsOrigin(served.url, ca=served.ca)
        with pytest.raises(ConfigurationError):
            FetchedKeys("https://evil.test/jwks", client, clock)
        keys = FetchedKeys(served.url + "/jwks?x=1", client, clock)
        with pytest.raises(AddressRefused):
            keys.find("k", "ES256")
        missing = HttpsOrigin(served.url, ca=served.ca, allow_private=True)
        with pytest.raises(ServiceUnavailable, match="404"):
            FetchedKeys(served.url + "/other", missing, clock).find("k", "ES256")
