"""What a provider posts to end sessions is one token of bounded length, at a site that has one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.datastructures import Headers

from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Actor, Context
from chartloom.guard.tokens import Notice
from chartloom.serve.open_sessions import _TOKEN_CHARS_MAX, _logout

GOOD = "a.b.c"
CONTEXT = Context(1, Actor("nobody"), Purpose.OPERATIONS)


@pytest.mark.parametrize(
    ("given", "has_provider", "status"),
    [
        ([GOOD], True, 200),
        ([], True, 400),
        ([GOOD, GOOD], True, 400),
        (["x" * (_TOKEN_CHARS_MAX + 1)], True, 400),
        (["x" * _TOKEN_CHARS_MAX], True, 200),
        ([GOOD], False, 400),
    ],
    ids=["one", "none", "two", "too long", "as long as may be", "no provider"],
)
def test_one_token_of_a_provider(given: list[str], has_provider: bool, status: int) -> None:
    recorded: list[Any] = []
    party = SimpleNamespace(logged_out=lambda token: Notice("i", "ann", "", "t1", 9))
    authority = SimpleNamespace(
        context=lambda *asked: CONTEXT, record=recorded.append,
    )  # fmt: skip
    doors = SimpleNamespace(
        sign_in=(lambda: party) if has_provider else None,
        used=SimpleNamespace(first_use=lambda *asked: True),
    )
    console: Any = SimpleNamespace(
        authority=authority, doors=doors, sessions=SimpleNamespace(open_now=list)
    )
    scope = {
        "chartloom.form": {"logout_token": given},
        "chartloom.request_id": "r",
        "chartloom.visitor": None,
    }
    request: Any = SimpleNamespace(
        scope=scope, headers=Headers(), client=None, method="POST", query_params={}
    )
    assert _logout(console, request).status_code == status
    assert len(recorded) == (status == 400), "what is refused is on record"
