"""What a grant withholds by class: found by reading the whole chart, and left out everywhere.

Rare, so that it may cost: nothing is looked at unless the grant carries what a Consent withholds.
Then views are folded again from what is left, as if the rest had never been said; messages that
speak of it are not there; and nothing that is left refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from chartloom.chart import rebuild_part, view_key
from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.grant import Grant
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.resource import ResourceState
from chartloom.domain.store import MessageRow
from chartloom.domain.withholding import Withholding
from chartloom.engines.postgres import queries
from chartloom.engines.postgres.bodies import Bodies, BundleBody
from chartloom.engines.postgres.compartments import forbidden
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.queries_read import PLACED
from chartloom.guard.withholding import withholds, without_references

_REFERENCE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}")
#: Of the hospital, not of a patient.
_OF_NOBODY: Final = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location"})
_CHART: Final = f"""
SELECT {PLACED} FROM resource
WHERE source_patient = ANY(%(patients)b::text[]) AND labels & %(forbidden)s::int4 = 0"""  # noqa: S608
_SPOKEN: Final = """
SELECT position, ordinal, source_patient, body, labels FROM bundle
WHERE position = ANY(%(positions)b::int8[]) AND source_patient = ANY(%(patients)b::text[])"""
#: Messages about these of which not everything became resources, so that nobody can say what
#: they hold.
_UNJUDGED: Final = """
SELECT m.position FROM landing m LEFT JOIN outcome o USING (position)
WHERE m.position = ANY(%(positions)b::int8[])
    AND (m.source_patient = ANY(%(patients)b::text[])
        OR o.source_patient = ANY(%(patients)b::text[])
        OR EXISTS (SELECT FROM bundle b WHERE b.position = m.position
                   AND b.source_patient = ANY(%(patients)b::text[])))
    AND (o.position IS NULL OR o.quarantine <> '' OR o.unmapped_count > 0)"""


#: Whether what things are may be told later than the things. Whoever asked it in a transaction has
#: a lock on what a rebuild empties, so that none begins before the transaction is over.
_ANEW: Final = "SELECT holding() WHERE NOT EXISTS (SELECT FROM resource WHERE false)"


class Withheld:
    """One read under a grant that carries what is withheld.

    closed: patients whose views are folded again from what the grant opens, for another reason.
    """

    def __init__(
        self,
        grant: Grant,
        said: Sequence[Withholding],
        bodies: Bodies,
        conn: Connection,
        closed: Sequence[str] = (),
    ) -> None:
        self._grant, self._said, self._bodies, self._conn = grant, said, bodies, conn
        #: Whose data is concerned.
        self.patients = sorted({p for w in said for p in w.source_patients})
        #: Whose views are folded again.
        self.folded = sorted({*self.patients, *closed})

    def concerns(self, source_patients: Iterable[str]) -> list[str]:
        """Those of some source patients of whom something may be withheld."""
        return [p for p in source_patients if p in self.patients]

    # Resources

    @cached_property
    def _chart(self) -> list[PlacedState]:
        asked = {"patients": self.folded, "forbidden": forbidden(self._grant)}
        rows = self._conn.execute(_CHART, asked, binary=True).fetchall()
        states = self._bodies.open_states(self._grant, [r[: queries.STATE_WIDTH] for r in rows])
        return [
            placed(state, *row[queries.STATE_WIDTH :])
            for state, row in zip(states, rows, strict=True)
        ]

    @cached_property
    def gone(self) -> frozenset[str]:
        """Ids of all resources that are withheld."""
        return frozenset(p.state.id for p in self._chart if self._withholds(p.state))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(p.state.id for p in self._chart)

    @cached_property
    def _anew(self) -> bool:
        """While everything is derived anew, all of these patients is withheld."""
        row = self._conn.execute(_ANEW).fetchone()
        return row is not None and bool(row[0])

    def _withholds(self, state: ResourceState) -> bool:
        if state.source_patient not in self.patients:
            return False
        return self._anew or withholds(
            self._said, state.source_patient, state.resource, state.labels
        )

    def left(self, state: ResourceState) -> ResourceState | None:
        """A state without what it says of withheld things; ``None`` if it is one itself."""
        if state.directory or state.source_patient not in self.patients:
            return state
        if state.id in self.gone or self._withholds(state):
            return None
        resource = {
            name: kept
            for name, value in state.resource.items()
            if (kept := without_references(value, self._leads_away(state.source_patient)))
            is not None
        }
        gone = self._leads_away(state.source_patient)
        stamps = {  # keys name what an element of a list refers to
            key: stamp
            for key, stamp in state.stamps.items()
            if not any(gone(reference) for reference in _REFERENCE.findall(key))
        }
        return msgspec.structs.replace(state, resource=resource, stamps=stamps)

    def _leads_away(self, patient: str) -> Callable[[str], bool]:
        """Of what is not in the chart, its type is all that is known."""

        def gone(reference: str) -> bool:
            kind, _, id = reference.rpartition("/")
            if id in self.gone or not kind or id in self._known:
                return id in self.gone
            bare = {"resourceType": kind.rpartition("/")[2], "id": id}
            if bare["resourceType"] in _OF_NOBODY:
                return False
            return withholds(self._said, patient, bare, 0)

        return gone

    def states(self, states: Iterable[ResourceState]) -> list[ResourceState]:
        """Those that are left."""
        return [kept for state in states if (kept := self.left(state)) is not None]

    def placed(self, found: Iterable[PlacedState]) -> list[PlacedState]:
        """Those that are left, where they were."""
        return [
            msgspec.structs.replace(p, state=kept)
            for p in found
            if (kept := self.left(p.state)) is not None
        ]

    def sections(self, source_patients: Sequence[str]) -> list[SectionView]:
        """The views of these, as if what is withheld had never been said."""
        parts: dict[ViewKey, list[PlacedState]] = {}
        for one in self.placed(p for p in self._chart if p.state.source_patient in source_patients):
            if (key := view_key(one)) is not None:
                parts.setdefault(key, []).append(one)
        return [rebuild_part(key, some) for key, some in parts.items()]

    # Messages

    def messages(self, positions: Sequence[int]) -> frozenset[int]:
        """Those of some messages that say something of what is withheld, or may do so."""
        asked = {"positions": list(positions), "patients": self.patients}
        unjudged = self._conn.execute(_UNJUDGED, asked, binary=True).fetchall()
        found = {row[0] for row in unjudged}
        for row in self._conn.execute(_SPOKEN, asked, binary=True).fetchall():
            if row[0] not in found and self._speaks_of_it(row):
                found.add(row[0])
        return frozenset(found)

    def rows(self, rows: list[MessageRow]) -> list[MessageRow]:
        """Lines of a list without those."""
        if not self.patients or not rows:
            return rows
        gone = self.messages([row.position for row in rows])
        return [row for row in rows if row.position not in gone]

    def _speaks_of_it(self, row: Sequence[Any]) -> bool:
        position, ordinal, patient, sealed, labels = row
        if labels & forbidden(self._grant):
            return True
        try:
            body = self._bodies.open_bundle(self._grant, position, ordinal, patient, sealed, labels)
        except SubjectShredded:
            return True
        return self.tells(patient, body)

    def tells(self, patient: str, body: BundleBody) -> bool:
        """Whether a message's word about one source patient says something of it."""
        return patient in self.patients and (self._anew or self._tells(patient, body))

    def _tells(self, patient: str, body: BundleBody) -> bool:
        return any(
            c.id in self.gone or withholds(self._said, patient, c.resource, c.labels)
            for c in body.contributions
        )


def placed(
    state: ResourceState, section: int, part: int, sort_us: int, series: str, hidden: bool
) -> PlacedState:
    """A state with the columns that say where it stands."""
    return PlacedState(state, Section(section), part, sort_us, series, hidden, state.labels)
