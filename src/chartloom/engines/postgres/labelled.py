"""What is labelled, and of what somebody said that its labels are wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chartloom.domain.grant import Grant
from chartloom.engines.postgres.care import labels_of_persons
from chartloom.engines.postgres.compartments import forbidden
from chartloom.engines.postgres.store import PostgresStore

_OF: Final = """
    SELECT id FROM resource
    WHERE source_patient = ANY(%(patients)s::text[]) AND labels <> 0
        AND labels & %(forbidden)s::int4 = 0
    UNION
    SELECT r.id FROM label_word w JOIN resource r ON r.id = w.resource_id
    WHERE w.source_patient = ANY(%(patients)s::text[]) AND r.labels & %(forbidden)s::int4 = 0
    ORDER BY 1 LIMIT %(limit)s"""
_ASKED: Final = """
    SELECT resource_id, source_patient FROM label_word
    WHERE asked <> 0 ORDER BY resource_id LIMIT %s"""


class PostgresLabels:
    """Implements ``LabelRecords``."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    def labelled(self, grant: Grant, source_patients: Sequence[str], limit: int) -> list[str]:
        """Ids of what carries labels, or of whose labels somebody said something."""
        asked = {
            "patients": list(source_patients), "forbidden": forbidden(grant), "limit": limit,
        }  # fmt: skip
        with self._store.entered(grant) as conn:
            return [row[0] for row in conn.execute(_OF, asked).fetchall()]

    def of_persons(self, grant: Grant, source_patients: Sequence[str]) -> dict[str, int]:
        """Source patient -> mask of the labels of the person, as people left them."""
        with self._store.entered(grant) as conn:
            found = labels_of_persons(conn, source_patients)
        return {patient: person for patient, (person, _) in found.items()}

    def asked(self, grant: Grant, limit: int) -> list[tuple[str, str]]:
        """What waits for a second person: (resource id, source patient)."""
        with self._store.entered(grant) as conn:
            return [(row[0], row[1]) for row in conn.execute(_ASKED, (limit,)).fetchall()]
