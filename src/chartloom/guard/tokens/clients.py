"""Services that ask for access tokens with a signed assertion instead of a secret.

SMART App Launch 2, "Backend Services" and "Asymmetric Authentication": RFC 7523 client assertions
at the token endpoint, grant type ``client_credentials``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final
from uuid import uuid4

import msgspec
from joserfc import jwt
from joserfc.jwk import Key

from chartloom.domain.errors import ChartloomError
from chartloom.domain.grant import Purpose
from chartloom.domain.ports import Clock, UsedTokens
from chartloom.guard.tokens.access import LIFETIME_MAX_S, TokenIssuer
from chartloom.guard.tokens.keysets import KeySource
from chartloom.guard.tokens.strict import (
    LEEWAY_S,
    TokenRefused,
    check_claims,
    take_apart,
    verified,
)

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: SMART names ES384 and RS384; ES256 is what our own services sign with.
ASSERTION_ALGORITHMS: Final = ("ES256", "ES384", "RS384")
_FIELDS: Final = frozenset(
    {"grant_type", "client_assertion_type", "client_assertion", "scope", "client_id", "resource"}
    | {"purpose_of_use"}
)


class Client(msgspec.Struct, frozen=True):
    """A registered service. certificate_bound: its tokens work only over its own mTLS.

    owns: whether a certificate (DER) is one of its own.
    """

    client_id: str
    keys: KeySource
    scopes: frozenset[str]
    algorithms: tuple[str, ...] = ASSERTION_ALGORITHMS
    certificate_bound: bool = False
    owns: Callable[[bytes], bool] = bool


class TokenError(ChartloomError):
    """An OAuth error answer (RFC 6749 section 5.2). ``reason`` is for the audit log only."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(f"the token request was refused ({error}).")
        self.error, self.reason = error, reason


def make_assertion(
    key: Key, algorithm: str, client_id: str, token_url: str, clock: Clock, ttl_s: int = 60
) -> str:
    """A client's assertion for one token request."""
    now_s = clock.now_us() // 1_000_000
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": token_url,
        "iat": now_s,
        "exp": now_s + ttl_s,
        "jti": uuid4().hex,
    }
    key.ensure_kid()
    header = {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    return jwt.encode(header, claims, key, algorithms=[algorithm])


class AssertionVerifier:
    """Tells which client sent an assertion; each is good for one use."""

    def __init__(
        self, clients: Mapping[str, Client], token_url: str, used: UsedTokens, clock: Clock
    ) -> None:
        self._clients, self._token_url = clients, token_url
        self._used, self._clock = used, clock

    def verify(self, assertion: str) -> Client:
        """The client. Raises ``TokenRefused``."""
        unverified = take_apart(assertion, ASSERTION_ALGORITHMS, ("jwt", ""))
        name = unverified.claims.get("iss")
        client = self._clients.get(name) if isinstance(name, str) else None
        if client is None:
            raise TokenRefused("unknown-client")
        if unverified.alg not in client.algorithms:
            raise TokenRefused("algorithm")
        claims = verified(unverified, client.keys.find(unverified.kid, unverified.alg))
        # SMART leaves ``iat`` to the sender; without it, life counts from now. With it, life ends
        # as soon, for no token may have been made later than now.
        now_s = self._clock.now_us() // 1_000_000
        check_claims(
            {"iat": now_s, **claims},
            self._clock,
            issuer=client.client_id,
            audience=self._token_url,
            lifetime_max_s=LIFETIME_MAX_S,
            required=("sub", "jti"),
        )
        if claims["sub"] != client.client_id:
            raise TokenRefused("claims")
        until_us = (int(claims["exp"]) + LEEWAY_S + 1) * 1_000_000
        if not self._used.first_use(client.client_id, claims["jti"], until_us):
            raise TokenRefused("replayed")
        return client


class Issued(msgspec.Struct, frozen=True):
    """A token answer (RFC 6749 section 5.1)."""

    access_token: str
    expires_in: int
    scope: str
    client_id: str
    token_type: str = "bearer"  # noqa: S105


class TokenEndpoint:
    """The token endpoint without its web framework: fields of the form in, answer out."""

    def __init__(
        self, assertions: AssertionVerifier, issuer: TokenIssuer, audiences: Collection[str]
    ) -> None:
        self._assertions, self._issuer = assertions, issuer
        self._audiences = tuple(audiences)

    def token(self, form: Mapping[str, str], *, certificate: bytes = b"") -> Issued:
        """Answers a ``client_credentials`` request. certificate: DER that the client showed.

        Raises ``TokenError``; its ``error`` goes into the answer (400, ``invalid_client`` 401).
        """
        if set(form) - _FIELDS:
            raise TokenError("invalid_request", "unknown-field")
        if form.get("grant_type") != "client_credentials":
            raise TokenError("unsupported_grant_type", "grant-type")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenError("invalid_client", "assertion-type")
        try:
            client = self._assertions.verify(form.get("client_assertion", ""))
        except TokenRefused as error:
            raise TokenError("invalid_client", error.reason) from error
        if form.get("client_id", client.client_id) != client.client_id:
            raise TokenError("invalid_client", "client-id")
        if client.certificate_bound and not (certificate and client.owns(certificate)):
            raise TokenError("invalid_client", "binding")
        audience = form.get("resource", self._audiences[0])
        if audience not in self._audiences:
            raise TokenError("invalid_target", "audience")
        asked = frozenset(form.get("scope", "").split())
        if not asked or not asked <= client.scopes:
            raise TokenError("invalid_scope", "scope")
        purpose = form.get("purpose_of_use", "")
        if purpose not in ("", *Purpose):
            raise TokenError("invalid_request", "purpose")
        token = self._issuer.issue(
            client.client_id,
            audience,
            asked,
            purpose=purpose,
            certificate=certificate if client.certificate_bound else b"",
        )
        return Issued(token, LIFETIME_MAX_S, " ".join(sorted(asked)), client.client_id)
