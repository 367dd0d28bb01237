"""The provider: discovery, authorize, token, keys. Codes and keys live in memory only."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from threading import Lock
from typing import Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit
from uuid import uuid4

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from chartloom.domain.ports import Clock
from chartloom.guard.https import HttpsOrigin, ServiceUnavailable
from chartloom.guard.staff import Staff
from chartloom.guard.tokens import LOGOUT_EVENT

_CODE_S: Final = 60
_CODES_MAX: Final = 1_000
_FORM_BYTES_MAX: Final = 16_384
_FIELDS: Final = ("client_id", "redirect_uri", "state", "nonce", "code_challenge")


class _Code(msgspec.Struct, frozen=True):
    """What a code stands for, until it is exchanged."""

    subject: str
    redirect_uri: str
    nonce: str
    challenge: str
    until_us: int
    second: bool = False  #: signed in with a second factor, as far as one believes it here


class DemoProvider:
    """One provider for one client. issuer: its own address, on this machine.

    redirect_uri: the only one that codes are sent to. client_secret: made anew at every start.
    """

    def __init__(
        self, issuer: str, redirect_uri: str, staff: Callable[[], Staff], clock: Clock
    ) -> None:
        self.issuer, self.redirect_uri = issuer, redirect_uri
        self.client_id, self.client_secret = "chartloom-console", secrets.token_urlsafe(32)
        self._staff, self._clock = staff, clock
        self._key = ECKey.generate_key("P-256")
        self._key.ensure_kid()
        self._codes: dict[str, _Code] = {}
        self._lock = Lock()
        self._page = Environment(
            loader=PackageLoader("chartloom.serve"), autoescape=True, undefined=StrictUndefined
        ).get_template("demo_idp.html")

    def app(self) -> Starlette:
        """The provider as an ASGI application."""
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/jwks.json", self._keys),
                Route("/authorize", self._authorize),
                Route("/authorize", self._chosen, methods=["POST"]),
                Route("/token", self._token, methods=["POST"]),
                Route("/end-session", self._end_session),
            ]
        )

    async def _discovery(self, request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks.json",
                "end_session_endpoint": f"{self.issuer}/end-session",
                "acr_values_supported": ["mfa", "pwd"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "backchannel_logout_supported": True,
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def _keys(self, request: Request) -> Response:
        key = {**self._key.as_dict(private=False), "use": "sig", "alg": "ES256"}
        return JSONResponse({"keys": [key]})

    async def _authorize(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "")[:500] for name in _FIELDS}
        if not self._is_ours(asked, request.query_params.get("code_challenge_method", "")):
            return self._answer("", [], 400)
        return self._answer(urlencode(asked), list(self._staff().staff), 200)

    async def _chosen(self, request: Request) -> Response:
        form = await _form(request)
        asked = {k: v[0] for k, v in parse_qs(form.get("asked", ""), max_num_fields=20).items()}
        asked = {name: asked.get(name, "") for name in _FIELDS}
        member = self._staff().member(form.get("subject", ""))
        if member is None or not self._is_ours(asked, "S256"):
            return self._answer("", [], 400)
        if "everywhere" in form:
            told = await run_in_threadpool(self.sign_out_everywhere, member.subject)
            return self._answer(urlencode(asked), list(self._staff().staff), 200, told=told)
        code = secrets.token_urlsafe(32)
        until_us = self._clock.now_us() + _CODE_S * 1_000_000
        with self._lock:
            if len(self._codes) >= _CODES_MAX:
                self._codes.clear()
            self._codes[code] = _Code(
                member.subject, asked["redirect_uri"], asked["nonce"], asked["code_challenge"],
                until_us, "second" in form,
            )  # fmt: skip
        answer = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return RedirectResponse(f"{self.redirect_uri}?{answer}", 303)

    async def _token(self, request: Request) -> Response:
        form = await _form(request)
        if not self._is_client(request.headers.get("authorization", "")):
            return JSONResponse({"error": "invalid_client"}, 401)
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        now_us = self._clock.now_us()
        if (
            code is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != code.redirect_uri
            or now_us >= code.until_us
            or not hmac.compare_digest(challenge, code.challenge)
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        return JSONResponse(
            {
                "access_token": secrets.token_urlsafe(16),  # for nothing: there is no user info
                "token_type": "Bearer",
                "expires_in": 60,
                "id_token": self._id_token(code, now_us // 1_000_000),
            }
        )

    async def _end_session(self, request: Request) -> Response:
        """Nobody stays signed in here: it only leads back, and only to the console."""
        back = request.query_params.get("post_logout_redirect_uri", "")
        home = self.redirect_uri.removesuffix("/callback")
        try:
            hint = request.query_params.get("id_token_hint", "")
            claims = jwt.decode(hint, self._key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            claims = {}
        ours = claims.get("aud") == self.client_id and claims.get("iss") == self.issuer
        if not ours or back != f"{home}/sign-in":
            return self._answer("", [], 400)
        return RedirectResponse(back, 303)

    def sign_out_everywhere(self, subject: str) -> bool:
        """Tells the console that somebody signed out here (back-channel logout); whether it took
        it."""
        back = urlsplit(self.redirect_uri)
        client = HttpsOrigin(f"{back.scheme}://{back.netloc}", allow_loopback_http=True)
        form = urlencode({"logout_token": self.logout_token(subject)}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            return client.request("POST", "/backchannel-logout", headers, form).status == 200
        except ServiceUnavailable:
            return False

    def logout_token(self, subject: str, **changes: object) -> str:
        """A logout token for all sessions of somebody; changes: other claims, for tests."""
        now_s = self._clock.now_us() // 1_000_000
        claims = {
            "iss": self.issuer,
            "sub": subject,
            "aud": self.client_id,
            "iat": now_s,
            "exp": now_s + 120,
            "jti": uuid4().hex,
            "events": {LOGOUT_EVENT: {}},
            **changes,
        }
        kept = {k: v for k, v in claims.items() if v is not None}
        header = {"alg": "ES256", "kid": self._key.kid, "typ": "logout+jwt"}
        return jwt.encode(header, kept, self._key, algorithms=["ES256"])

    def _id_token(self, code: _Code, now_s: int) -> str:
        member = self._staff().member(code.subject)
        claims = {
            "iss": self.issuer,
            "sub": code.subject,
            "aud": self.client_id,
            "iat": now_s,
            "exp": now_s + 300,
            "auth_time": now_s,
            "nonce": code.nonce,
            "acr": "mfa" if code.second else "pwd",
            "amr": ["pwd", "otp", "mfa"] if code.second else ["pwd"],
            "sid": uuid4().hex,
            "name": member.name if member else "",
        }
        header = {"alg": "ES256", "kid": self._key.kid, "typ": "JWT"}
        return jwt.encode(header, claims, self._key, algorithms=["ES256"])

    def _is_ours(self, asked: dict[str, str], method: str) -> bool:
        return (
            asked["client_id"] == self.client_id
            and asked["redirect_uri"] == self.redirect_uri
            and method == "S256"
            and all(asked.values())
        )

    def _is_client(self, header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        try:
            id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return False
        right = hmac.compare_digest(unquote(secret).encode(), self.client_secret.encode())
        return scheme.lower() == "basic" and unquote(id) == self.client_id and right

    def _answer(
        self, asked: str, people: list[object], code: int, *, told: bool | None = None
    ) -> Response:
        back = urlsplit(self.redirect_uri)
        return HTMLResponse(
            self._page.render(asked=asked, people=people, told=told),
            code,
            {
                "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
                f"form-action 'self' {back.scheme}://{back.netloc}; "
                "base-uri 'none'; frame-ancestors 'none'",
                "cache-control": "no-store",
                "x-content-type-options": "nosniff",
                "x-frame-options": "DENY",
                "referrer-policy": "no-referrer",
            },
        )


async def _form(request: Request) -> dict[str, str]:
    """A small URL-encoded body; empty if it is larger than any of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES_MAX:
            return {}
    try:
        pairs = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in pairs.items()}
