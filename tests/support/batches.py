"""Small hand-made messages and batches for tests of the store, without mapping or merging."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator, Sequence
from typing import Any

from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.issues import Issue
from chartloom.domain.message import Arrival, Message
from chartloom.domain.resource import (
    Contribution,
    Derived,
    LinkEvent,
    PatientIdentifier,
    ResourceState,
    Stamp,
)
from chartloom.domain.store import Batch, Wanted
from chartloom.engines.postgres import PostgresStore
from chartloom.guard import Guard


def brief_grants(guard: Guard, persons: Sequence[str] = EVERYONE) -> Iterator[Grant]:
    """Grants that end soon: a busy machine takes the next, when one ended before it was used."""
    for ttl_s in (0.3, 1, 3, 10):
        yield guard.mint("tester", Purpose.TREATMENT, persons, ttl_s=ttl_s)


def is_good(guard: Guard, grant: Grant) -> bool:
    """Whether a grant has not expired."""
    try:
        return guard.remaining_us(grant) > 0
    except GrantRefused:
        return False


def until_over(guard: Guard, grant: Grant) -> None:
    """Returns when a grant has expired."""
    with contextlib.suppress(GrantRefused):
        while True:
            time.sleep(guard.remaining_us(grant) / 1e6 + 0.01)


def everyone(store: PostgresStore) -> Grant:
    """A grant for all persons."""
    return store.guard.mint("tester", Purpose.OPERATIONS)


def arrival(
    n: int,
    patient: str = "p1",
    *,
    feed: str = "lab",
    control_id: str | None = None,
    body: bytes | None = None,
    received_at_us: int = 1_780_000_000_000_000,
) -> Arrival:
    """The n-th arrival; its bytes follow from ``n`` unless given."""
    content = f"MSH|^~\\&|{feed}|{n}|{patient}".encode() if body is None else body
    return Arrival(
        feed=feed,
        body=content,
        received_at_us=received_at_us + n,
        sha256=hashlib.sha256(content).digest(),
        control_id=f"C{n}" if control_id is None else control_id,
        message_type="ORU^R01",
        source_patient=patient,
    )


def patient(id: str, record: str = "", authority: str = "urn:hospital") -> Contribution:
    """A Patient, with a record number if given."""
    resource: dict[str, Any] = {"resourceType": "Patient", "id": id}
    if record:
        kind = {"coding": [{"code": "MR"}]}
        resource["identifier"] = [{"type": kind, "system": authority, "value": record}]
    return Contribution(resource, id)


def derived(
    message: Message,
    *contributions: Contribution,
    links: Sequence[LinkEvent] = (),
    identifiers: Sequence[PatientIdentifier] = (),
    issues: Sequence[Issue] = (),
    quarantine: str = "",
    event_us: int = 0,
) -> Derived:
    """What a message is said to yield; one Patient unless something else is given."""
    if not contributions and not quarantine:
        contributions = (patient(message.source_patient),)
    return Derived(
        position=message.position,
        feed=message.feed,
        message_type=message.message_type,
        control_id=message.control_id,
        event_us=event_us or message.received_at_us,
        source_patient=message.source_patient,
        contributions=contributions,
        links=tuple(links),
        identifiers=tuple(identifiers),
        issues=tuple(issues),
        quarantine=quarantine,
    )


def batch_of(
    messages: Sequence[Message],
    outcomes: Sequence[Derived] | None = None,
    *,
    worker: str = "w",
    applied_at_us: int = 1_780_000_100_000_000,
    section: Section = Section.DEMOGRAPHICS,
) -> Batch:
    """A batch whose states are simply the last contribution, and whose views count them."""
    outcomes = [derived(m) for m in messages] if outcomes is None else outcomes
    states: dict[str, PlacedState] = {}
    directory: dict[str, tuple[Contribution, tuple[int, int, int]]] = {}
    for d in outcomes:
        for c in d.contributions:
            stamp = Stamp(1, d.event_us, d.position)
            if c.directory:
                directory[c.id] = (c, (len(c.resource), d.event_us, d.position))
                continue
            state = ResourceState(c.resource, c.source_patient, dict.fromkeys(c.resource, stamp))
            states[c.id] = PlacedState(state, section, 0, d.event_us)
    patients = sorted({s.state.source_patient for s in states.values()})
    views = [
        SectionView(
            ViewKey(p, section),
            1,
            tuple({"id": i} for i, s in states.items() if s.state.source_patient == p),
        )
        for p in patients
    ]
    return Batch(
        worker=worker,
        project_version="f" * 64,
        lanes={m.lane: m.position for m in messages},
        messages=tuple(messages),
        derived=tuple(outcomes),
        states=tuple(states.values()),
        directory=tuple(directory.values()),
        views=tuple(views),
        applied_at_us=applied_at_us,
    )


def wanted_of(batch: Batch) -> Wanted:
    """What has to be prefetched before ``batch`` may be committed."""
    return Wanted(
        frozenset(s.state.id for s in batch.states), frozenset(v.key for v in batch.views)
    )


def apply(store: PostgresStore, batch: Batch) -> None:
    """Prefetches and commits."""
    store.prefetch(everyone(store), wanted_of(batch))
    store.commit(batch)


def consume(store: PostgresStore, worker: str = "w", limit: int = 1000) -> list[Message]:
    """Claims all lanes, applies everything that is pending as it is, and returns it."""
    lanes = store.claim(worker, store.lanes)
    messages = store.pending(everyone(store), lanes, limit)
    if messages:
        apply(store, batch_of(messages, worker=worker))
    return messages
