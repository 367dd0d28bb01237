"""Tries that are denied before any question is put to the policies: they are on record as well."""

from __future__ import annotations

from starlette.requests import Request

from chartloom.guard.audit import events
from chartloom.guard.authority import AccessDenied, Need
from chartloom.serve.console import Console, asking_of, visitor_of


def denied(console: Console, request: Request, need: Need) -> AccessDenied:
    """Puts the try on record, once, and gives what to raise: the answer that everybody gets.

    For what is somebody else's or not there, and for forms that one may not use. No id that was
    asked for is believed, so none is recorded.
    """
    _, purpose = need.options[0]
    about = console.authority.context(visitor_of(request).principal, purpose, asking_of(request))
    console.authority.record(events.patient_read(about, "", list(need.what), denied="denied"))
    return AccessDenied()
