"""Patients as messages of a plain feed: a JSON body says what the message derives to.

They go through the real worker and store, so that what is decided about them is decided as it is
for any message.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from uuid import UUID

import msgspec
from tests.support.batches import everyone

from chartloom.chart.merge import merge_all
from chartloom.domain.errors import BatchStale, LaneLost
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.identity import IdentityReview, IdentityWord
from chartloom.domain.message import Arrival, Format, Message
from chartloom.domain.resource import (
    Contribution,
    Derived,
    LinkEvent,
    LinkKind,
    ResourceState,
    Stamp,
)
from chartloom.engines.postgres import PostgresStore
from chartloom.guard import SystemClock
from chartloom.hot import Worker
from chartloom.normalize import Mapping as FeedMapping
from chartloom.registry.persons import (
    Clusters,
    Matcher,
    Parameters,
    default_parameters,
    last_words,
    pair_of,
    said_by_people,
    standardise,
    two_needed,
)

FEED = Feed("reg", "Registration", "IT", "http", Format.FHIR)
NAMESPACE = UUID(int=4)


class Told(msgspec.Struct, frozen=True):
    """One message: what it says of one Patient, and of pairs: (kind, surviving, prior, by)."""

    patient: str
    elements: dict[str, Any]
    event_us: int
    links: tuple[tuple[str, str, str, str], ...] = ()
    two: bool = False  #: it took two people to say what ``links`` say
    beside: tuple[str, ...] = ()  #: marks of what ``links`` settle besides


class PlainMapping:
    """Reads :class:`Told` again."""

    fingerprint = "a" * 64

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What the body says."""
        told = msgspec.json.decode(message.body, type=Told)
        resource = {"resourceType": "Patient", "id": told.patient, **told.elements}
        more: dict[str, Any] = {"two": told.two, "beside": told.beside}
        links = [LinkEvent(LinkKind(k), a, b, "t", by=by, **more) for k, a, b, by in told.links]
        return Derived(
            message.position,
            message.feed,
            message.message_type,
            message.control_id,
            told.event_us,
            told.patient,
            contributions=(Contribution(resource, told.patient),) if told.elements else (),
            links=tuple(links),
        )


def person(
    given: str = "", family: str = "", birth: str = "", sex: str = "", **more: Any
) -> dict[str, Any]:
    """Elements of a Patient. ``mr``: a record number of one hospital; ``ssn``; ``phone``;
    ``street``: house and street in one town."""
    found: dict[str, Any] = {}
    if given or family:
        found["name"] = [{"family": family, "given": [given] if given else []}]
    if birth:
        found["birthDate"] = birth
    if sex:
        found["gender"] = sex
    identifiers = []
    if "mr" in more:
        identifiers.append(_number("MR", more.pop("mr"), "urn:hospital"))
    if "ssn" in more:
        identifiers.append(_number("SS", more.pop("ssn"), "http://hl7.org/fhir/sid/us-ssn"))
    if identifiers:
        found["identifier"] = identifiers
    if "phone" in more:
        found["telecom"] = [{"system": "phone", "value": more.pop("phone")}]
    if "street" in more:
        home = {"line": [more.pop("street")], "city": "Springfield", "postalCode": "62701"}
        found["address"] = [home]
    return {**found, **more}


def _number(code: str, value: str, system: str) -> dict[str, Any]:
    return {"type": {"coding": [{"code": code}]}, "system": system, "value": value}


_COUNT = iter(range(1_000_000_000))


def land(store: PostgresStore, told: Sequence[Told]) -> None:
    """Lands one message each."""
    arrivals = []
    for one in told:
        body = json.dumps(msgspec.to_builtins(one)).encode()
        number = next(_COUNT)
        at_us = 1_780_000_000_000_000 + number
        digest = hashlib.sha256(body).digest()
        arrivals.append(
            Arrival(FEED.name, body, at_us, digest, f"T{number}", "ADT^A08", one.patient)
        )
    store.land(arrivals)


class Unstopped(Worker):
    """Applies whatever is said of a record, also that it is somebody else now: what is decided
    about it has to follow. That such messages are stopped is tested in ``test_overlays.py``."""

    def _stopped(
        self, grant: Grant, said: Sequence[Derived], states: Mapping[str, ResourceState]
    ) -> list[Derived]:
        return list(said)


def worker(store: PostgresStore, name: str = "w", share: int = 64, batch_max: int = 500) -> Worker:
    """A worker that applies them."""
    mappings = {FEED.name: (FEED, cast(FeedMapping, PlainMapping()))}
    grants = store.guard
    return Unstopped(
        store,
        mappings,
        NAMESPACE,
        SystemClock(),
        lambda: grants.mint("service:worker", Purpose.OPERATIONS),
        name,
        share,
        batch_max,
    )


def apply_all(*stores: PostgresStore, batch_max: int = 500) -> None:
    """Applies all that is landed, with a worker for each store object, at the same time."""
    stop = threading.Event()
    share = -(-stores[0].lanes // len(stores))

    def work(number: int) -> None:
        one = stores[number]
        mine = worker(one, f"w{number}", share, batch_max)
        try:
            while not stop.is_set():
                with contextlib.suppress(LaneLost, BatchStale):  # as Worker.run goes on after them
                    if not mine.run_once() and not one.waiting(everyone(one)):
                        break
        finally:
            stop.set()
            one.release(f"w{number}")

    if len(stores) == 1:
        work(0)
        return
    with ThreadPoolExecutor(len(stores)) as threads:
        for job in [threads.submit(work, n) for n in range(len(stores))]:
            job.result()


def tell(store: PostgresStore, *told: Told, batch_max: int = 500) -> None:
    """Lands and applies."""
    land(store, told)
    apply_all(store, batch_max=batch_max)


def persons(store: PostgresStore, patients: Sequence[str]) -> Mapping[str, str]:
    """Source patient -> person."""
    grant = everyone(store)
    return {p: store.person(grant, p).person_id for p in patients}


def queue(store: PostgresStore) -> list[IdentityReview]:
    """All reviews that are not closed."""
    grant = everyone(store)
    found = store.reviews(grant, state=None, limit=1000)
    return sorted((r for r in found if r.state != "closed"), key=lambda r: r.pair)


def expected(told: Sequence[Told], parameters: Parameters | None = None) -> Clusters:
    """What the matcher in memory says of the same: an implementation of its own."""
    matcher = Matcher(parameters or default_parameters())
    said = [
        (Contribution({"resourceType": "Patient", "id": t.patient, **t.elements}, t.patient),
         Stamp(1, t.event_us, t.event_us)) for t in told if t.elements
    ]  # fmt: skip
    for patient, state in merge_all(said, {}).items():
        matcher.put(patient, standardise(state.resource))
    words = [
        IdentityWord(pair_of(a, b), LinkKind(kind), t.event_us, t.event_us, "test", by)
        for t in told for kind, a, b, by in t.links
    ]  # fmt: skip
    hard = {pair for pair, d in matcher.decisions.items() if two_needed(d.guard)}
    people = said_by_people(words, hard.__contains__)
    for pair, word in last_words(words, hard.__contains__).items():
        matcher.say(pair, word, by_person=pair in people)
    return matcher.clusters()


def seen(store: PostgresStore, clusters: Clusters) -> tuple[Mapping[str, str], list[object]]:
    """The persons and the queue, to compare with :func:`wanted`."""
    reviews = [(r.pair, r.weight, r.reason) for r in queue(store)]
    return persons(store, sorted(clusters.person)), reviews


def wanted(clusters: Clusters) -> tuple[Mapping[str, str], list[object]]:
    """What :func:`seen` should be."""
    reviews = sorted((r.pair, r.weight, r.reason) for r in clusters.reviews)
    return clusters.person, reviews
