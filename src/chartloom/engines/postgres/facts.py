"""What access is decided from, read from the chart itself: who cares for whom, labels, consents.

Relations follow from resources, so nothing here can disagree with the chart. Of one person they are
read when asked for; for lists, an index in memory follows the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from time import monotonic
from typing import Any, Final

from chartloom.chart.relations import RELATED_TYPES, Relation, parents_of, relations
from chartloom.domain.access import KnownOfPerson, Target
from chartloom.domain.grant import Grant
from chartloom.domain.labels import OF_THE_PERSON, mask
from chartloom.domain.resource import FhirJson, ResourceState
from chartloom.engines.postgres.queries_read import PERSONS_OF
from chartloom.engines.postgres.store import PostgresStore

_RELATED: Final = """
    SELECT id, source_patient, directory, revision, body, labels FROM resource
    WHERE source_patient = ANY(%b::text[]) AND type = ANY(%b::text[])"""
_LABELS: Final = """
    SELECT coalesce(bit_or(labels), 0) FROM resource WHERE source_patient = ANY(%b::text[])"""
_REVISIONS: Final = """
    SELECT id, revision FROM resource WHERE type = ANY(%b::text[]) AND NOT directory"""
_DIRECTORY: Final = """
    SELECT id, source_patient, directory, revision, body, labels FROM resource
    WHERE directory AND type IN ('Practitioner', 'Location', 'Organization')"""
_OF_RESOURCE: Final = "SELECT source_patient FROM resource WHERE id = %s"
_OF_MESSAGE: Final = """
    SELECT source_patient FROM landing WHERE position = %(position)s
    UNION SELECT source_patient FROM bundle WHERE position = %(position)s"""

_TYPES: Final = sorted(RELATED_TYPES)
#: How long the directory (names of wards, numbers of staff) is believed.
_DIRECTORY_S: Final = 30.0
#: How long the index is believed before the store is compared with it again.
_FOLLOW_S: Final = 2.0
_PAGE: Final = 2_000
_HOLDERS_MAX: Final = 50


class PostgresFacts:
    """Implements ``AccessFacts``. Thread-safe."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._lock = Lock()
        self._directory: tuple[float, list[FhirJson], dict[str, str]] = (-1e9, [], {})
        self._following = Lock()
        self._followed_s = -1e9
        self._revisions: dict[str, int] = {}
        self._of: dict[str, tuple[Relation, ...]] = {}
        self._to: dict[str, set[str]] = {}

    def known_of(self, grant: Grant, any_id: str) -> KnownOfPerson:
        """What is known of the person of a person id or source patient id; empty for nobody."""
        parents = self._parents(grant)
        with self._store.entered(grant) as conn:
            found = conn.execute(PERSONS_OF, {"ids": [any_id]}).fetchall()
            members = tuple(found[0][1]) if found else (any_id,)
            rows = conn.execute(_RELATED, (list(members), _TYPES), binary=True).fetchall()
            row = conn.execute(_LABELS, (list(members),)).fetchone()
        if not found:
            return KnownOfPerson()
        labels = int(row[0]) if row else 0
        related = self._relations((self._state(grant, r) for r in rows), parents)
        return KnownOfPerson(members, related, labels, labels & mask(OF_THE_PERSON))

    def known_of_all(self, grant: Grant, source_patients: Sequence[str]) -> list[KnownOfPerson]:
        """What is known of the persons of several source patients, each person once."""
        self._follow(grant)
        with self._store.entered(grant) as conn:
            persons = conn.execute(PERSONS_OF, {"ids": list(source_patients)}).fetchall()
            members = [m for _, some in persons for m in some]
            sensitive = dict(
                conn.execute(
                    "SELECT source_patient, bit_or(labels) FROM resource"
                    " WHERE source_patient = ANY(%b::text[]) AND labels <> 0 GROUP BY 1",
                    (members,),
                ).fetchall()
            )
        by_patient: dict[str, set[Relation]] = {}
        with self._lock:
            wanted = set(members)
            for some in self._of.values():
                for relation in some:
                    if relation.source_patient in wanted:
                        by_patient.setdefault(relation.source_patient, set()).add(relation)
        answers = []
        for _, some in sorted(persons):
            labels = 0
            for member in some:
                labels |= sensitive.get(member, 0)
            related = sorted(r for m in some for r in by_patient.get(m, ()))
            answers.append(
                KnownOfPerson(tuple(some), tuple(related), labels, labels & mask(OF_THE_PERSON))
            )
        return answers

    def consents(self, grant: Grant, source_patients: Sequence[str]) -> list[FhirJson]:
        """The FHIR Consents of some source patients, opened."""
        with self._store.entered(grant) as conn:
            values = (list(source_patients), ["Consent"])
            rows = conn.execute(_RELATED, values, binary=True).fetchall()
        return [self._state(grant, row).resource for row in rows]

    def related_to(self, grant: Grant, who: Sequence[str]) -> list[Relation]:
        """All relations of patients to any of these directory resources."""
        self._follow(grant)
        with self._lock:
            wanted = set(who)
            ids = {id for one in wanted for id in self._to.get(one, ())}
            return sorted({r for id in ids for r in self._of.get(id, ()) if r.who in wanted})

    def directory(self, grant: Grant) -> list[FhirJson]:
        """Practitioner, Location and Organization resources, to tell who somebody is."""
        return self._read_directory(grant)[1]

    def holders(self, grant: Grant, numbers: Sequence[str]) -> frozenset[str]:
        """Source patients that carry one of these numbers (``authority|number``)."""
        hits = (
            hit
            for number in numbers
            for hit in self._store.find_persons(grant, "identifier", number, _HOLDERS_MAX)
        )
        return frozenset(p for hit in hits for p in hit.source_patients)

    def target_of_resource(self, grant: Grant, resource_id: str) -> Target:
        """Whom a resource is about."""
        with self._store.entered(grant) as conn:
            row = conn.execute(_OF_RESOURCE, (resource_id,)).fetchone()
        if row is None:
            return Target(False)
        return Target(True, (row[0],) if row[0] else ())

    def target_of_message(self, grant: Grant, position: int) -> Target:
        """Whom a message is about: whoever it names, and whoever it said something of."""
        with self._store.entered(grant) as conn:
            rows = conn.execute(_OF_MESSAGE, {"position": position}).fetchall()
        return Target(bool(rows), tuple(sorted({row[0] for row in rows} - {""})))

    def _state(self, grant: Grant, row: Sequence[Any]) -> ResourceState:
        return self._store.open_state(grant, tuple(row))

    @staticmethod
    def _relations(
        states: Iterable[ResourceState], parents: dict[str, str]
    ) -> tuple[Relation, ...]:
        return tuple(sorted({r for state in states for r in relations(state, parents)}))

    def _parents(self, grant: Grant) -> dict[str, str]:
        return self._read_directory(grant)[2]

    def _read_directory(self, grant: Grant) -> tuple[float, list[FhirJson], dict[str, str]]:
        known = self._directory
        if monotonic() - known[0] < _DIRECTORY_S:
            return known
        with self._store.entered(grant) as conn:
            rows = conn.execute(_DIRECTORY, binary=True).fetchall()
        resources = [self._state(grant, row).resource for row in rows]
        known = self._directory = (monotonic(), resources, parents_of(resources))
        return known

    def _follow(self, grant: Grant) -> None:
        """Takes in what changed since the index was looked at last."""
        with self._following:
            if monotonic() - self._followed_s < _FOLLOW_S:
                return
            parents = self._parents(grant)
            with self._store.entered(grant) as conn:
                now = dict(conn.execute(_REVISIONS, (_TYPES,), binary=True).fetchall())
            changed = [id for id, revision in now.items() if self._revisions.get(id) != revision]
            for at in range(0, len(changed), _PAGE):
                states = self._store.states(grant, changed[at : at + _PAGE])
                with self._lock:
                    for id, state in states.items():
                        self._index(id, self._relations((state,), parents))
            with self._lock:
                for id in self._revisions.keys() - now.keys():
                    self._index(id, ())
            self._revisions, self._followed_s = now, monotonic()

    def _index(self, id: str, found: tuple[Relation, ...]) -> None:
        for relation in self._of.get(id, ()):
            self._to[relation.who].discard(id)
        self._of[id] = found
        for relation in found:
            self._to.setdefault(relation.who, set()).add(id)
