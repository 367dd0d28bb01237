"""Which services there are and what they may do: ``clients.toml`` of the site folder.

A service shows who it is by a signed assertion (for access tokens, ``guard/tokens``) or by its TLS
certificate. Scopes are those of SMART App Launch 2 for systems: ``system/Observation.c`` may send
Observations, ``system/*.c`` everything, HL7 v2 and Bundles included.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import msgspec
from cryptography import x509

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.issues import Issue, IssueCode, Severity, register_codes
from chartloom.guard.ca import names_of

register_codes(
    IssueCode(
        "clients-unreadable",
        Severity.FATAL,
        "The list of services cannot be read.",
        "Correct the line; the file is TOML.",
    ),
    IssueCode(
        "client-invalid",
        Severity.FATAL,
        "An entry in the list of services is not as it should be.",
        "Correct the entry; docs/howto/services.md shows one.",
    ),
)

_SCOPE: Final = re.compile(r"system/(\*|[A-Z][A-Za-z]{2,63})\.(?=[cruds])(c?r?u?d?s?)")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_HTTPS: Final = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[\x21-\x7e]*)?")


#: In the ASGI scope: DER of the client's certificate that TLS verified, ``b""`` without one.
PEER: Final = "chartloom.peer"


class RegisteredClient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[client]]`` entry.

    jwks, jwks_url: its public keys, as a file of the site or at an HTTPS address. scopes: the most
    its tokens may hold, and what it may do by certificate alone. feeds: names of the feeds it may
    send to. certificates: names (DNS, address, SPIFFE id) or subject (``CN=...,O=...``, RFC 4514)
    of the TLS certificates by which it is known. certificate_bound: its tokens are worth nothing
    without its certificate (RFC 8705). applications: ``MSH-3|MSH-4`` by which it is known where
    the door for identity queries has no TLS, on this machine only.
    """

    id: str
    name: str = ""
    owner: str = ""
    jwks: str = ""
    jwks_url: str = ""
    scopes: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    certificates: tuple[str, ...] = ()
    certificate_bound: bool = False
    applications: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    client: list[Any] = []


class Clients:
    """The registered services."""

    def __init__(self, clients: Collection[RegisteredClient] = ()) -> None:
        self._by_id = {c.id: c for c in clients}
        self._by_name = {n: c for c in clients for n in c.certificates}
        self._by_application = {a: c for c in clients for a in c.applications}
        self._senders: dict[str, int] = {}
        for client in clients:
            for feed in client.feeds:
                self._senders[feed] = self._senders.get(feed, 0) + 1

    def __iter__(self) -> Iterator[RegisteredClient]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, id: str) -> RegisteredClient | None:
        """The service of an id."""
        return self._by_id.get(id)

    def has_senders(self, feed: str) -> bool:
        """Whether some service is named for the feed; then nobody else may send to it."""
        return feed in self._senders

    def of_application(self, application: str, facility: str) -> RegisteredClient | None:
        """Who calls itself so in a message; believed only where nobody else can reach the door."""
        return self._by_application.get(f"{application}|{facility}")

    def of_certificate(self, der: bytes) -> RegisteredClient | None:
        """Who shows this certificate, after TLS verified it; ``None`` if its names fit nobody, or
        more than one service."""
        certificate = x509.load_der_x509_certificate(der)
        names = [*names_of(certificate), certificate.subject.rfc4514_string()]
        found = {c.id: c for n in names if (c := self._by_name.get(n)) is not None}
        return next(iter(found.values())) if len(found) == 1 else None


def may_send(client: RegisteredClient, scopes: Collection[str], feed: str, kind: str = "") -> bool:
    """Whether a service may send to a feed. scopes: those it asks with. kind: resource type; ``""``
    for anything (HL7 v2, Bundles, the base)."""
    if feed not in client.feeds:
        return False
    return any(
        (m := _SCOPE.fullmatch(s)) and m[1] in ("*", kind or "*") and "c" in m[2] for s in scopes
    )


def read_clients(text: str, file: str) -> tuple[Clients, list[Issue]]:
    """The services in a file, and everything wrong with it (then without the wrong entries)."""
    try:
        entries = msgspec.convert(tomllib.loads(text), _File).client
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        return Clients(), [Issue("clients-unreadable", detail=_short(error), location=f"{file}:0")]
    lines = [n for n, row in enumerate(text.splitlines(), 1) if row.strip() == "[[client]]"]
    good: list[RegisteredClient] = []
    issues: list[Issue] = []
    for index, entry in enumerate(entries):
        where = f"{file}:{lines[index] if index < len(lines) else 0}"
        try:
            client = msgspec.convert(entry, RegisteredClient)
        except msgspec.ValidationError as error:
            issues.append(Issue("client-invalid", detail=_short(error), location=where))
            continue
        wrong = list(_wrong(client, good))
        issues += [Issue("client-invalid", detail=what, location=where) for what in wrong]
        good += [client] if not wrong else []
    return Clients(good), issues


def _wrong(client: RegisteredClient, others: Collection[RegisteredClient]) -> Iterator[str]:
    if not _ID.fullmatch(client.id):
        yield "id is not a name of letters, digits and ._:-"
    if client.id in {c.id for c in others}:
        yield "the id is taken"
    if taken := set(client.certificates) & {n for c in others for n in c.certificates}:
        yield f"{len(taken)} of its certificate names belong to another service"
    if client.jwks and client.jwks_url:
        yield "there are two references to its keys"
    if client.jwks_url and not _HTTPS.fullmatch(client.jwks_url):
        yield "jwks_url is no HTTPS address"
    if taken := set(client.applications) & {n for c in others for n in c.applications}:
        yield f"{len(taken)} of its applications belong to another service"
    if any(a.count("|") != 1 for a in client.applications):
        yield "an application is written like SENDER|FACILITY (MSH-3 and MSH-4)"
    if not (client.jwks or client.jwks_url or client.certificates or client.applications):
        yield "neither keys (jwks, jwks_url), certificates nor applications tell who it is"
    if client.certificate_bound and not client.certificates:
        yield "its tokens are bound to certificates, but it has none"
    for scope in client.scopes:
        if not _SCOPE.fullmatch(scope):
            yield "a scope is not like system/*.c or system/Observation.rs"
            return
    if client.feeds and not any(s.rpartition(".")[2].startswith("c") for s in client.scopes):
        yield "it may send to feeds, but has no scope for it (system/*.c)"


def _short(error: Exception) -> str:
    """What is wrong and where, without quoting the file."""
    return re.sub(r"'[^']*'", "…", str(error))[:200]


def refuse_issues(clients: Clients, issues: list[Issue], file: str) -> Clients:
    """The services, or ``ConfigurationError`` with the first finding."""
    if issues:
        raise ConfigurationError(
            f"{len(issues)} thing(s) to mend in the list of services: {issues[0].detail}.",
            where=issues[0].location or file,
            cure="Correct it; `chartloom check` shows all.",
        )
    return clients


def key_references(clients: Clients) -> Mapping[str, str]:
    """File of keys -> id of the service, for those whose keys are in the site folder."""
    return {c.jwks: c.id for c in clients if c.jwks}
