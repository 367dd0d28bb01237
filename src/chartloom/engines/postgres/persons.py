"""Who is one person: clusters of source patients, the same in whatever order messages came.

Two source patients are joined when the last link event about the two (by event time, then position)
says so, or, where no event speaks about them, when they carry the same record number (type MR or
PI) of the same assigning authority, unless more than ``RECORD_SHARED_MAX`` carry it. A person is a
connected component of that graph, named after its smallest source patient id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from chartloom.domain.resource import Contribution, Derived, LinkKind, PatientIdentifier
from chartloom.engines.postgres import queries_commit as queries
from chartloom.engines.postgres.connect import Connection
from chartloom.guard import Guard

_RECORD_TYPES = {"MR", "PI"}
_REMEMBERED_MAX = 400_000

#: Of so many source patients the last word is remembered.
_SAID_MAX = 20_000

Pair = tuple[str, str]
_Said = tuple[tuple[PatientIdentifier, ...], Any]


def record_numbers(patient: Contribution) -> Iterator[str]:
    """``authority|number`` of each identifier of type MR or PI that names its authority."""
    for identifier in patient.resource.get("identifier", ()):
        codes = {c.get("code") for c in identifier.get("type", {}).get("coding", ())}
        assigner = identifier.get("assigner", {})
        authority = identifier.get("system") or assigner.get("display") or ""
        if codes & _RECORD_TYPES and authority and identifier.get("value"):
            yield f"{authority}|{identifier['value']}"


def normal(value: str) -> str:
    """How look-up values are compared: without regard to case and surrounding or double spaces."""
    return " ".join(value.casefold().split())


def blinds(guard: Guard, kind: str, system: str, value: str) -> list[bytes]:
    """The fingerprints under which one identifier is found."""
    found = [guard.blind(kind, normal(value))]
    if kind == "identifier" and system:
        found.append(guard.blind("system|identifier", f"{normal(system)}|{normal(value)}"))
    return found


class Who(NamedTuple):
    """What is to be written about who is who: rows in order."""

    identifiers: list[tuple[bytes, str]]  #: blind fingerprint, source patient
    patients: list[str]
    records: list[tuple[bytes, str]]  #: blind record number, source patient


class PersonIndex:
    """Collects identifiers and record numbers; remembers what is written already."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._known: set[tuple[str, ...]] = set()
        self._fresh: list[tuple[str, ...]] = []
        #: What the last message about a source patient said; the next one of the same sender (who
        #: gives so many numbers and names) mostly says the same.
        self._said: dict[tuple[str, int, int], _Said] = {}
        self._fresh_said: dict[tuple[str, int, int], _Said] = {}

    def clear(self) -> None:
        """Forgets what is written (after a rebuild or a lost connection)."""
        self._known.clear()
        self._said.clear()

    def committed(self) -> None:
        """What the last :meth:`collect` gave is durable."""
        if len(self._known) > _REMEMBERED_MAX:
            self._known.clear()
        if len(self._said) > _SAID_MAX:
            self._said.clear()
        self._known.update(self._fresh)
        self._said.update(self._fresh_said)

    def _new(self, *key: str) -> bool:
        if key in self._known:
            return False
        self._fresh.append(key)
        return True

    def collect(self, derived: Sequence[Derived]) -> Who:
        """All that a batch says about who is who and that is not known to be written already."""
        self._fresh, self._fresh_said = [], {}
        patients, identifiers, records = self._collect(derived)
        return Who(sorted(identifiers), sorted(patients), sorted(records))

    def _collect(
        self, derived: Sequence[Derived]
    ) -> tuple[set[str], set[tuple[bytes, str]], set[tuple[bytes, str]]]:
        patients: set[str] = set()
        identifiers: set[tuple[bytes, str]] = set()
        records: set[tuple[bytes, str]] = set()
        for d in derived:
            if (said := _said(d)) is not None:
                key = (d.source_patient, len(d.identifiers), len(said[1] or ()))
                if self._said.get(key) == said:
                    continue
                self._fresh_said[key] = said
            for who in _patients(d):
                if self._new("p", who):
                    patients.add(who)
            for i in d.identifiers:
                if i.value and self._new(i.kind, i.system, i.value, i.source_patient):
                    for blind in blinds(self._guard, i.kind, i.system, i.value):
                        identifiers.add((blind, i.source_patient))
            for c in d.contributions:
                if c.type == "Patient":
                    for number in record_numbers(c):
                        if self._new("record", number, c.source_patient):
                            blind = self._guard.blind("record", number)
                            records.add((blind, c.source_patient))
        return patients, identifiers, records


def _said(d: Derived) -> _Said | None:
    """All that a message says about who is who, if it speaks of one source patient only."""
    who, numbers = d.source_patient, None
    if not who or d.links or d.quarantine:
        return None
    for c in d.contributions:
        if not c.directory:
            if c.source_patient != who:
                return None
            if c.resource["resourceType"] == "Patient":
                if numbers is not None:
                    return None
                numbers = c.resource.get("identifier", ())
    for i in d.identifiers:
        if i.source_patient != who:
            return None
    return d.identifiers, numbers


def _patients(d: Derived) -> set[str]:
    found = {c.source_patient for c in d.contributions if not c.directory}
    found.update(p for e in d.links for p in (e.surviving, e.prior))
    found.update(i.source_patient for i in d.identifiers)
    if not d.quarantine:
        found.add(d.source_patient)
    found.discard("")
    return found


def recluster(conn: Connection, seeds: Iterable[str]) -> None:
    """Recomputes the components that the seeds are or were in, and stores what changed.

    Within a transaction that holds the lock of all clusters (``batch_persons`` takes it).
    """
    wanted = sorted(seeds)
    before: dict[str, str] = {}
    joined: set[Pair] = set()
    visited: set[str] = set()
    while wanted:
        mates = conn.execute(queries.PERSON_MATES, (wanted,)).fetchall()
        before.update(mates)
        frontier = sorted({*wanted, *(m for m, _ in mates)} - visited)
        visited.update(frontier)
        found = _joined(conn, frontier)
        joined |= found
        wanted = sorted({p for pair in found for p in pair} - visited)
    after = components(visited, joined)
    changed = sorted((p, person) for p, person in after.items() if before.get(p) != person)
    if changed:
        conn.execute(queries.PERSON_UPDATE, ([c[0] for c in changed], [c[1] for c in changed]))


def _joined(conn: Connection, ids: list[str]) -> set[Pair]:
    """The joined pairs that the given source patients are part of."""
    pairs = {_pair(a, b) for a, b in conn.execute(queries.RECORD_PAIRS, (ids,)).fetchall()}
    for a, b, kind, *_ in conn.execute(queries.LINK_EVENTS, {"ids": ids}).fetchall():
        if kind == LinkKind.UNLINK:
            pairs.discard(_pair(a, b))
        else:
            pairs.add(_pair(a, b))
    return pairs


def _pair(a: str, b: str) -> Pair:
    return (a, b) if a < b else (b, a)


def components(ids: Iterable[str], joined: Iterable[Pair]) -> dict[str, str]:
    """Each id with the smallest id of its connected component."""
    parent = {i: i for i in ids}

    def root(i: str) -> str:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in joined:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return {i: root(i) for i in parent}
