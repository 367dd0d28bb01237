"""Sign-in by OpenID Connect: this site as a relying party, without any web framework.

Authorization code flow with PKCE (RFC 7636), state and nonce; OpenID Connect Core 1.0 sections
3.1.2 and 3.1.3. Against mix-up: issuer compared exactly in discovery, in the answer (RFC 9207) and
in the token, and a sign-in that is under way belongs to one issuer.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from joserfc.jwk import Key

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ports import Clock
from chartloom.guard.https import HttpsOrigin, ServiceUnavailable, origin_of, path_of
from chartloom.guard.tokens.clients import ASSERTION_TYPE, make_assertion
from chartloom.guard.tokens.keysets import ALGORITHMS, KeySource
from chartloom.guard.tokens.logout import Notice, read_logout
from chartloom.guard.tokens.strict import (
    LEEWAY_S,
    TokenRefused,
    check_claims,
    equal,
    strict_json,
    take_apart,
    verified,
)

#: How long somebody may take to sign in.
PENDING_S: Final = 600
#: Longest life of an id token that is taken.
ID_TOKEN_LIFETIME_MAX_S: Final = 86_400
_HASHES: Final = {"256": hashlib.sha256, "384": hashlib.sha384}


class Provider(msgspec.Struct, frozen=True):
    """What is believed of an identity provider: from discovery, or written in the site folder."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str = ""
    issuer_in_answer: bool = False


class Secret(msgspec.Struct, frozen=True):
    """A client secret, sent as HTTP Basic. ``repr`` does not show it."""

    value: str

    def __repr__(self) -> str:
        return "Secret(...)"


class SigningKey(msgspec.Struct, frozen=True):
    """A private key that signs client assertions (``private_key_jwt``)."""

    key: Key
    algorithm: str = "ES256"

    def __repr__(self) -> str:
        return f"SigningKey(..., {self.algorithm!r})"


class Pending(msgspec.Struct, frozen=True):
    """A sign-in under way. Kept on the server (sealed, or in a sealed cookie) until the answer."""

    issuer: str
    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    started_us: int
    max_age_s: int = -1


class Identity(msgspec.Struct, frozen=True):
    """Who signed in. claims: all of the id token, for mapping to staff. signed_in_s: auth_time, or
    when the token was made; proved: it is auth_time, so the person was there then."""

    issuer: str
    subject: str
    claims: dict[str, Any]
    session_id: str
    signed_in_s: int
    id_token: str
    proved: bool = False

    def __repr__(self) -> str:
        return "Identity(...)"


class Demands(msgspec.Struct, frozen=True):
    """How people must have signed in at the provider: with one of these classes (``acr``), and with
    all of these methods (``amr``, RFC 8176, for example ``mfa``). Nothing is demanded if empty."""

    acr: tuple[str, ...] = ()
    amr: tuple[str, ...] = ()


def discover(issuer: str, client: HttpsOrigin, also: Sequence[str] = ()) -> Provider:
    """Reads ``<issuer>/.well-known/openid-configuration`` (OpenID Connect Discovery 1.0).

    client: speaks with the issuer's origin. also: further origins that endpoints may have. The
    issuer in the document must be the one asked for, to the letter. Raises ``ConfigurationError``
    or ``ServiceUnavailable``.
    """
    if origin_of(issuer) != client.origin:
        raise ConfigurationError("the issuer lies at another origin.", where=client.origin)
    path = path_of(issuer.rstrip("/") + "/.well-known/openid-configuration")
    answer = client.request("GET", path, {"Accept": "application/json"})
    if answer.status != 200:
        raise ServiceUnavailable(
            f"discovery was answered with status {answer.status}.", where=client.origin
        )
    try:
        found = strict_json(answer.body)
    except TokenRefused as error:
        raise _wrong("is not a JSON object", client) from error
    if found.get("issuer") != issuer:
        raise _wrong("names another issuer", client)
    if "S256" not in found.get("code_challenge_methods_supported", ["S256"]):
        raise _wrong("does not offer PKCE with S256", client)
    allowed = {client.origin, *map(origin_of, also)}

    def endpoint(name: str, needed: bool = True) -> str:
        url = found.get(name)
        if url is None and not needed:
            return ""
        if not isinstance(url, str) or origin_of(url) not in allowed:
            raise _wrong(f"names a {name} at an origin that is not allowed", client)
        return url

    return Provider(
        issuer=issuer,
        authorization_endpoint=endpoint("authorization_endpoint"),
        token_endpoint=endpoint("token_endpoint"),
        jwks_uri=endpoint("jwks_uri"),
        end_session_endpoint=endpoint("end_session_endpoint", needed=False),
        issuer_in_answer=found.get("authorization_response_iss_parameter_supported") is True,
    )


def _wrong(what: str, client: HttpsOrigin) -> ConfigurationError:
    return ConfigurationError(
        f"the provider's discovery document {what}.",
        where=client.origin,
        cure="Check the issuer in the site folder; allow further origins there if they are meant.",
    )


class RelyingParty:
    """Signs people in with one provider.

    keys: of ``provider.jwks_uri``. connect: gives the client for an origin (for the token
    endpoint). algorithms: of id tokens; fixed here, never taken from the provider.
    """

    def __init__(
        self,
        provider: Provider,
        client_id: str,
        redirect_uri: str,
        auth: Secret | SigningKey,
        keys: KeySource,
        connect: Callable[[str], HttpsOrigin],
        clock: Clock,
        *,
        algorithms: Sequence[str] = ("RS256",),
        scopes: Sequence[str] = ("openid", "profile"),
        demands: Demands = Demands(),  # noqa: B008 - frozen
    ) -> None:
        if not algorithms or not set(algorithms) <= set(ALGORITHMS):
            raise ConfigurationError(
                "an algorithm for id tokens is not known.", cure=f"Choose of {list(ALGORITHMS)}."
            )
        self.provider = provider
        self._client_id, self._redirect_uri = client_id, redirect_uri
        self._auth, self._keys, self._clock = auth, keys, clock
        self._client = connect(origin_of(provider.token_endpoint))
        self._algorithms = tuple(algorithms)
        self._scopes = " ".join(dict.fromkeys(("openid", *scopes)))
        self.demands = demands

    def begin(self, *, max_age_s: int = -1, prompt: str = "") -> tuple[str, Pending]:
        """The address to send the browser to, and what to keep until it comes back.

        max_age_s: how old the provider's own sign-in may be; 0 asks for a fresh one.
        """
        pending = Pending(
            issuer=self.provider.issuer,
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            redirect_uri=self._redirect_uri,
            started_us=self._clock.now_us(),
            max_age_s=max_age_s,
        )
        fields = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect_uri,
            "scope": self._scopes,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": challenge(pending.verifier),
            "code_challenge_method": "S256",
        }
        optional = {"prompt": prompt, "acr_values": " ".join(self.demands.acr)}
        fields.update({k: v for k, v in optional.items() if v})
        if max_age_s >= 0:
            fields["max_age"] = str(max_age_s)
        at = self.provider.authorization_endpoint
        return f"{at}{'&' if '?' in at else '?'}{urlencode(fields)}", pending

    def finish(self, pending: Pending, answer: Mapping[str, str]) -> Identity:
        """Who signed in, from the query of the address the browser came back with.

        ``pending`` must be dropped before this is called, so that an answer is good for one try.
        Raises ``TokenRefused`` or ``ServiceUnavailable``.
        """
        if not equal(answer.get("state", ""), pending.state):
            raise TokenRefused("state")
        if pending.issuer != self.provider.issuer or pending.redirect_uri != self._redirect_uri:
            raise TokenRefused("issuer")
        if not 0 <= self._clock.now_us() - pending.started_us < PENDING_S * 1_000_000:
            raise TokenRefused("expired")
        said = answer.get("iss")
        if said != self.provider.issuer and (said is not None or self.provider.issuer_in_answer):
            raise TokenRefused("issuer")
        if "error" in answer:
            raise TokenRefused("declined")
        code = answer.get("code", "")
        if not code or len(code) > 4_096:
            raise TokenRefused("malformed")
        return self._identity(self._exchange(code, pending), pending)

    def logged_out(self, token: str) -> Notice:
        """Who signed out at the provider, as it says by itself. Raises ``TokenRefused`` or
        ``ServiceUnavailable``."""
        return read_logout(
            token,
            issuer=self.provider.issuer,
            audience=self._client_id,
            algorithms=self._algorithms,
            keys=self._keys,
            clock=self._clock,
        )

    def leave(self, id_token: str) -> str:
        """The address that ends the provider's own session and leads back to the page for signing
        in (OpenID Connect RP-Initiated Logout 1.0); "" if the provider has none."""
        at = self.provider.end_session_endpoint
        if not at or not id_token:
            return ""
        back = self._redirect_uri.removesuffix("/callback") + "/sign-in"
        fields = {
            "id_token_hint": id_token,
            "client_id": self._client_id,
            "post_logout_redirect_uri": back,
        }
        return f"{at}{'&' if '?' in at else '?'}{urlencode(fields)}"

    def _exchange(self, code: str, pending: Pending) -> dict[str, Any]:
        """The token answer (OpenID Connect Core 3.1.3)."""
        url = self.provider.token_endpoint
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.verifier,
        }
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        if isinstance(self._auth, Secret):
            pair = f"{quote(self._client_id, safe='')}:{quote(self._auth.value, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            fields["client_id"] = self._client_id
            fields["client_assertion_type"] = ASSERTION_TYPE
            fields["client_assertion"] = make_assertion(
                self._auth.key, self._auth.algorithm, self._client_id, url, self._clock
            )
        answer = self._client.request("POST", path_of(url), headers, urlencode(fields).encode())
        if answer.status != 200:
            raise TokenRefused("code")
        return strict_json(answer.body)

    def _identity(self, tokens: dict[str, Any], pending: Pending) -> Identity:
        """The id token, validated (OpenID Connect Core 3.1.3.7)."""
        raw, access = tokens.get("id_token"), tokens.get("access_token", "")
        if not isinstance(raw, str) or not isinstance(access, str):
            raise TokenRefused("malformed")
        unverified = take_apart(raw, self._algorithms, ("jwt", ""))
        claims = verified(unverified, self._keys.find(unverified.kid, unverified.alg))
        check_claims(
            claims,
            self._clock,
            issuer=self.provider.issuer,
            audience=self._client_id,
            lifetime_max_s=ID_TOKEN_LIFETIME_MAX_S,
            required=("sub", "nonce"),
        )
        nonce = claims["nonce"]
        if not isinstance(nonce, str) or not equal(nonce, pending.nonce):
            raise TokenRefused("nonce")
        self._check_party(claims)
        self._check_demands(claims)
        _check_hash(claims, "at_hash", access, unverified.alg)
        return Identity(
            issuer=claims["iss"],
            subject=claims["sub"],
            claims=claims,
            session_id=claims["sid"] if isinstance(claims.get("sid"), str) else "",
            signed_in_s=self._signed_in_s(claims, pending),
            id_token=raw,
            proved="auth_time" in claims,
        )

    def _check_party(self, claims: dict[str, Any]) -> None:
        """For us, and for nobody else unless ``azp`` says that we asked."""
        audience = claims["aud"]
        several = isinstance(audience, list) and audience != [self._client_id]
        if several and "azp" not in claims:
            raise TokenRefused("audience")
        if claims.get("azp", self._client_id) != self._client_id:
            raise TokenRefused("audience")

    def _check_demands(self, claims: dict[str, Any]) -> None:
        """What the provider says of how the person signed in; what it does not say, did not
        happen."""
        if self.demands.acr and claims.get("acr") not in self.demands.acr:
            raise TokenRefused("acr")
        said = claims.get("amr", [])
        methods = {m for m in said if isinstance(m, str)} if isinstance(said, list) else set()
        if not set(self.demands.amr) <= methods:
            raise TokenRefused("amr")

    def _signed_in_s(self, claims: dict[str, Any], pending: Pending) -> int:
        """When the provider saw the person, which must be as fresh as was asked."""
        at = claims.get("auth_time")
        if at is not None and (isinstance(at, bool) or not isinstance(at, int | float)):
            raise TokenRefused("claims")
        if pending.max_age_s < 0:
            return int(at if at is not None else claims["iat"])
        now_s = self._clock.now_us() / 1e6
        if at is None or now_s - at > pending.max_age_s + LEEWAY_S or at > now_s + LEEWAY_S:
            raise TokenRefused("too-old")
        return int(at)


def challenge(verifier: str) -> str:
    """PKCE's S256."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def left_half(value: str, alg: str) -> str:
    """``at_hash`` and ``c_hash``: the left half of the hash that belongs to the algorithm."""
    hashed = _HASHES.get(alg[2:], hashlib.sha512)(value.encode("ascii")).digest()
    return base64.urlsafe_b64encode(hashed[: len(hashed) // 2]).rstrip(b"=").decode()


def _check_hash(claims: dict[str, Any], name: str, value: str, alg: str) -> None:
    if name not in claims:
        return
    said = claims[name]
    if not isinstance(said, str) or not value.isascii() or not equal(said, left_half(value, alg)):
        raise TokenRefused("hash")
