"""The doors through which other systems ask who a patient is, over a real site: a socket with MLLP
frames, and the FHIR API with tokens."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.patience import PATIENCE_S
from tests.support.site import Site, serving
from tests.support.tokens import ec

from chartloom.domain.grant import Purpose
from chartloom.formats.hl7v2 import Tree, parse
from chartloom.guard.clients import Clients, RegisteredClient
from chartloom.guard.tokens import (
    AccessVerifier,
    AssertionVerifier,
    MemoryUsedTokens,
    TokenEndpoint,
    TokenIssuer,
)
from chartloom.serve import Doors, Services
from chartloom.serve.access import Handles
from chartloom.serve.client_registry import ClientRegistry, Domain, Domains, V2Door
from chartloom.serve.client_registry.v2 import DoorRules
from chartloom.sources.mllp.questions import QuestionDoor, QuestionLimits
from chartloom.wiring.identity_door import listening

SITE = "https://site.example"
TOKEN = "another-console-token-0123456789abcdef0123456789"
#: Of everybody who may ask in tests: their application and facility (MSH-3, MSH-4).
ASKERS = Clients(
    [
        RegisteredClient(
            "registry",
            scopes=("system/Patient.rs",),
            applications=("ASKER|WEST", "TEST_HARNESS|TEST", "TEST_HARNESS_A|TEST"),
        ),
        RegisteredClient("sender", scopes=("system/*.c",), applications=("SENDER|WEST",)),
    ]
)


class Mllp:
    """Somebody who asks over MLLP."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=PATIENCE_S)

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self._socket.sendall(data)

    def answer(self) -> bytes:
        """The next frame's body; ``b""`` if the door closed."""
        held = b""
        while not held.endswith(b"\x1c\x0d"):
            try:
                more = self._socket.recv(65536)
            except ConnectionError:
                return b""
            if not more:
                return b""
            held += more
        return held[1:-2]

    def ask(self, message: bytes | str) -> Tree:
        """The answer to one message."""
        body = message.encode() if isinstance(message, str) else message
        self.send(b"\x0b" + body + b"\x1c\x0d")
        return parse(self.answer())

    def close(self) -> None:
        self._socket.close()


class IdentityDoors:
    """A site with both doors open."""

    def __init__(self, site: Site, address: tuple[str, int], url: str, issuer: TokenIssuer) -> None:
        self.site, self.address, self.url, self._issuer = site, address, url, issuer

    @contextlib.contextmanager
    def asker(self) -> Iterator[Mllp]:
        """A connection to the HL7 v2 door."""
        mllp = Mllp(self.address)
        try:
            yield mllp
        finally:
            mllp.close()

    def ask(self, message: bytes | str) -> Tree:
        """The answer to one message on a connection of its own."""
        with self.asker() as mllp:
            return mllp.ask(message)

    def token(self, *scopes: str, purpose: str = "", client: str = "registry") -> str:
        """An access token."""
        return self._issuer.issue(client, SITE, scopes or ("system/Patient.rs",), purpose=purpose)

    def fhir(
        self,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        form: str | None = None,
        method: str = "",
        kind: str = "application/fhir+json",
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, resource and headers of an answer of the FHIR door."""
        import http.client

        host = self.url.partition("://")[2]
        headers = {} if token == "" else {"Authorization": f"Bearer {token or self.token()}"}
        sent: bytes | None = None
        if body is not None:
            sent = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = kind
        if form is not None:
            sent = form.encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        with contextlib.closing(http.client.HTTPConnection(host, timeout=PATIENCE_S)) as http_:
            verb = method or ("GET" if sent is None else "POST")
            http_.request(verb, f"/fhir/R4/{path}", sent, headers)
            with http_.getresponse() as answer:
                text = answer.read()
                received = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, json.loads(text) if text else None, received

    def events(self, since: int = 0) -> list[Any]:
        """What is on record from an event on."""
        from chartloom.guard.audit import read_events

        return list(read_events(self.site.audit.read(since, 100_000)))


@contextlib.contextmanager
def open_doors(
    site: Site,
    domains: Sequence[Domain] = (),
    *,
    clients: Clients = ASKERS,
    limits: QuestionLimits = QuestionLimits(),  # noqa: B008 - frozen
    rules: DoorRules = DoorRules(by_application=True),  # noqa: B008 - frozen
    doors: Doors | None = None,
) -> Iterator[IdentityDoors]:
    """Both doors of a site, listening on this machine."""
    issuer = TokenIssuer(ec(), SITE, site.clock)
    used = MemoryUsedTokens(site.clock)
    services = Services(
        TokenEndpoint(AssertionVerifier({}, f"{SITE}/token", used, site.clock), issuer, (SITE,)),
        AccessVerifier(issuer.public_keys(), SITE, SITE, site.clock),
        issuer.key_set(),
    )
    known = Domains(domains)
    doors = doors or site.doors(services=services)
    numbers, lock = itertools.count(1), threading.Lock()

    def next_id() -> str:
        with lock:
            return f"A{next(numbers)}"

    answering = V2Door(
        ClientRegistry(site.store, doors.authority, known),
        clients,
        Handles(TOKEN, site.clock, used),
        site.clock,
        next_id,
        rules,
    )
    door = QuestionDoor(answering, "127.0.0.1", 0, limits=limits)
    with listening(door), serving(site.app(doors, domains=known)) as url:
        yield IdentityDoors(site, door.address, url, issuer)


def fields(tree: Tree, segment: str, *places: tuple[int, ...]) -> list[str]:
    """Leaves of the first segment of a name."""
    found = tree.first(segment)
    return [found.value(p[0], *p[1:]) if found else "" for p in places]


def numbers_of(tree: Tree) -> set[tuple[str, str, str]]:
    """(value, authority's name, its oid) of all identifiers in PID-3 of all PID segments."""
    return {
        (pid.value(3, r), pid.value(3, r, 4, 1), pid.value(3, r, 4, 2))
        for pid in tree.segments_named("PID")
        for r in range(1, len(pid.reps(3)) + 1)
    }


def purpose_of(event: Any) -> str:
    """Purpose of use of an event."""
    return str(event.purpose or Purpose.TREATMENT)
