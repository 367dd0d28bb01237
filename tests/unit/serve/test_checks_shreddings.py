"""Asking for a destruction: who may not ask is told nothing about whether there is somebody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.guard.authority import AccessDenied
from chartloom.guard.staff import Principal
from chartloom.serve import shreddings
from chartloom.serve.sessions import Visitor


@pytest.mark.parametrize("may", [True, False])
def test_only_who_may_ask_is_told_that_nobody_is_there(
    monkeypatch: pytest.MonkeyPatch, may: bool
) -> None:
    def denied(*_: object) -> None:
        raise AccessDenied

    monkeypatch.setattr(shreddings, "meant", denied)
    monkeypatch.setattr(shreddings, "_page", lambda c, t, r, status, trouble: (status, trouble))
    form = {"person": ["x"], "reason": [next(iter(shreddings.Reason)).value]}
    scope = {"chartloom.visitor": Visitor(Principal("ann")), "chartloom.form": form}
    request, console = SimpleNamespace(scope=scope), SimpleNamespace(may=lambda *_: may)
    given: tuple[Any, Any, Any] = (console, None, request)
    if may:
        answer: Any = shreddings._request(*given)
        assert answer == (404, "nobody")
    else:
        with pytest.raises(AccessDenied):
            shreddings._request(*given)
