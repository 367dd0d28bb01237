"""Order of the whole suite, and the one PostgreSQL of each of its processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from tests.support.postgres import postgres_server, store, store_factory

__all__ = ["postgres_server", "store", "store_factory"]

# Other work on the machine must fail no test, and a failure must be told before the test times out
# (explaining one costs minutes).
settings.register_profile(
    "chartloom",
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("chartloom")

_BROWSER = Path(__file__).parent / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: a driven browser keeps an event loop in the main thread until the end."""
    items.sort(key=lambda item: _BROWSER in item.path.parents)
