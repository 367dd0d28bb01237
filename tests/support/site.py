"""A whole small site for tests: a real store, real messages through the real hot path, and the
console served on a real port.

``SimulatedSite`` is filled by the simulated hospital; ``EmptySite`` has nothing yet. Time is
shifted so that messages arrive over the last hour, which is what the Feeds page draws.
"""

from __future__ import annotations

import functools
import hashlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import uvicorn
from prometheus_client import CollectorRegistry
from tests.support.memory_audit import MemoryAudit
from tests.support.patience import PATIENCE_S

from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.identity import STEWARD
from chartloom.domain.ids import source_patient_id
from chartloom.domain.message import Arrival, Format
from chartloom.domain.resource import LinkKind
from chartloom.engines.postgres.doors import PostgresGlass, PostgresSessions
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.labelled import PostgresLabels
from chartloom.engines.postgres.requests import PostgresShreddings, PostgresUses
from chartloom.formats import hl7v2
from chartloom.guard.audit import Recorder
from chartloom.guard.authority import Authority
from chartloom.guard.policy import Policies, builtin_texts
from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.guard.tokens import MemoryUsedTokens
from chartloom.hot import Worker
from chartloom.normalize import Mapping, load_mapping
from chartloom.normalize.steward import arrival, word
from chartloom.registry.directory import load_tables
from chartloom.serve import (
    DirectoryDoor,
    Door,
    Doors,
    IdentityDoor,
    LabelDoor,
    ProjectInfo,
    Rate,
    create_app,
    sign_in_path,
)
from chartloom.serve.lists.tables import ListTables
from chartloom.serve.sessions import SessionBook
from chartloom.simulate import FEEDS, Hospital
from chartloom.simulate.house import CLINICS, WARDS, clinicians
from chartloom.sources.fhir_rest.quick_look import quick_look

TOKEN = "test-console-token-0123456789abcdef0123456789"
ZONE = "Etc/GMT+7"
HOUR_US = 3_600_000_000


#: Somebody who cares for every simulated patient and runs the site: no such person exists.
EVERYBODYS_HELP = StaffMember(
    "everybodys.help",
    "Ada Everybody",
    tuple(Role),
    departments=(*WARDS, *CLINICS, "SGH", "MLAB"),
    practitioner=tuple(f"SGH|{c.number}" for c in clinicians(0)),
)


#: What is labelled too: tests of the console look at everything there is.
EVERYTHING_SHOWN = """
@id("everybodys-help")
permit (principal == User::"everybodys.help", action == Action::"see_label", resource);
"""


class ShiftedClock:
    """The system clock, moved by ``shift_us``."""

    def __init__(self, shift_us: int = 0) -> None:
        self.shift_us = shift_us

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.shift_us


@functools.cache
def _mapping(name: str) -> Mapping:
    """Compiled once for all sites of a test run, as for all feeds of a worker."""
    return load_mapping(name)


class Site:
    """A store, its worker and its console."""

    def __init__(self, store: Any, clock: Any, feeds: Iterable[Feed] = FEEDS.values()) -> None:
        self.store, self.clock, self.guard = store, clock, store.guard
        self.feeds = (*feeds, STEWARD)
        loaded = {name: _mapping(name) for name in {f.mapping for f in self.feeds}}
        self.mappings = {feed.name: (feed, loaded[feed.mapping]) for feed in self.feeds}
        for mapping in loaded.values():
            store.save_project_version(mapping.fingerprint, mapping.files)
        self.namespace = self.guard.namespace
        self.audit = MemoryAudit()
        self.recorder = Recorder(self.audit)
        self.facts, self.sessions = PostgresFacts(store), PostgresSessions(store)
        self.glass, self.uses = PostgresGlass(store), PostgresUses(store)
        self.shreddings = PostgresShreddings(store)
        self.used = MemoryUsedTokens(clock)
        self.staff = Staff((EVERYBODYS_HELP,))
        self.settle_s = 0.0  #: how long a page waits for a word to count: where a worker works
        self.worker = Worker(
            store, self.mappings, self.namespace, clock, self.grant, "test", 64, 500
        )

    def grant(self) -> Grant:
        """A grant for everything."""
        return self.guard.mint("tests", Purpose.OPERATIONS)

    def land(self, feed: str, *bodies: bytes) -> list[int]:
        """Lands messages as the sources do; their positions."""
        arrivals = [self._arrival(self.mappings[feed][0], body) for body in bodies]
        return [receipt.position for receipt in self.store.land(arrivals)]

    def say(
        self,
        kind: LinkKind,
        surviving: str,
        prior: str,
        *,
        by: str,
        reason: str = "other",
        up_to: int = 0,
        two: bool = False,
        looked: Sequence[int] = (),
    ) -> int:
        """Lands a person's word about two source patients; its position."""
        now_us = self.clock.now_us()
        body = word(
            kind, surviving, prior, by=by, reason=reason, said_us=now_us, up_to=up_to, two=two,
            looked=looked,
        )  # fmt: skip
        return int(self.store.land([arrival(body, surviving, now_us)])[0].position)

    def apply(self) -> int:
        """Applies everything that waits."""
        done = 0
        while n := self.worker.run_once():
            done += n
        return done

    def _arrival(self, feed: Feed, body: bytes) -> Arrival:
        digest, now_us = hashlib.sha256(body).digest(), self.clock.now_us()
        if feed.format is Format.FHIR:
            look = quick_look(body, feed, self.namespace)
            return look.arrival(feed, body, now_us, digest.hex()[:16])
        seen = hl7v2.peek(body, charset=feed.charset)
        patient = (
            source_patient_id(
                self.namespace,
                feed.patient_namespace,
                seen.patient_authority,
                seen.patient_identifier,
            )
            if seen.patient_identifier
            else ""
        )
        return Arrival(feed.name, body, now_us, digest, seen.control_id, seen.message_type, patient)

    def doors(self, **changes: Any) -> Doors:
        """What its console decides and records with."""
        authority = Authority(
            Policies(builtin_texts() | {"tests.cedar": EVERYTHING_SHOWN}),
            self.facts,
            self.glass,
            self.uses,
            self.guard,
            self.recorder,
            self.clock,
            observer="serve",
        )
        parts: dict[str, Any] = {
            "authority": authority,
            "minter": self.guard,
            "sessions": self.sessions,
            "used": self.used,
            "glass": self.glass,
            "uses": self.uses,
            "shreddings": self.shreddings,
            "identity": IdentityDoor(
                self.store, self.store, lambda: self.store.parameters, self.settle_s
            ),
            "directory": DirectoryDoor(
                self.store, self.store, lambda: load_tables({}), settle_s=self.settle_s
            ),
            "labels": LabelDoor(PostgresLabels(self.store), self.store, self.store, self.settle_s),
            "audit": self.audit,
            "staff": lambda: self.staff,
            "rates": {door: Rate(0) for door in Door},  # tests knock often
            "lists": ListTables(log=self.store, settle_s=0.0),
            "is_destroyed": self._is_destroyed,
        }
        return Doors(**(parts | changes))

    def _is_destroyed(self, subject: str) -> bool:
        return self.guard.broker is not None and self.guard.broker.is_destroyed(subject)

    def sign_in(
        self, subject: str = "everybodys.help", *, method: str = "oidc", ago_s: int = 0
    ) -> str:
        """A session of somebody on the list of staff, who has proved it so long ago: ``name=value``
        of the cookie."""
        book = SessionBook(self.sessions, self.guard, self.clock, lambda: self.staff)
        proved_us = self.clock.now_us() - ago_s * 1_000_000
        return f"chartloom_session={book.open(subject, method, {}, proved_us=proved_us)}"

    def app(self, doors: Doors | None = None, **options: Any) -> Any:
        """The console of this site."""
        project = ProjectInfo("Saltmarsh General", "7c1f0a9e52d4", self.feeds, ZONE)
        return create_app(
            self.store,
            doors or self.doors(),
            project,
            self.clock,
            self.mappings,
            self.namespace,
            TOKEN,
            registry=CollectorRegistry(),
            **options,
        )

    def sign_in_path(self) -> str:
        """A fresh link."""
        return sign_in_path(TOKEN, self.clock.now_us())


def simulate(site: Site, *, seed: int = 7, patients: int = 24, days: int = 60) -> int:
    """Fills a site with a hospital's past; the last part arrives over the last hour."""
    start = datetime.fromtimestamp(time.time(), UTC)
    house = Hospital(seed, patients=patients, start=start, history_days=days)
    messages = [m for m in house.messages(days=0) if m.feed in site.mappings]
    clock, steps = site.clock, 60
    recent = messages[-600:]
    clock.shift_us = -HOUR_US
    _pour(site, messages[: -len(recent)])
    share = -(-len(recent) // steps)
    for step in range(steps):
        clock.shift_us = -HOUR_US + (step + 1) * HOUR_US // steps
        # More towards noon than at night, so that the line has a shape.
        _pour(site, recent[step * share : (step + 1) * share])
    clock.shift_us = 0
    return len(messages)


def _pour(site: Site, messages: list[Any]) -> None:
    for i in range(0, len(messages), 500):
        for feed, bodies in _neighbours(messages[i : i + 500]):
            site.land(feed, *bodies)
        site.apply()


def _neighbours(messages: list[Any]) -> Iterator[tuple[str, list[bytes]]]:
    feed, bodies = "", []
    for message in messages:
        if message.feed != feed and bodies:
            yield feed, bodies
            bodies = []
        feed = message.feed
        bodies.append(message.body)
    if bodies:
        yield feed, bodies


@contextmanager
def serving(app: Any, port: int = 0, lifespan: Literal["on", "off"] = "off") -> Iterator[str]:
    """Serves an application on a port of this machine, by default a free one; its address.

    lifespan: whether the application is told when it begins and ends, as the console is.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))
        port = probe.getsockname()[1]
    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan=lifespan
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while not server.started:
        if time.monotonic() > deadline:
            raise TimeoutError("the console did not start")
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
