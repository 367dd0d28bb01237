"""The provider says that somebody signed out there (OpenID Connect Back-Channel Logout 1.0, 2.6).

A logout token looks much like an id token, so what tells them apart is demanded: the event, a
``jti``, and no ``nonce``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from chartloom.domain.ports import Clock
from chartloom.guard.tokens.keysets import KeySource
from chartloom.guard.tokens.strict import TokenRefused, check_claims, take_apart, verified

#: Its name in ``events``.
LOGOUT_EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
#: Longest life of a logout token that is taken; the standard recommends two minutes.
LIFETIME_MAX_S: Final = 600


class Notice(msgspec.Struct, frozen=True):
    """Who signed out where. session_id: of one session (``sid``), "" for all of the subject;
    subject: "" where only the session is named. token_id, until_us: to take it once."""

    issuer: str
    subject: str
    session_id: str
    token_id: str
    until_us: int


def read_logout(
    token: str,
    *,
    issuer: str,
    audience: str,
    algorithms: Sequence[str],
    keys: KeySource,
    clock: Clock,
) -> Notice:
    """The notice in a logout token. Raises ``TokenRefused`` or ``ServiceUnavailable``."""
    unverified = take_apart(token, algorithms, ("logout+jwt", "jwt", ""))
    claims = verified(unverified, keys.find(unverified.kid, unverified.alg))
    check_claims(
        claims,
        clock,
        issuer=issuer,
        audience=audience,
        lifetime_max_s=LIFETIME_MAX_S,
        required=("jti", "events"),
    )
    events = claims["events"]
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenRefused("event")
    if "nonce" in claims:
        raise TokenRefused("nonce")
    subject, session_id = claims.get("sub", ""), claims.get("sid", "")
    if not isinstance(session_id, str):  # of the subject it is known
        raise TokenRefused("claims")
    if not (subject or session_id):
        raise TokenRefused("claims")
    until_us = int(claims["exp"] + 60) * 1_000_000
    return Notice(issuer, subject, session_id, claims["jti"], until_us)
