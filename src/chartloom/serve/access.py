"""Who may use the console: one-time links, signed sessions, CSRF tokens, opaque search handles.

Everything hangs on one secret, the *console token* of the running site (at least 32 random
characters, kept with the keys). Sessions are stateless: a signed cookie that ends by itself.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import sha256

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chartloom.domain import codec
from chartloom.domain.ports import Clock

COOKIE = "chartloom_session"
SESSION_S = 12 * 3600
LINK_S = 24 * 3600
_TOKEN_CHARS_MIN = 32
_SEARCH_CHARS_MAX = 2000


class Session(msgspec.Struct, frozen=True):
    """A signed-in browser."""

    id: str
    actor: str
    expires_at_us: int


def sign_in_path(token: str, now_us: int, *, valid_s: int = LINK_S) -> str:
    """A link for one sign-in, relative to the console's address: ``/enter?token=...``.

    Printed by whoever holds the console token (``chartloom up``). It works once, until it expires.
    """
    body = f"{now_us // 1_000_000 + valid_s}.{secrets.token_urlsafe(12)}"
    return f"/enter?token={body}.{_mac(token, 'link', body)}"


class Access:
    """Issues and checks everything that proves a request may be answered."""

    def __init__(self, token: str, clock: Clock, actor: str = "local-operator") -> None:
        if len(token) < _TOKEN_CHARS_MIN:
            raise ValueError(f"the console token needs at least {_TOKEN_CHARS_MIN} characters")
        self._token, self._clock, self._actor = token, clock, actor
        self._used: dict[str, int] = {}
        self._search_cipher = AESGCM(
            hmac.digest(token.encode(), b"chartloom search handles", sha256)
        )

    def redeem(self, link_token: str) -> Session | None:
        """A session for a link's token; None if it is forged, expired or was used before."""
        body, _, mac = link_token.rpartition(".")
        if not _equal(mac, _mac(self._token, "link", body)):
            return None
        now_s = self._clock.now_us() // 1_000_000
        expires = body.partition(".")[0]
        if not expires.isdecimal() or int(expires) < now_s:
            return None
        self._used = {used: until for used, until in self._used.items() if until >= now_s}
        if body in self._used:
            return None
        self._used[body] = int(expires)
        return Session(
            secrets.token_urlsafe(16), self._actor, self._clock.now_us() + SESSION_S * 1_000_000
        )

    def cookie(self, session: Session) -> str:
        """The cookie's value: the session and its signature."""
        body = _b64(codec.encode(session))
        return f"{body}.{_mac(self._token, 'session', body)}"

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie; None if it is forged, damaged or over."""
        body, _, mac = cookie.rpartition(".")
        if not body or not _equal(mac, _mac(self._token, "session", body)):
            return None
        try:
            session = msgspec.json.decode(_unb64(body), type=Session)
        except (binascii.Error, msgspec.DecodeError):
            return None
        return session if session.expires_at_us > self._clock.now_us() else None

    def bearer(self, header: str) -> Session | None:
        """A session for ``Authorization: Bearer <console token>``, for scripts on this machine."""
        scheme, _, presented = header.partition(" ")
        if scheme.lower() != "bearer" or not _equal(presented.strip(), self._token):
            return None
        return Session("bearer", self._actor, self._clock.now_us() + 60_000_000)

    def csrf(self, session: Session) -> str:
        """The token that every form of this session carries."""
        return _mac(self._token, "csrf", session.id)

    def csrf_holds(self, session: Session, presented: str) -> bool:
        """Does a form's token belong to this session?"""
        return _equal(presented, self.csrf(session))

    def hide(self, terms: dict[str, str]) -> str:
        """Search terms as an opaque handle, so that no name or number stands in a URL."""
        nonce = secrets.token_bytes(12)
        return _b64(nonce + self._search_cipher.encrypt(nonce, codec.encode(terms), b"search"))

    def reveal(self, handle: str) -> dict[str, str]:
        """The terms of a handle; empty if it is not one of ours (for example after a restart)."""
        if not handle or len(handle) > _SEARCH_CHARS_MAX:
            return {}
        try:
            raw = _unb64(handle)
            plain = self._search_cipher.decrypt(raw[:12], raw[12:], b"search")
        except (binascii.Error, InvalidTag, ValueError):
            return {}
        return msgspec.json.decode(plain, type=dict[str, str])


def _mac(token: str, purpose: str, body: str) -> str:
    text = f"chartloom {purpose}\x1f{body}".encode("utf-8", "surrogatepass")
    return _b64(hmac.digest(token.encode(), text, sha256))


def _equal(presented: str, expected: str) -> bool:
    """Compares without telling by its time how much was right."""
    return hmac.compare_digest(presented.encode("utf-8", "surrogatepass"), expected.encode())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError as e:
        raise binascii.Error("not ASCII") from e
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
