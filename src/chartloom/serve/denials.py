"""What is turned away before any question is put to the policies."""

from __future__ import annotations

from starlette.requests import Request

from chartloom.domain.errors import MadeAnew
from chartloom.guard.audit import events
from chartloom.guard.authority import AccessDenied, Need
from chartloom.serve.console import Console, asking_of, visitor_of


def denied(console: Console, request: Request, need: Need) -> AccessDenied:
    """Puts a try that is denied on record, once; gives what to raise: the answer of everybody.

    For what is somebody else's or not there, and for forms that one may not use. No id that was
    asked for is believed, so none is recorded.
    """
    _, purpose = need.options[0]
    about = console.authority.context(visitor_of(request).principal, purpose, asking_of(request))
    console.authority.record(events.patient_read(about, "", list(need.what), denied="denied"))
    return AccessDenied()


def must_be_whole(console: Console) -> None:
    """Before something is decided: raises ``MadeAnew`` while charts are not whole."""
    if console.store.made_anew(console.authority.gatherer.grant()):
        raise MadeAnew
