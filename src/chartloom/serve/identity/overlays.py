"""A record before and after the update that would turn it into somebody else, or did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.message import Message
from chartloom.domain.resource import FhirJson, ResourceState, Stamp
from chartloom.domain.store import MessageDetail, MessageFilter, MessageRow
from chartloom.registry.persons import Parameters, is_overlay, standardise
from chartloom.serve.identity.fields import Row, Value, compare_values, read

#: Messages of a record that are looked through for the update, the newest.
_MESSAGES_MAX: Final = 60

_Said = tuple[FhirJson, dict[str, Stamp]]


#: Stopped messages that are shown, the oldest: a word about them frees no others.
SHOWN_MAX: Final = 20

_Values = dict[str, tuple[Value, ...]]

#: What a message says, derived from its bytes: that of a stopped one is kept nowhere else.
Stated = Callable[[Message], Sequence[FhirJson]]


class Contributions(Protocol):
    """What messages said of a record."""

    def search(self, grant: Grant, where: MessageFilter) -> list[MessageRow]:
        """Newest first."""
        ...

    def detail(self, grant: Grant, position: int) -> MessageDetail:
        """One message; raises ``NotFound``."""
        ...

    def stopped(self, grant: Grant, source_patient: str) -> dict[int, int]:
        """Messages that wait for a word about a record, and when they came, oldest first."""
        ...


class Stopped(msgspec.Struct, frozen=True):
    """A message that was stopped. rows: what it says differently from the record; none if what it
    says cannot be told."""

    position: int
    received_at_us: int
    values: _Values
    rows: tuple[Row, ...]


class Held(msgspec.Struct, frozen=True):
    """What a record says, and the messages that were stopped for it, oldest first.

    more: how many later ones are not among them.
    """

    now: _Values
    messages: tuple[Stopped, ...]
    more: int

    @property
    def looked(self) -> tuple[int, ...]:
        """Positions of those whose words are shown: a word of somebody who sees this is about them,
        and lets in nothing else."""
        return tuple(m.position for m in self.messages if m.values)

    @property
    def then(self) -> _Values:
        """What the newest says of which that can be told."""
        return next((m.values for m in reversed(self.messages) if m.values), {})


def stopped(
    grant: Grant, store: Contributions, state: ResourceState, stated: Stated
) -> Held | None:
    """What was stopped for a record; None if nothing is."""
    now = _values((state.resource, state.stamps))
    shown: list[Stopped] = []
    more = 0
    for position, at_us in store.stopped(grant, state.source_patient).items():
        if len(shown) == SHOWN_MAX:
            more += 1
        elif (one := _stopped(grant, store, state, (position, at_us), stated, now)) is not None:
            shown.append(one)
    return Held(now, tuple(shown), more) if shown else None


def _stopped(
    grant: Grant,
    store: Contributions,
    state: ResourceState,
    came: tuple[int, int],
    stated: Stated,
    now: _Values,
) -> Stopped | None:
    """None if it is withheld. What names another patient first is listed, though not shown."""
    position, at_us = came
    try:
        said_of_it = stated(store.detail(grant, position).message)
    except NotFound:
        if grant.withheld:
            return None
        said_of_it = ()
    values: _Values = {}
    for said in said_of_it:
        if said.get("resourceType") == "Patient" and said.get("id") == state.source_patient:
            stamp = Stamp(1, at_us, position)
            values = _values((said, dict.fromkeys(said, stamp)))
    compared = compare_values(now, values) if values else []
    rows = tuple(r for r in compared if r.right and r.state != "same")
    return Stopped(position, at_us, values, rows)


def turned(
    grant: Grant,
    store: Contributions,
    source_patient: str,
    history: Sequence[MessageRow],
    parameters: Parameters,
) -> tuple[_Values, _Values]:
    """What the record said before and after it became somebody else: at the newest update that the
    matcher calls so; if there is none any more, before and after the newest message."""
    states = list(_states(grant, store, source_patient, history))
    if not states:
        return {}, {}
    place = len(states) - 1
    records = [standardise(resource) for resource, _ in states]
    for i in range(len(states) - 1, 0, -1):
        if is_overlay(records[i - 1], records[i], parameters):
            place = i
            break
    before, after = states[max(place - 1, 0)], states[place]
    return _values(before), _values(after)


def _states(
    grant: Grant, store: Contributions, source_patient: str, history: Sequence[MessageRow]
) -> Iterator[_Said]:
    """What the record said after each message, oldest first; who said an element: its stamp."""
    resource: FhirJson = {}
    stamps: dict[str, Stamp] = {}
    for row in sorted(history[:_MESSAGES_MAX], key=lambda r: r.position):
        try:
            detail = store.detail(grant, row.position)
        except NotFound:
            continue
        for stated in detail.resources:
            if stated.get("resourceType") == "Patient" and stated.get("id") == source_patient:
                said = {k: v for k, v in stated.items() if k not in ("id", "meta", "resourceType")}
                stamp = Stamp(1, row.received_at_us, row.position)
                resource = {**resource, **said}
                stamps = {**stamps, **dict.fromkeys(said, stamp)}
                yield resource, stamps


def _values(said: _Said) -> _Values:
    resource, stamps = said
    return read(resource, lambda element: stamps.get(element.partition("[")[0]))
