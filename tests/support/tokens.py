"""Tokens made by hand, as an attacker would: nothing here refuses to make nonsense."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry

from chartloom.guard.tokens import PublicKeys, read_keys


def b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def sign(header: Any, claims: Any, key: Key | bytes | None) -> str:
    """A token with a right signature over whatever is given. bytes: an HMAC secret."""
    text = f"{b64(as_json(header))}.{b64(as_json(claims))}"
    if key is None:
        return f"{text}."
    if isinstance(key, bytes):
        return f"{text}.{b64(hmac.new(key, text.encode(), hashlib.sha256).digest())}"
    name = "ES256" if isinstance(key, ECKey) else "RS256"
    if isinstance(header, dict) and header.get("alg") in ("ES384", "RS384", "PS256"):
        name = header["alg"]
    return f"{text}.{b64(JWSRegistry.algorithms[name].sign(text.encode(), key))}"


def ec(kid: str = "", curve: Any = "P-256") -> ECKey:
    key = ECKey.generate_key(curve, parameters={"kid": kid} if kid else None)
    key.ensure_kid()
    return key


def rsa(bits: int = 2048) -> RSAKey:
    key = RSAKey.generate_key(bits)
    key.ensure_kid()
    return key


def public_set(*keys: Key) -> bytes:
    return json.dumps({"keys": [k.as_dict(private=False) for k in keys]}).encode()


def public(*keys: Key) -> PublicKeys:
    return read_keys(public_set(*keys))
