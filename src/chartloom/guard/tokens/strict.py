"""Signed tokens (JWS compact, RFC 7515 and 7519) read strictly: what is unusual is refused.

The header may hold ``alg``, ``kid`` and ``typ`` and nothing else, so that no token can point at a
key (``jku``, ``x5u``, ``jwk``, ``x5c``), change the rules (``crit``, ``b64``) or wrap another token
(``cty``). Which algorithms are taken is fixed by whoever verifies, never by the token.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import Key

from chartloom.domain.errors import ChartloomError
from chartloom.domain.ports import Clock

#: Largest token that is looked at.
TOKEN_BYTES_MAX: Final = 8_192
#: How far clocks may differ.
LEEWAY_S: Final = 30
_HEADER: Final = frozenset({"alg", "kid", "typ"})
_DEPTH_MAX: Final = 8


class TokenRefused(ChartloomError):
    """A token is not accepted. ``reason`` is a code for the audit log, not for whoever sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__("the token is not accepted.", cure="Ask for a new one.")
        self.reason = reason


class Unverified:
    """A token taken apart, nothing of it believed yet."""

    def __init__(self, token: str, header: Mapping[str, str], claims: Mapping[str, Any]) -> None:
        self.token, self.header, self.claims = token, header, claims
        self.alg, self.kid, self.typ = header["alg"], header["kid"], header.get("typ", "")


def take_apart(
    token: str | bytes, algorithms: Collection[str], types: Collection[str]
) -> Unverified:
    """Form, size, header and JSON of a token. ``types``: accepted ``typ`` in lower case.

    Raises ``TokenRefused``.
    """
    if isinstance(token, bytes):
        token = token.decode("latin-1")
    if not isinstance(token, str) or len(token) > TOKEN_BYTES_MAX:
        raise TokenRefused("too-large")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise TokenRefused("encrypted" if len(parts) == 5 else "malformed")
    header, claims = strict_json(_base64(parts[0])), strict_json(_base64(parts[1]))
    _base64(parts[2])
    if set(header) - _HEADER or not all(isinstance(v, str) for v in header.values()):
        raise TokenRefused("header")
    if header.get("alg") not in algorithms:
        raise TokenRefused("algorithm")
    if not _short(header.get("kid")):
        raise TokenRefused("unknown-key")
    if str(header.get("typ", "")).lower() not in types:
        raise TokenRefused("type")
    return Unverified(token, header, claims)


def verified(unverified: Unverified, key: Key) -> dict[str, Any]:
    """The claims, once the signature holds. Raises ``TokenRefused``."""
    try:
        found = jwt.decode(unverified.token, key, algorithms=[unverified.alg], decoder_cls=_Decoder)
    except (JoseError, ValueError) as error:
        raise TokenRefused("signature") from error
    if found.claims != unverified.claims:
        raise TokenRefused("malformed")  # two readers, two meanings
    return found.claims


def check_claims(
    claims: Mapping[str, Any],
    clock: Clock,
    *,
    issuer: str,
    audience: str,
    lifetime_max_s: int,
    required: Collection[str] = (),
    leeway_s: int = LEEWAY_S,
) -> None:
    """Issuer, audience and times. Raises ``TokenRefused``.

    ``exp`` and ``iat`` are required; ``exp`` may lie at most ``lifetime_max_s`` after ``iat``, so
    that nobody can make a token that lives longer than this site allows.
    """
    now_s = clock.now_us() // 1_000_000
    essential: dict[str, jwt.ClaimsOption] = {name: {"essential": True} for name in required}
    registry = jwt.JWTClaimsRegistry(
        now=now_s,
        leeway=leeway_s,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        iat={"essential": True},
        **essential,
    )
    try:
        registry.validate(dict(claims))
    except ExpiredTokenError as error:
        raise TokenRefused("expired") from error
    except JoseError as error:
        raise TokenRefused(_REASONS.get(getattr(error, "claim", ""), "claims")) from error
    if claims["exp"] - claims["iat"] > lifetime_max_s or claims["iat"] > claims["exp"]:
        raise TokenRefused("lifetime")
    for name in ("iss", "sub", "jti", "azp", "client_id"):
        if name in claims and not _short(claims[name], 512):
            raise TokenRefused("claims")


_REASONS: Final = {"iss": "issuer", "aud": "audience", "nbf": "not-yet", "iat": "not-yet"}


def equal(one: str, other: str) -> bool:
    """Compares secrets in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def strict_json(content: bytes) -> dict[str, Any]:
    """A JSON object without repeated keys, NaN, or deep nesting. Raises ``TokenRefused``."""
    try:
        value = json.loads(content.decode("utf-8"), cls=_Decoder)
    except (ValueError, RecursionError) as error:
        raise TokenRefused("malformed") from error
    if not isinstance(value, dict):
        raise TokenRefused("malformed")
    return value


class _Decoder(json.JSONDecoder):
    def __init__(self, **_: Any) -> None:
        super().__init__(object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)

    def decode(self, s: str, *args: Any) -> Any:
        if _depth(s) > _DEPTH_MAX:
            raise ValueError("too deep")
        return super().decode(s, *args)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _constant(name: str) -> Any:
    raise ValueError(name)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _depth(text: str) -> int:
    """Opening brackets before any can be closed: an upper bound, cheap and enough."""
    deepest = depth = 0
    for c in text:
        if c in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in "]}":
            depth -= 1
    return deepest


def _base64(part: str) -> bytes:
    """Base64url without padding, in its only canonical form."""
    try:
        content = base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenRefused("malformed") from error
    if base64.urlsafe_b64encode(content).rstrip(b"=").decode() != part:
        raise TokenRefused("malformed")
    return content


def _short(value: object, length_max: int = 128) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= length_max
        and value.isascii()
        and value.isprintable()
    )
