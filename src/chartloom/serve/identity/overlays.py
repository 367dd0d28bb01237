"""A record before and after the update that would turn it into somebody else, or did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.message import Message, MessageState
from chartloom.domain.quarantine import IDENTITY_OVERLAY
from chartloom.domain.resource import FhirJson, ResourceState, Stamp
from chartloom.domain.store import MessageDetail, MessageFilter, MessageRow
from chartloom.registry.persons import Parameters, is_overlay, standardise
from chartloom.serve.identity.fields import Value, read

#: Messages of a record that are looked through for the update, the newest.
_MESSAGES_MAX: Final = 60

_Said = tuple[FhirJson, dict[str, Stamp]]


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


def stopped(
    grant: Grant, store: Contributions, state: ResourceState, stated: Stated
) -> tuple[dict[str, tuple[Value, ...]], dict[str, tuple[Value, ...]]] | None:
    """What the record says, and what the newest message says of it that was stopped for it; None
    if there is none."""
    mine = state.source_patient
    held = MessageFilter(source_patients=(mine,), state=MessageState.QUARANTINED)
    for row in store.search(grant, held):
        if row.quarantine != IDENTITY_OVERLAY:
            continue
        for said in stated(store.detail(grant, row.position).message):
            if said.get("resourceType") == "Patient" and said.get("id") == mine:
                stamp = Stamp(1, row.received_at_us, row.position)
                now = _values((state.resource, state.stamps))
                return now, _values((said, dict.fromkeys(said, stamp)))
    return None


def turned(
    grant: Grant,
    store: Contributions,
    source_patient: str,
    history: Sequence[MessageRow],
    parameters: Parameters,
) -> tuple[dict[str, tuple[Value, ...]], dict[str, tuple[Value, ...]]]:
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


def _values(said: _Said) -> dict[str, tuple[Value, ...]]:
    resource, stamps = said
    return read(resource, lambda element: stamps.get(element.partition("[")[0]))
