"""Whom there is, page by page: for exports and reports over a whole site."""

from __future__ import annotations

from chartloom.domain.grant import Grant
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.compartments import forbidden

_PAGE = """
SELECT DISTINCT source_patient FROM resource
WHERE source_patient > %s AND type = 'Patient' AND labels & %s::int4 = 0
ORDER BY source_patient LIMIT %s"""


class CohortPart(StoreBase):
    """Lists source patients."""

    def source_patients(self, grant: Grant, after: str = "", limit: int = 1000) -> list[str]:
        """Up to ``limit`` source patients with a Patient resource, by id, after ``after``.

        The grant must cover everyone.
        """
        self._verify_for_all(grant)
        with self._reading(grant) as conn:
            rows = conn.execute(_PAGE, (after, forbidden(grant), limit)).fetchall()
        return [row[0] for row in rows]
