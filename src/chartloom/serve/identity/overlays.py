"""A record before and after the update that turned it into somebody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.resource import FhirJson, Stamp
from chartloom.domain.store import MessageDetail, MessageRow
from chartloom.registry.persons import Parameters, is_overlay, standardise
from chartloom.serve.identity.fields import Value, read

#: Messages of a record that are looked through for the update, the newest.
_MESSAGES_MAX: Final = 60

_Said = tuple[FhirJson, dict[str, Stamp]]


class Contributions(Protocol):
    """What messages said of a record."""

    def detail(self, grant: Grant, position: int) -> MessageDetail:
        """One message; raises ``NotFound``."""
        ...


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
