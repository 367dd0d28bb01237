"""Asking somebody to sign in again before what is grave: the session alone is no proof by then."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chartloom.guard.audit import events
from chartloom.guard.authority import Need
from chartloom.serve.console import Console, asking_of, visitor_of

#: On record, as why nothing was done.
TOO_OLD = "sign-in-too-old"


def ask_again(console: Console, request: Request, need: Need, onward: str) -> Response:
    """The page that leads to the provider and back to ``onward``; the try is on record, denied.

    For whoever would be permitted after signing in: nobody else learns that it would help.
    """
    visitor = visitor_of(request)
    about = console.authority.context(visitor.principal, need.options[0][1], asking_of(request))
    console.authority.record(events.patient_read(about, "", list(need.what), denied=TOO_OLD))
    return console.page(
        request, "again.html", 403, onward=onward, fresh_s=console.doors.limits.fresh_s,
        local=visitor.session is None or visitor.session.method == "local",
    )  # fmt: skip
