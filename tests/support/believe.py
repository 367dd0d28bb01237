"""Lets the pure parts (mapping and merge) hear a stream of messages, without any store."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from chartloom.chart import merge
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import LinkEvent, ResourceState, Stamp
from chartloom.normalize import load_mapping
from chartloom.simulate import FEEDS, SimMessage


class Believer:
    """What somebody believes who heard all messages in the order in which they arrived."""

    def __init__(self) -> None:
        self._mappings = {"hl7v2": load_mapping("hl7v2"), "fhir": load_mapping("fhir")}
        self._seen: set[tuple[str, str, bytes]] = set()
        self._controls: set[tuple[str, str]] = set()
        self._position = 0
        self.states: dict[str, ResourceState] = {}
        self.namespaces: dict[str, str] = {}  #: resource id -> patient namespace of its feed
        self.quarantined: dict[str, str] = {}  #: truth ref -> reason
        self.duplicates: set[str] = set()  #: truth refs
        self.links: set[LinkEvent] = set()

    def hear(self, messages: Iterable[SimMessage]) -> Believer:
        for m in messages:
            self._hear(m)
        return self

    def _hear(self, m: SimMessage) -> None:
        digest = hashlib.sha256(m.body).digest()
        if m.control_id and (m.feed, m.control_id, digest) in self._seen:
            self.duplicates.add(m.truth_ref)
            return
        conflict = (m.feed, m.control_id) in self._controls
        self._seen.add((m.feed, m.control_id, digest))
        self._controls.add((m.feed, m.control_id))
        self._position += 1
        feed = FEEDS[m.feed]
        message = Message(
            self._position, m.feed, m.body, m.at_us, digest,
            control_id=m.control_id, message_type=m.kind, conflict=conflict,
        )  # fmt: skip
        mapping = self._mappings["fhir" if m.format is Format.FHIR else "hl7v2"]
        derived = mapping.derive(message, feed, EXAMPLE_NAMESPACE)
        if derived.quarantine:
            self.quarantined[m.truth_ref] = derived.quarantine
            return
        self.links.update(derived.links)
        stamp = Stamp(1, derived.event_us, derived.position)
        for contribution in derived.contributions:
            if not contribution.directory:
                known = self.states.get(contribution.id)
                self.states[contribution.id] = merge(known, contribution, stamp)
                self.namespaces[contribution.id] = feed.patient_namespace

    def of_type(self, kind: str, namespace: str) -> Iterator[dict[str, Any]]:
        """Resources of a type that live in a namespace."""
        for id, state in self.states.items():
            if state.type == kind and self.namespaces[id] == namespace:
                yield state.resource

    def by_identifier(self, kind: str, namespace: str) -> dict[str, list[dict[str, Any]]]:
        """Resources of a type by the value of each of their identifiers."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for resource in self.of_type(kind, namespace):
            own = [*_listed(resource.get("identifier")), *_listed(resource.get("masterIdentifier"))]
            for identifier in own:
                if resource not in found[identifier["value"]]:
                    found[identifier["value"]].append(resource)
        return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def codes(concept: dict[str, Any] | None) -> set[str]:
    """All codes of a CodeableConcept."""
    return {c["code"] for c in (concept or {}).get("coding", ()) if "code" in c}


def instant_us(text: str) -> int:
    """A FHIR dateTime with a zone as microseconds."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000
