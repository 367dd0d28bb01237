"""Fixtures of the contract suite: stores on a real PostgreSQL."""

from tests.support.guarded_store import filled, owner

__all__ = ["filled", "owner"]
