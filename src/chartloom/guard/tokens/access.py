"""Access tokens of this site: short-lived, for one audience, bound to a certificate where asked.

JWT profile of RFC 9068, signed ES256; ``cnf`` with ``x5t#S256`` as in RFC 8705.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from typing import Any, Final
from uuid import uuid4

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from chartloom.domain.ports import Clock
from chartloom.guard.tokens.keysets import FixedKeys, KeySource, PublicKeys, read_keys
from chartloom.guard.tokens.strict import TokenRefused, check_claims, equal, take_apart, verified

#: No access token lives longer.
LIFETIME_MAX_S: Final = 300
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt"})


class Access(msgspec.Struct, frozen=True):
    """What a verified access token says.

    subject: the service, or the person in whose name it acts. client: the service. purpose: purpose
    of use, ``""`` if the token names none. thumbprint: of the certificate it is bound to.
    """

    subject: str
    client: str
    scopes: frozenset[str]
    token_id: str
    expires_at_s: int
    purpose: str = ""
    thumbprint: str = ""


def certificate_thumbprint(der: bytes) -> str:
    """``x5t#S256`` of a certificate (RFC 8705 section 3.1)."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def signing_key(pem: bytes) -> ECKey:
    """A P-256 key for signing from PEM; its id is its RFC 7638 thumbprint."""
    key = ECKey.import_key(pem)
    key.ensure_kid()
    return key


class TokenIssuer:
    """Issues access tokens. ``key``: see :func:`signing_key`."""

    def __init__(self, key: ECKey, issuer: str, clock: Clock) -> None:
        self._key, self._issuer, self._clock = key, issuer, clock

    def issue(
        self,
        subject: str,
        audience: str,
        scopes: Collection[str],
        *,
        client: str = "",
        purpose: str = "",
        certificate: bytes = b"",
        ttl_s: int = LIFETIME_MAX_S,
    ) -> str:
        """A token for ``ttl_s`` seconds, at most :data:`LIFETIME_MAX_S`.

        certificate: DER of the client certificate without which the token is worth nothing.
        """
        if not 0 < ttl_s <= LIFETIME_MAX_S or not audience or any(" " in s for s in scopes):
            raise ValueError("a token needs a short life, an audience, and plain scopes")
        now_s = self._clock.now_us() // 1_000_000
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "sub": subject,
            "aud": audience,
            "client_id": client or subject,
            "scope": " ".join(sorted(scopes)),
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + ttl_s,
            "jti": uuid4().hex,
        }
        if purpose:
            claims["purpose"] = purpose
        if certificate:
            claims["cnf"] = {"x5t#S256": certificate_thumbprint(certificate)}
        header = {"alg": "ES256", "kid": self._key.kid, "typ": "at+jwt"}
        return jwt.encode(header, claims, self._key, algorithms=["ES256"])

    def public_keys(self) -> PublicKeys:
        """What verifies its tokens."""
        return read_keys(msgspec.json.encode({"keys": [self._key.as_dict(private=False)]}))

    def key_set(self) -> dict[str, Any]:
        """The same as a JSON Web Key Set to publish."""
        return {"keys": [{**self._key.as_dict(private=False), "use": "sig", "alg": "ES256"}]}


class AccessVerifier:
    """Verifies access tokens for one audience."""

    def __init__(
        self, keys: KeySource | PublicKeys, issuer: str, audience: str, clock: Clock
    ) -> None:
        self._keys = FixedKeys(keys) if isinstance(keys, PublicKeys) else keys
        self._issuer, self._audience, self._clock = issuer, audience, clock

    def verify(
        self,
        token: str | bytes,
        *,
        scopes: Collection[str] = (),
        certificate: bytes = b"",
        bound: bool = False,
    ) -> Access:
        """What the token says, if all of it holds.

        scopes: all must be in the token. certificate: DER that the client showed; a token bound to
        a certificate is taken only with that one. bound: refuse tokens that are not bound. Raises
        ``TokenRefused``.
        """
        unverified = take_apart(token, ("ES256",), _TYPES)
        claims = verified(unverified, self._keys.find(unverified.kid, "ES256"))
        check_claims(
            claims,
            self._clock,
            issuer=self._issuer,
            audience=self._audience,
            lifetime_max_s=LIFETIME_MAX_S,
            required=("sub", "jti", "scope", "client_id"),
        )
        if claims["aud"] != self._audience or not isinstance(claims["scope"], str):
            raise TokenRefused("audience" if claims["aud"] != self._audience else "claims")
        access = Access(
            subject=claims["sub"],
            client=claims["client_id"],
            scopes=frozenset(claims["scope"].split()),
            token_id=claims["jti"],
            expires_at_s=int(claims["exp"]),
            purpose=_text(claims, "purpose"),
            thumbprint=_bound_to(claims),
        )
        if access.thumbprint or bound:
            shown = certificate_thumbprint(certificate) if certificate else ""
            if not access.thumbprint or not equal(shown, access.thumbprint):
                raise TokenRefused("binding")
        if not access.scopes.issuperset(scopes):
            raise TokenRefused("scope")
        return access


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str):
        raise TokenRefused("claims")
    return value


def _bound_to(claims: dict[str, Any]) -> str:
    if "cnf" not in claims:
        return ""
    cnf = claims["cnf"]
    value = cnf.get("x5t#S256") if isinstance(cnf, dict) and len(cnf) == 1 else None
    if not isinstance(value, str) or not value:
        raise TokenRefused("binding")  # bound in a way that is not known here
    return value
