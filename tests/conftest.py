"""Order of the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest

_BROWSER = Path(__file__).parent / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests last: a driven browser keeps an event loop in the main thread until the end."""
    items.sort(key=lambda item: _BROWSER in item.path.parents)
