"""Who may send to which feed: services known by their access token or their TLS certificate."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Final

from chartloom.domain.feed import Feed
from chartloom.domain.ports import Clock
from chartloom.guard.ca import DenyList
from chartloom.guard.clients import Clients, may_send
from chartloom.guard.tokens import Access, AccessVerifier, TokenRefused
from chartloom.sources.options import is_loopback

_REMEMBERED: Final = 1024


class Admission:
    """Judges senders. verifier: of this site's access tokens; ``None``: no token is taken.

    denied: certificates that must not be taken any more. One per process; not thread-safe.
    """

    def __init__(
        self,
        clients: Clients,
        verifier: AccessVerifier | None,
        denied: DenyList | None,
        clock: Clock,
    ) -> None:
        self.clients, self._verifier, self._denied = clients, verifier, denied
        self._clock = clock
        self._verified: OrderedDict[tuple[str, bytes], Access] = OrderedDict()

    def guards(self, feed: Feed) -> bool:
        """Whether only named services may send to the feed."""
        return self.clients.has_senders(feed.name)

    def denied(self, certificate: bytes) -> bool:
        """Whether a certificate (DER) is on the deny list."""
        return self._denied is not None and bool(certificate) and self._denied.denied(certificate)

    def by_certificate(self, feed: Feed, certificate: bytes, kind: str = "") -> str:
        """The id of the service that shows a certificate and may send; ``""`` if none may."""
        if not certificate or self.denied(certificate):
            return ""
        client = self.clients.of_certificate(certificate)
        if client is None or not may_send(client, client.scopes, feed.name, kind):
            return ""
        return client.id

    def by_token(self, feed: Feed, token: str, certificate: bytes, kind: str = "") -> str:
        """The id of the service that shows an access token and may send.

        Raises ``TokenRefused``; its reason ``scope`` means that the token holds and does not
        cover this.
        """
        if self._verifier is None:
            raise TokenRefused("no-tokens")
        access = self._access(token, certificate)
        client = self.clients.get(access.client)
        if client is None or (client.certificate_bound and not access.thumbprint):
            raise TokenRefused("unknown-client" if client is None else "binding")
        # Both: what was registered may have been narrowed since the token was made.
        if not all(may_send(client, s, feed.name, kind) for s in (access.scopes, client.scopes)):
            raise TokenRefused("scope")
        return client.id

    def _access(self, token: str, certificate: bytes) -> Access:
        """A token is verified once per certificate, and remembered until it ends."""
        assert self._verifier is not None
        key = (token, certificate)
        known = self._verified.get(key)
        if known is not None and known.expires_at_s * 1_000_000 > self._clock.now_us():
            return known
        access = self._verifier.verify(token, certificate=certificate)
        self._verified[key] = access
        if len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return access


def asks_nobody(feed: Feed, clients: Clients) -> bool:
    """Whether an HTTP feed would take messages from anybody in the network."""
    return (
        feed.source == "http"
        and not is_loopback(str(feed.options.get("host", "127.0.0.1")))
        and not clients.has_senders(feed.name)
        and not any(feed.options.get(k) for k in ("token_env", "token_file", "tls_client_ca"))
    )


def deny_list(path: Path | None) -> DenyList | None:
    """The list at a path; ``None`` without one."""
    return DenyList(path) if path is not None else None
