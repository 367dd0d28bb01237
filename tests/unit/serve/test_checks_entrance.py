"""Signing in and out is on record, whoever it was and however it went."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.responses import Response
from tests.support.clock import FakeClock
from tests.support.memory_doors import MemorySessions

from chartloom.domain.access import SignedIn
from chartloom.guard import Guard
from chartloom.guard.audit import Actor, Context
from chartloom.guard.staff import Principal, Role, Staff, StaffMember
from chartloom.serve import entrance
from chartloom.serve.sessions import SessionBook, Visitor

STAFF = Staff((StaffMember("ann", "Ann", (Role.CLINICIAN,)),))


class Recorder:
    """The authority's part: keeps what is recorded."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def context(
        self, principal: Principal, purpose: Any, asking: Any, grant: Any = None
    ) -> Context:
        return Context(1, Actor(principal.subject), purpose)

    def record(self, *events: Any) -> None:
        self.events += events

    def told(self) -> list[tuple[str, bool]]:
        """Kind of each event, and whether it was refused."""
        return [(e["subtype"][1]["code"], e["outcome"] != "0") for e in self.events]


@pytest.fixture
def console(tmp_path: Path) -> Any:
    clock = FakeClock()
    guard = Guard.open(tmp_path / "keys", clock)
    book = SessionBook(MemorySessions(guard), guard, clock, lambda: STAFF)
    return SimpleNamespace(
        authority=Recorder(), sessions=book, clock=clock,
        doors=SimpleNamespace(https=False, sign_in=None, staff=lambda: STAFF),
        handles=SimpleNamespace(redeem=lambda token: token == "good"),
        page=lambda request, template, status=200, **shown: Response(template, status),
    )  # fmt: skip


def request(visitor: Visitor | None = None) -> Any:
    scope = {"chartloom.visitor": visitor, "chartloom.request_id": "r"}
    return SimpleNamespace(scope=scope, client=None, method="POST", headers={}, cookies={})


@pytest.mark.parametrize(("token", "status", "denied"), [("good", 200, False), ("x", 403, True)])
def test_a_link_that_is_tried_is_on_record(
    console: Any, monkeypatch: pytest.MonkeyPatch, token: str, status: int, denied: bool
) -> None:
    monkeypatch.setattr(
        entrance, "_sign_in_page", lambda c, r, onward, code, **more: Response("", code)
    )
    assert entrance._enter(console, request(), token).status_code == status
    assert console.authority.told() == [("sign-in", denied)]


def test_who_signs_out_is_on_record(console: Any) -> None:
    word = console.sessions.open("ann", "oidc", {})
    visitor = console.sessions.find(word)
    assert entrance._sign_out(console, request(visitor)).status_code == 303
    assert console.authority.told() == [("sign-out", False)]
    assert console.sessions.find(word) is None


def test_only_whose_session_is_of_the_provider_is_led_there(console: Any) -> None:
    party = SimpleNamespace(
        provider=SimpleNamespace(issuer="https://idp"), leave=lambda token: f"leave:{token}"
    )

    def leave(method: str = "oidc", issuer: str = "https://idp", session: bool = True) -> str:
        kept = SignedIn("ann", method, {}, 0, 9, "c", issuer=issuer, id_token="t")
        return entrance._leave(console, Visitor(Principal("ann"), kept if session else None))

    assert leave() == ""  # there is no provider
    console.doors.sign_in = lambda: party
    assert leave() == "leave:t"
    assert leave(method="local") == leave(issuer="https://other") == leave(session=False) == ""
