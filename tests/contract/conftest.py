"""Fixtures of the contract suite: stores on a real PostgreSQL."""

from tests.support.guarded_store import filled, owner
from tests.support.postgres import postgres_server, store, store_factory

__all__ = ["filled", "owner", "postgres_server", "store", "store_factory"]
