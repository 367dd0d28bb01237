"""PostgreSQL as the store: embedded or by DSN. See the README beside this file."""

from chartloom.engines.postgres.embedded import EmbeddedPostgres
from chartloom.engines.postgres.exists import has_store
from chartloom.engines.postgres.store import PostgresStore
from chartloom.engines.postgres.tidy import Retention

__all__ = ["EmbeddedPostgres", "PostgresStore", "Retention", "has_store"]
