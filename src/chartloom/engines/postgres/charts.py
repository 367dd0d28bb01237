"""Reads for views, consoles and doors. The grant is verified where it is entered (``base``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.resource import ResourceState
from chartloom.domain.store import SearchHit
from chartloom.engines.postgres import held, queries, queries_read
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.calls import int4
from chartloom.engines.postgres.compartments import forbidden, sees_everything
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.lookups import look
from chartloom.engines.postgres.persons import blind_of_system, blinds
from chartloom.engines.postgres.withheld import placed

#: The fields by which a person can be looked up, beside ``any``.
SEARCH_FIELDS = ("identifier", "family", "given", "birthdate")

_FOREVER_US = 2**62
#: How many of the newest bundles ``recent_persons`` looks at.
_RECENT_WINDOW = 2000
_EVERY_SECTION = [int(s) for s in Section if s is not Section.NONE]


class ChartsPart(StoreBase):
    """Implements the ``Charts`` port."""

    def find_persons(
        self, grant: Grant, field: str, value: str, limit: int = 20
    ) -> list[SearchHit]:
        """Persons with exactly this value (regardless of case and spacing); ``any`` also takes a
        person id or source patient id."""
        if not value.strip():
            return []
        wanted = self._fingerprints(field, value)
        with self._reading(grant) as conn:
            # More than asked for: several source patients may be one person.
            found = conn.execute(queries_read.FIND_IDENTIFIER, (wanted, limit * 8)).fetchall()
            ids = [row[0] for row in found]
            if field == "any":
                ids.append(value.strip())
            return self._hits(conn, grant, ids)[:limit]

    def _fingerprints(self, field: str, value: str) -> list[bytes]:
        fields = SEARCH_FIELDS if field == "any" else (field,)
        system, bar, rest = value.rpartition("|")
        found = [b for f in fields for b in blinds(self._guard, f, "", value)]
        if bar and "identifier" in fields:
            found.append(blind_of_system(self._guard, system, rest))
        return found

    def _hits(self, conn: Connection, grant: Grant, ids: Iterable[str]) -> list[SearchHit]:
        """The persons of some source patients or persons, as far as the grant covers them."""
        wanted = list(ids)
        if self._holding(conn):
            rows = conn.execute(queries_read.PERSONS_OF_HELD, {"ids": wanted}).fetchall()
        else:
            (rows,) = look(conn, (queries_read.PERSONS_OF, (packed("text", wanted),)))
        hits = [
            SearchHit(person, tuple(m for m in members if self._guard.covers(grant, m)))
            for person, members in rows
        ]
        return sorted((h for h in hits if h.source_patients), key=lambda h: h.person_id)

    def recent_persons(self, grant: Grant, limit: int = 20) -> list[SearchHit]:
        """Persons whose chart changed last, newest first."""
        with self._reading(grant) as conn:
            everyone = "*" in grant.persons
            values = {
                "everyone": everyone,
                "persons": [] if everyone else list(grant.persons),
                "window": _RECENT_WINDOW,
                "forbidden": forbidden(grant),
                "limit": limit * 4,
            }
            found = [row[0] for row in conn.execute(queries_read.RECENT, values).fetchall()]
            # That something changed may be told by what is withheld alone.
            partly = self._withheld(conn, grant).concerns(found)
            ids = [id for id in found if id not in partly]
            hits = self._hits(conn, grant, ids)
        place = {id: i for i, id in enumerate(ids)}
        hits.sort(key=lambda h: min(place.get(p, len(ids)) for p in h.source_patients))
        return hits[:limit]

    def person(self, grant: Grant, any_id: str) -> SearchHit:
        """The person of a person id or source patient id; raises ``NotFound``."""
        with self._reading(grant) as conn:
            hits = self._hits(conn, grant, [any_id])
        if not hits:
            raise NotFound("there is no such person.")
        # A former person id may be a member of a cluster that is named after somebody smaller.
        return hits[0]

    def persons_of(self, grant: Grant, any_ids: Sequence[str]) -> list[SearchHit]:
        """The persons of person ids and source patient ids, each once; unknown ids are left out."""
        with self._reading(grant) as conn:
            return self._hits(conn, grant, any_ids) if any_ids else []

    def _covered(self, grant: Grant, source_patients: Sequence[str]) -> list[str]:
        return [p for p in dict.fromkeys(source_patients) if self._guard.covers(grant, p)]

    def sections(self, grant: Grant, source_patients: Sequence[str]) -> list[SectionView]:
        """All section views of a chart, in one round trip."""
        covered = self._covered(grant, source_patients)
        if not covered:
            return []
        with self._reading(grant) as conn:
            withheld = self._withheld(conn, grant, self._closed(conn, grant, covered))
            partly = [p for p in covered if p in withheld.folded]
            whole = [p for p in covered if p not in partly]
            asked = (packed("text", whole), int4(forbidden(grant)))
            (rows,) = look(conn, (queries_read.SECTIONS, asked))
            rest = withheld.sections(partly) if partly else []
        views = [self._bodies.open_view(grant, *row) for row in rows]
        return sorted([*views, *rest], key=lambda view: _order(view.key)) if rest else views

    def _closed(self, conn: Connection, grant: Grant, patients: Sequence[str]) -> Sequence[str]:
        """Those of whom row-level security shows no view while everything is derived anew, since
        the grant does not open labels that something had before: they are folded from the rest.

        Until it is noticed that a rebuild began, they are empty.
        """
        if not self._holding(conn) or sees_everything(grant):
            return ()
        rows = conn.execute(held.CLOSED, (list(patients), forbidden(grant)), binary=True)
        return [row[0] for row in rows.fetchall()]

    def speakers(
        self,
        grant: Grant,
        source_patients: Sequence[str],
        sections: Sequence[Section] = (),
        resource_ids: Sequence[str] = (),
    ) -> dict[str, str]:
        """Resource id -> the feed that spoke of it last, of visible ones; no sections: of all; of
        these resources only, if there are any."""
        covered = self._covered(grant, source_patients)
        if not covered:
            return {}
        wanted = [int(s) for s in sections] or _EVERY_SECTION
        asked = (
            packed("text", covered), packed("int2", wanted), int4(forbidden(grant)),
            packed("text", list(resource_ids)),
        )  # fmt: skip
        with self._reading(grant) as conn:
            (rows,) = look(conn, (queries_read.SPEAKERS, asked))
            found: dict[str, str] = dict(rows)
            withheld = self._withheld(conn, grant)
            if withheld.concerns(covered):
                found = {id: feed for id, feed in found.items() if id not in withheld.gone}
            return found

    def made_anew(self, grant: Grant) -> bool:
        """Whether charts are not whole yet, since messages are applied again."""
        with self._reading(grant) as conn:
            row = conn.execute(queries_read.MADE_ANEW).fetchone()
        return row is not None and bool(row[0])

    def state(self, grant: Grant, resource_id: str) -> ResourceState:
        """The current state of one resource; raises ``NotFound``."""
        found = self.states(grant, [resource_id])
        if resource_id not in found:
            raise NotFound("there is no such resource.")
        return found[resource_id]

    def states(self, grant: Grant, resource_ids: Sequence[str]) -> dict[str, ResourceState]:
        """Those of the resources that exist and that the grant covers."""
        if not resource_ids:
            return {}
        with self._reading(grant) as conn:
            rows = conn.execute(queries.STATES, (list(resource_ids),), binary=True).fetchall()
            rows = [
                row
                for row in rows
                if row[2] or (self._guard.covers(grant, row[1]) and not row[5] & forbidden(grant))
            ]
            states = self._withheld(conn, grant).states(self._bodies.open_states(grant, rows))
        return {state.id: state for state in states}

    def open_state(self, grant: Grant, row: tuple[Any, ...]) -> ResourceState:
        """A state from its columns, as :mod:`chartloom.engines.postgres.facts` reads them."""
        return self._bodies.open_state(grant, *row)

    def timeline(
        self,
        grant: Grant,
        source_patients: Sequence[str],
        sections: Sequence[Section] = (),
        before_us: int = 0,
        limit: int = 50,
        series: str = "",
        before_id: str = "",
    ) -> list[PlacedState]:
        """Visible resources of a chart, newest first, older than ``before_us`` (0: the newest).

        With ``before_id`` also those of that very moment whose ids are smaller: so pages neither
        repeat nor leave out anything. With ``series`` only the results of that series.
        """
        covered = self._covered(grant, source_patients)
        if not covered:
            return []
        values: dict[str, Any] = {
            "patients": covered,
            "forbidden": forbidden(grant),
            "sections": [int(s) for s in sections] or _EVERY_SECTION,
            "before": before_us if before_us or before_id else _FOREVER_US,
            "before_id": before_id,
            "limit": limit,
            "series": series,
        }
        query = queries_read.SERIES if series else queries_read.TIMELINE
        found: list[PlacedState] = []
        with self._reading(grant) as conn:
            withheld = self._withheld(conn, grant)
            while True:
                page = self._page(conn, grant, query, values)
                found += withheld.placed(page)
                if len(page) < limit or len(found) >= limit:
                    return found[:limit]
                # Some of the page is withheld: what comes after it moves up.
                values |= {"before": page[-1].sort_us, "before_id": page[-1].state.id}

    def _page(
        self, conn: Connection, grant: Grant, query: str, values: dict[str, Any]
    ) -> list[PlacedState]:
        rows = conn.execute(query, values, binary=True).fetchall()
        states = self._bodies.open_states(grant, [row[: queries.STATE_WIDTH] for row in rows])
        return [
            placed(state, *row[queries.STATE_WIDTH :])
            for state, row in zip(states, rows, strict=True)
        ]


def _order(key: ViewKey) -> tuple[str, int, int, int]:
    return key.source_patient, int(key.section), key.part, key.labels
