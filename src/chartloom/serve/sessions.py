"""Sessions on the server: the browser holds a random word, the store its fingerprint.

A session ends when it was idle too long, when its time is over, or when somebody signs out; nothing
in the browser can prolong it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec

from chartloom.domain.access import SESSIONS_SUBJECT, SignedIn, StoredSession
from chartloom.domain.grant import Purpose
from chartloom.domain.ports import Clock, Sessions
from chartloom.guard.facts import Minter, OwnGrants
from chartloom.guard.staff import Principal, Role, Staff, principal_of

#: Subject of whoever signs in with a link of the machine itself.
LOCAL_OPERATOR: Final = "operator:local"
_WORD_BYTES: Final = 32
_TOUCH_US: Final = 30_000_000
#: A longer one is not kept: it would not fit into the address that ends the provider's session.
_ID_TOKEN_CHARS_MAX: Final = 6_000


class Limits(msgspec.Struct, frozen=True):
    """How long a session lasts, without use and in all, and for how long a sign-in is proof enough
    for what is grave."""

    idle_s: int = 15 * 60
    absolute_s: int = 12 * 3600
    fresh_s: int = 5 * 60


class Visitor(msgspec.Struct, frozen=True):
    """Who is on the other side of a request. key: of the session, ``b""`` for a service. fresh: the
    person has proved who they are just now. token_purpose: what a service's token is for."""

    principal: Principal
    session: SignedIn | None = None
    key: bytes = b""
    fresh: bool = False
    token_purpose: str = ""

    @property
    def name(self) -> str:
        """For the page's head."""
        return self.principal.name or self.principal.subject

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return self.session.csrf if self.session else ""

    @property
    def purpose(self) -> Purpose | None:
        """The purpose chosen, if any; of a service, the one that its token is for."""
        chosen = self.session.purpose if self.session else self.token_purpose
        return Purpose(chosen) if chosen in set(Purpose) else None


class SessionBook:
    """Opens, finds and ends sessions. staff: today's list, asked at every request."""

    def __init__(
        self,
        sessions: Sessions,
        minter: Minter,
        clock: Clock,
        staff: Callable[[], Staff],
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._sessions, self._clock, self._staff = sessions, clock, staff
        self.limits = limits
        self._grant = OwnGrants(minter, clock, "service:sessions", (SESSIONS_SUBJECT,))

    def open(
        self,
        subject: str,
        method: str,
        claims: dict[str, Any],
        *,
        issuer: str = "",
        issuer_session: str = "",
        proved_us: int = 0,
        id_token: str = "",
        replaces: bytes = b"",
    ) -> str:
        """A new session; what the browser must hold. replaces: key of a session that ends."""
        if replaces:
            self._sessions.end(self._grant(), replaces)
        now_us = self._clock.now_us()
        session = SignedIn(
            subject=subject,
            method=method,
            claims=claims,
            started_us=now_us,
            until_us=now_us + self.limits.absolute_s * 1_000_000,
            csrf=secrets.token_urlsafe(32),
            issuer=issuer,
            issuer_session=issuer_session,
            proved_us=proved_us,
            id_token=id_token if len(id_token) <= _ID_TOKEN_CHARS_MAX else "",
        )
        word = secrets.token_urlsafe(_WORD_BYTES)
        self._sessions.put(self._grant(), StoredSession(key_of(word), session, now_us))
        return word

    def find(self, word: str) -> Visitor | None:
        """Whose session it is; ``None`` if there is none or it is over."""
        if not 40 <= len(word) <= 64 or not word.isascii():
            return None
        key = key_of(word)
        stored = self._sessions.get(self._grant(), key)
        if stored is None:
            return None
        now_us = self._clock.now_us()
        idle_us = now_us - stored.seen_us
        if now_us >= stored.session.until_us or idle_us >= self.limits.idle_s * 1_000_000:
            self._sessions.end(self._grant(), key)
            return None
        if idle_us > _TOUCH_US:
            self._sessions.touch(self._grant(), key, now_us)
        proved_us = stored.session.proved_us
        fresh = bool(proved_us) and now_us - proved_us < self.limits.fresh_s * 1_000_000
        return Visitor(self.principal(stored.session), stored.session, key, fresh)

    def principal(self, session: SignedIn) -> Principal:
        """Who that is today: roles come from the list of staff as it is now."""
        if session.method == "local":
            return local_operator()
        return principal_of(self._staff(), session.subject, session.claims)

    def choose(self, visitor: Visitor, purpose: str) -> None:
        """Remembers the purpose that was chosen ("" for none)."""
        if visitor.session is None:
            return
        session = msgspec.structs.replace(visitor.session, purpose=purpose)
        stored = StoredSession(visitor.key, session, self._clock.now_us())
        self._sessions.change(self._grant(), stored)

    def open_now(self) -> list[StoredSession]:
        """The sessions that are not over."""
        now_us, idle_us = self._clock.now_us(), self.limits.idle_s * 1_000_000
        return [
            stored
            for stored in self._sessions.list(self._grant())
            if now_us < stored.session.until_us and now_us - stored.seen_us < idle_us
        ]

    def end_one(self, stored: StoredSession) -> bool:
        """Ends somebody's session; False if it was over."""
        return self._sessions.end(self._grant(), stored.key)

    def end(self, visitor: Visitor) -> None:
        """Signs out."""
        if visitor.key:
            self._sessions.end(self._grant(), visitor.key)

    def tidy(self) -> int:
        """Removes sessions that are over."""
        idle_us = self.limits.idle_s * 1_000_000
        return self._sessions.tidy(self._grant(), self._clock.now_us(), idle_us)


def key_of(word: str) -> bytes:
    """The key under which a session is kept: who reads the table cannot use what stands there."""
    return sha256(b"chartloom session 1\x1f" + word.encode()).digest()


def local_operator() -> Principal:
    """Whoever can read the console token of this machine, where there is no identity provider."""
    return Principal(
        subject=LOCAL_OPERATOR,
        name="Local operator",
        roles=frozenset({Role.ADMINISTRATOR.value, Role.INTEGRATION_ENGINEER.value}),
    )


def kept_claims(staff: Staff, claims: dict[str, Any]) -> dict[str, Any]:
    """Of an id token, only what roles, departments and the name are read from."""
    names = {staff.claims.roles_claim, staff.claims.departments_claim, "name"} - {""}
    return {name: claims[name] for name in sorted(names) if name in claims}
