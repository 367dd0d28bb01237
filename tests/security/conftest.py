"""Fixtures of the security suite: stores on a real PostgreSQL."""

from tests.support.postgres import postgres_server, store, store_factory

__all__ = ["postgres_server", "store", "store_factory"]
