"""What is wrong with the site is told to those who may see how it does, and to nobody else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.guard.policy import Action
from chartloom.serve import LogCheck, StoreWatch
from chartloom.serve.console import Console


@pytest.mark.parametrize(("trouble", "may", "told"), [
    ("event 8 does not follow.", True, 1), ("event 8 does not follow.", False, 0),
    ("", True, 0), ("", False, 0),
])  # fmt: skip
def test_alarms(trouble: str, may: bool, told: int) -> None:
    asked: list[Any] = []

    def permitted(request: object, action: Action) -> bool:
        asked.append(action)
        return may

    console = SimpleNamespace(
        watch=StoreWatch(), may=permitted, _anew=(0.0, False),
        doors=SimpleNamespace(log_check=lambda: LogCheck(at_us=1, trouble=trouble)),
    )  # fmt: skip
    assert len(Console._alarms(console, None)) == told  # type: ignore[arg-type]
    assert set(asked) <= {Action.VIEW_SITE}
