"""What access is decided from: who cares for whom, labels, consents, and whom things are about.

Relations and labels of persons are rows that the worker writes with the resources they follow from
(``care``); the hierarchy of places is read from the directory and believed for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from time import monotonic
from typing import Any, Final

import msgspec

from chartloom.chart.relations import parents_of
from chartloom.domain.access import KnownConsent, KnownOfPerson, Relation, Target
from chartloom.domain.grant import Grant
from chartloom.domain.labels import BIT, Label
from chartloom.domain.resource import FhirJson, ResourceState
from chartloom.domain.withholding import Withholding
from chartloom.engines.postgres import held
from chartloom.engines.postgres.access import claim
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.care import known_of, patients_of
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.lookups import look
from chartloom.engines.postgres.queries_read import PERSONS_OF, PERSONS_OF_HELD
from chartloom.engines.postgres.store import PostgresStore

_DIRECTORY: Final = """
    SELECT id, source_patient, directory, revision, body, labels FROM resource
    WHERE directory AND type IN ('Practitioner', 'Location', 'Organization')"""
_DIRECTORY_SIZE: Final = """
    SELECT count(*) FROM resource
    WHERE directory AND type IN ('Practitioner', 'Location', 'Organization')"""
_OF_RESOURCE: Final = "SELECT source_patient FROM resource WHERE id = %s"
_OF_MESSAGES: Final = """
    SELECT position, source_patient FROM landing WHERE position = ANY(%(positions)s::int8[])
    UNION SELECT position, source_patient FROM bundle
    WHERE position = ANY(%(positions)s::int8[])"""
#: Those whose key was destroyed.
_SHREDDED: Final = "SELECT subject FROM subject_keys_get(%s, %b, %s) WHERE generation = 0"

#: How long the directory (names of wards, numbers of staff) is believed.
_DIRECTORY_S: Final = 30.0


class PostgresFacts:
    """Implements ``AccessFacts``. Thread-safe.

    employees: patient numbers (``authority|number``) of those who work here, from the list of
    staff as it is now; their persons carry the label EMP.
    """

    def __init__(
        self, store: PostgresStore, employees: Callable[[], Sequence[str]] | None = None
    ) -> None:
        self._store, self._employees = store, employees
        self._employed: tuple[float, frozenset[str]] = (-1e9, frozenset())
        self._directory: tuple[float, list[FhirJson], dict[str, str]] = (-1e9, [], {})

    def together(self, grant: Grant) -> AbstractContextManager[None]:
        """Questions of this thread under this very grant, within, share one transaction."""
        return self._store.together(grant)

    def known_of(self, grant: Grant, any_id: str) -> KnownOfPerson:
        """What is known of the person of a person id or source patient id; empty for nobody."""
        parents = self._parents(grant)
        with self._store.entered(grant) as conn:
            found, holding = _persons_of(conn, [any_id])
            members = found[0][1] if found else [any_id]
            related, labels = known_of(conn, members, parents, holding=holding)
            known = _person(members, _by_patient(related), labels)
        known = self._as_employee(grant, known)  # whether there is anybody or not
        return known if found else KnownOfPerson()

    def known_of_all(self, grant: Grant, source_patients: Sequence[str]) -> list[KnownOfPerson]:
        """What is known of the persons of several source patients, each person once."""
        parents = self._parents(grant)
        with self._store.entered(grant) as conn:
            persons, holding = _persons_of(conn, source_patients)
            members = [m for _, some in persons for m in some]
            relations, labels = known_of(conn, members, parents, holding=holding)
        related = _by_patient(relations)
        known = [_person(some, related, labels) for _, some in sorted(persons)]
        return [self._as_employee(grant, one) for one in known]

    def _as_employee(self, grant: Grant, known: KnownOfPerson) -> KnownOfPerson:
        """With the label EMP, if this person works here."""
        if self._employees is None:
            return known
        at_s, employed = self._employed
        if monotonic() - at_s >= _DIRECTORY_S:
            employed = self.holders(grant, self._employees())
            self._employed = (monotonic(), employed)
        if employed.isdisjoint(known.source_patients):
            return known
        bit = BIT[Label.EMP]
        return msgspec.structs.replace(
            known, labels=known.labels | bit, person_labels=known.person_labels | bit
        )

    def consents(self, grant: Grant, source_patients: Sequence[str]) -> list[KnownConsent]:
        """The FHIR Consents of some source patients, opened; also those that held before."""
        step = (held.CONSENTS_PLAIN, (packed("text", source_patients),))
        with self._store.entered(grant) as conn:
            answer, rows = look(conn, (held.ASK, ()), step)
            if _is_holding(answer):
                asked = {"patients": list(source_patients)}
                rows = conn.execute(held.CONSENTS, asked, binary=True).fetchall()
        return [
            KnownConsent(self._state(grant, row).resource, opens, anew)
            for opens, anew, *row in rows
        ]

    def related_to(self, grant: Grant, who: Sequence[str]) -> list[Relation]:
        """All relations of patients to any of these directory resources."""
        parents = self._parents(grant)
        with self._store.entered(grant) as conn:
            return list(patients_of(conn, who, parents))

    def directory(self, grant: Grant) -> list[FhirJson]:
        """Practitioner, Location and Organization resources, to tell who somebody is."""
        self._store.guard.verify(grant)  # also of what is remembered
        return self._read_directory(grant)[1]

    def directory_size(self, grant: Grant) -> int:
        """How many of these there are now; if more than are remembered, they are forgotten."""
        with self._store.entered(grant) as conn:
            row = conn.execute(_DIRECTORY_SIZE).fetchone()
        size = int(row[0]) if row is not None else 0
        if size != len(self._directory[1]):
            self._directory = (-1e9, [], {})
        return size

    def holders(self, grant: Grant, numbers: Sequence[str]) -> frozenset[str]:
        """Source patients that carry one of these numbers (``authority|number``)."""
        # As feeds name the authority: a URL, or the sender's short name.
        spelled = [s for n in numbers for s in (n, f"urn:id:{n}")]
        blinds = [self._store.guard.blind("record", number) for number in spelled]
        with self._store.entered(grant) as conn:
            query = held.HOLDERS if held.is_holding(conn) else held.HOLDERS_PLAIN
            rows = conn.execute(query, {"blinds": blinds}, binary=True).fetchall()
        return frozenset(row[0] for row in rows)

    def target_of_resource(self, grant: Grant, resource_id: str) -> Target:
        """Whom a resource is about."""
        with self._store.entered(grant) as conn:
            row = conn.execute(_OF_RESOURCE, (resource_id,)).fetchone()
        if row is None:
            return Target(False)
        return Target(True, (row[0],) if row[0] else ())

    def target_of_message(self, grant: Grant, position: int) -> Target:
        """Whom a message is about: whoever it names, and whoever it said something of."""
        return self.targets_of_messages(grant, [position]).get(position, Target(False))

    def targets_of_messages(self, grant: Grant, positions: Sequence[int]) -> dict[int, Target]:
        """The same for many; those that are not there are left out.

        Of several persons, those are left out whose key was destroyed: nothing of them is left in
        the message, and the rest of it is read.
        """
        found: dict[int, set[str]] = {}
        with self._store.entered(grant) as conn:
            rows = conn.execute(_OF_MESSAGES, {"positions": list(positions)}).fetchall()
            for position, patient in rows:
                found.setdefault(position, set()).add(patient)
            about = {position: some - {""} for position, some in found.items()}
            gone = self._shredded(conn, grant, {p for a in about.values() if len(a) > 1 for p in a})
        return {p: Target(True, tuple(sorted(some - gone or some))) for p, some in about.items()}

    def messages_withheld(
        self, grant: Grant, positions: Sequence[int], withheld: Sequence[Withholding]
    ) -> frozenset[int]:
        """Those of ``positions`` that may say something of what is withheld."""
        with self._store.entered(grant) as conn:
            return self._store.withheld(conn, grant, withheld).messages(positions)

    def _shredded(self, conn: Connection, grant: Grant, some: set[str]) -> set[str]:
        if not some:
            return set()
        text, mac = claim(self._store.guard, grant)
        rows = conn.execute(_SHREDDED, (text, mac, sorted(some))).fetchall()
        return {row[0] for row in rows}

    def _state(self, grant: Grant, row: Sequence[Any]) -> ResourceState:
        return self._store.open_state(grant, tuple(row))

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


_Persons = list[tuple[str, list[str]]]


def _persons_of(conn: Connection, ids: Sequence[str]) -> tuple[_Persons, bool]:
    """Persons with their source patients, and whether something is held (``held``)."""
    answer, found = look(conn, (held.ASK, ()), (PERSONS_OF, (packed("text", ids),)))
    if _is_holding(answer):
        return conn.execute(PERSONS_OF_HELD, {"ids": list(ids)}).fetchall(), True
    return [(person, members) for person, members in found], False


def _is_holding(answer: Sequence[tuple[Any, ...]]) -> bool:
    ((holding,),) = answer
    return bool(holding)


def _by_patient(relations: Sequence[Relation]) -> dict[str, list[Relation]]:
    related: dict[str, list[Relation]] = {}
    for relation in relations:
        related.setdefault(relation.source_patient, []).append(relation)
    return related


def _person(
    members: Sequence[str],
    related: dict[str, list[Relation]],
    labels: dict[str, tuple[int, int]],
) -> KnownOfPerson:
    of_person = of_data = 0
    for member in members:
        person, data = labels.get(member, (0, 0))
        of_person, of_data = of_person | person, of_data | data
    found = sorted(r for m in members for r in related.get(m, ()))
    return KnownOfPerson(tuple(members), tuple(found), of_person | of_data, of_person)
