"""Whether a database holds a store already, asked without keys."""

from __future__ import annotations

from chartloom.engines.postgres.connect import Connector, our_errors


def has_store(dsn: str) -> bool:
    """True if a store was made in the database. Raises ``StoreUnavailable``."""
    with Connector(dsn).open("probe", {}) as conn, our_errors():
        row = conn.execute("SELECT to_regclass('public.site') IS NOT NULL").fetchone()
    return bool(row and row[0])
