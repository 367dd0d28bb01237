"""Looking persons up by several traits at once, by index only: for doors that other systems ask.

Each trait is a blind fingerprint. A value that is not known exactly is asked for by its start
(``family^``): the first letters of names are indexed beside the names.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chartloom.domain.grant import Grant
from chartloom.domain.store import SearchHit
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.held import PERSON
from chartloom.engines.postgres.persons import blinds
from chartloom.engines.postgres.traits import starts

#: Candidates are persons of whom one record carries all traits, in the order of their ids.
_CANDIDATES: Final = """
SELECT DISTINCT p.person_id FROM identifier i JOIN {person} p USING (source_patient)
WHERE i.blind = ANY(%(w0)b::bytea[]) AND p.person_id > %(after)s{also}
ORDER BY p.person_id LIMIT %(limit)s"""
_ALSO: Final = """
    AND EXISTS (SELECT FROM identifier j
        WHERE j.source_patient = i.source_patient AND j.blind = ANY(%(w{n})b::bytea[]))"""
_MEMBERS: Final = """
SELECT person_id, array_agg(source_patient ORDER BY source_patient) FROM {person} p
WHERE person_id = ANY(%b::text[]) GROUP BY person_id ORDER BY person_id"""

#: More traits than this narrow nothing down any further.
WANTED_MAX: Final = 8


class SeekingPart(StoreBase):
    """Implements ``Charts.seek_persons``."""

    def seek_persons(
        self,
        grant: Grant,
        wanted: Sequence[Sequence[tuple[str, str]]],
        after: str = "",
        limit: int = 50,
    ) -> list[SearchHit]:
        """Persons of whom one record has, of each of ``wanted``, one of the (field, value) pairs.

        The first of ``wanted`` should be the rarest. Ordered by person id, from behind ``after``.
        """
        prints = [self._prints(some) for some in wanted[:WANTED_MAX]]
        if not prints or not all(prints):
            return []
        also = "".join(_ALSO.format(n=n) for n in range(1, len(prints)))
        values = {f"w{n}": some for n, some in enumerate(prints)}
        with self._reading(grant) as conn:
            asked = {**values, "after": after, "limit": limit}
            person = PERSON if self._holding(conn) else "person"
            query = _CANDIDATES.format(also=also, person=person)
            found = conn.execute(query.encode(), asked).fetchall()
            members = _MEMBERS.format(person=person).encode()
            rows = conn.execute(members, ([row[0] for row in found],)).fetchall() if found else []
        hits = [
            SearchHit(person, tuple(m for m in members if self._guard.covers(grant, m)))
            for person, members in rows
        ]
        return [hit for hit in hits if hit.source_patients]

    def _prints(self, some: Sequence[tuple[str, str]]) -> list[bytes]:
        found: list[bytes] = []
        for field, value in some:
            if field.endswith("^"):
                found += starts(self._guard, field[:-1], value)
            else:
                found += blinds(self._guard, field, "", value)
        return found
