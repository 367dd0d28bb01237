"""Whether the store can take something new, not only answer."""

from __future__ import annotations

from chartloom.domain.errors import StoreUnavailable
from chartloom.engines.postgres.base import StoreBase

#: Sorts more than fits into its memory, so that a few hundred kilobytes go to disk and off again.
_SPILL = (
    "SELECT count(*) FROM (SELECT md5(n::text) AS m FROM generate_series(1, 6000) n"
    " ORDER BY m OFFSET 0) s"
)


class ProbePart(StoreBase):
    """What readiness asks."""

    def check_writable(self) -> None:
        """Writes a little to the log and to the data disk, and leaves nothing behind.

        Raises ``StoreUnavailable`` if the store is gone, read-only, or out of space.
        """
        with self._landing.use() as conn, conn.transaction():
            row = conn.execute("SELECT current_setting('transaction_read_only')").fetchone()
            if row is None or row[0] != "off":
                raise StoreUnavailable(
                    "the store is read-only.",
                    cure="Look for default_transaction_read_only, or connect to the primary.",
                )
            conn.execute("SET LOCAL work_mem = '64kB'")
            conn.execute(_SPILL)
            conn.execute("SELECT pg_logical_emit_message(true, 'chartloom', 'probe')")
