"""``AccessFacts`` by looking through all that a store holds: slow, and without any index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg

from chartloom.chart.relations import RELATED_TYPES, Relation, parents_of, relations
from chartloom.domain.access import KnownConsent, KnownOfPerson, Target
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.labels import OF_THE_PERSON, mask
from chartloom.domain.resource import FhirJson, ResourceState

_DIRECTORY = ("Practitioner", "Location", "Organization")


class ScannedFacts:
    """Looks through the store's states once and again whenever it holds more messages."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._size = -1
        self._states: list[ResourceState] = []
        self._relations: tuple[Relation, ...] = ()
        #: Set by tests: source patient -> mask.
        self.labels: dict[str, int] = {}

    def together(self, grant: Grant) -> AbstractContextManager[None]:
        return nullcontext()

    def known_of(self, grant: Grant, any_id: str) -> KnownOfPerson:
        self._scan(grant)
        try:
            members = self._store.person(grant, any_id).source_patients
        except NotFound:
            return KnownOfPerson()
        labels = 0
        for member in members:
            labels |= self.labels.get(member, 0)
        found = tuple(r for r in self._relations if r.source_patient in members)
        return KnownOfPerson(members, found, labels, labels & mask(OF_THE_PERSON))

    def known_of_all(self, grant: Grant, source_patients: Sequence[str]) -> list[KnownOfPerson]:
        known = {k.source_patients: k for k in (self.known_of(grant, p) for p in source_patients)}
        return [k for members, k in known.items() if members]

    def consents(self, grant: Grant, source_patients: Sequence[str]) -> list[KnownConsent]:
        self._scan(grant)
        wanted = set(source_patients)
        return [
            KnownConsent(s.resource)
            for s in self._states
            if s.type == "Consent" and s.source_patient in wanted
        ]

    def related_to(self, grant: Grant, who: Sequence[str]) -> list[Relation]:
        self._scan(grant)
        return [r for r in self._relations if r.who in set(who)]

    def directory_size(self, grant: Grant) -> int:
        return len(self.directory(grant))

    def directory(self, grant: Grant) -> list[FhirJson]:
        self._scan(grant)
        return [s.resource for s in self._states if s.type in _DIRECTORY]

    def holders(self, grant: Grant, numbers: Sequence[str]) -> frozenset[str]:
        hits = [h for n in numbers for h in self._store.find_persons(grant, "identifier", n, 50)]
        return frozenset(p for hit in hits for p in hit.source_patients)

    def target_of_resource(self, grant: Grant, resource_id: str) -> Target:
        try:
            patient = self._store.state(grant, resource_id).source_patient
        except NotFound:
            return Target(False)
        return Target(True, (patient,) if patient else ())

    def target_of_message(self, grant: Grant, position: int) -> Target:
        try:
            detail = self._store.detail(grant, position)
        except NotFound:
            return Target(False)
        about = {detail.row.source_patient} - {""}
        return Target(True, tuple(sorted(about)))

    def _scan(self, grant: Grant) -> None:
        size, ids = self._ids()
        if size == self._size:
            return
        self._states = list(self._read(grant, ids))
        parents = parents_of(s.resource for s in self._states)
        self._relations = tuple(sorted({r for s in self._states for r in relations(s, parents)}))
        self._size = size

    def _ids(self) -> tuple[int, list[str]]:
        types = [*RELATED_TYPES, *_DIRECTORY, "Consent"]
        with psycopg.connect(self._store.dsn) as conn:
            count = conn.execute("SELECT count(*) + sum(revision) FROM resource").fetchone()
            rows = conn.execute("SELECT id FROM resource WHERE type = ANY (%s)", (types,))
            return int((count and count[0]) or 0), [row[0] for row in rows]

    def _read(self, grant: Grant, ids: list[str]) -> Iterable[ResourceState]:
        for at in range(0, len(ids), 500):
            yield from self._store.states(grant, ids[at : at + 500]).values()

    def targets_of_messages(self, grant: Grant, positions: Sequence[int]) -> dict[int, Target]:
        found = {p: self.target_of_message(grant, p) for p in positions}
        return {p: target for p, target in found.items() if target.found}
