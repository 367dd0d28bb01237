"""What proves things without a session: one-time links, opaque search handles, sign-ins under way.

Everything hangs on one secret, the *console token* of the running site (at least 32 random
characters, kept with the run files).
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
from chartloom.domain.ports import Clock, UsedTokens

LINK_S = 24 * 3600
_TOKEN_CHARS_MIN = 32
_HANDLE_CHARS_MAX = 4000


def sign_in_path(token: str, now_us: int, *, valid_s: int = LINK_S) -> str:
    """A link for one sign-in, relative to the console's address: ``/enter?token=...``.

    Printed by whoever holds the console token (``chartloom up``). It works once, until it expires,
    and only where no identity provider is configured.
    """
    body = f"{now_us // 1_000_000 + valid_s}.{secrets.token_urlsafe(12)}"
    return f"/enter?token={body}.{_mac(token, 'link', body)}"


class Handles:
    """Makes and reads what travels through the browser without being readable there."""

    def __init__(self, token: str, clock: Clock, used: UsedTokens) -> None:
        if len(token) < _TOKEN_CHARS_MIN:
            raise ValueError(f"the console token needs at least {_TOKEN_CHARS_MIN} characters")
        self._token, self._clock, self._used = token, clock, used
        self._ciphers: dict[str, AESGCM] = {}

    def redeem(self, link_token: str) -> bool:
        """Whether a link's token is good: not forged, not expired, not used before."""
        body, _, mac = link_token.rpartition(".")
        if not _equal(mac, _mac(self._token, "link", body)):
            return False
        now_s = self._clock.now_us() // 1_000_000
        expires, _, name = body.partition(".")
        if not expires.isdecimal() or int(expires) < now_s:
            return False
        return self._used.first_use("console-link", name, (int(expires) + 1) * 1_000_000)

    def hide(self, terms: dict[str, str], purpose: str = "search") -> str:
        """Terms as an opaque handle, so that no name or number stands in a URL."""
        nonce = secrets.token_bytes(12)
        sealed = self._cipher(purpose).encrypt(nonce, codec.encode(terms), purpose.encode())
        return _b64(nonce + sealed)

    def reveal(self, handle: str, purpose: str = "search") -> dict[str, str]:
        """The terms of a handle; empty if it is not one of ours (for example after a restart)."""
        if not handle or len(handle) > _HANDLE_CHARS_MAX:
            return {}
        try:
            raw = _unb64(handle)
            plain = self._cipher(purpose).decrypt(raw[:12], raw[12:], purpose.encode())
        except (binascii.Error, InvalidTag, ValueError):
            return {}
        return msgspec.json.decode(plain, type=dict[str, str])

    def _cipher(self, purpose: str) -> AESGCM:
        if purpose not in self._ciphers:
            info = f"chartloom {purpose} handles".encode()
            self._ciphers[purpose] = AESGCM(hmac.digest(self._token.encode(), info, sha256))
        return self._ciphers[purpose]


def _mac(token: str, purpose: str, body: str) -> str:
    text = f"chartloom {purpose}\x1f{body}".encode("utf-8", "surrogatepass")
    return _b64(hmac.digest(token.encode(), text, sha256))


def equal(presented: str, expected: str) -> bool:
    """Compares without telling by its time how much was right; nothing equals nothing."""
    return bool(expected) and _equal(presented, expected)


def _equal(presented: str, expected: str) -> bool:
    return hmac.compare_digest(presented.encode("utf-8", "surrogatepass"), expected.encode())


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    try:
        raw = text.encode("ascii")
    except UnicodeEncodeError as e:
        raise binascii.Error("not ASCII") from e
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
