"""Messages in quarantine that nobody could judge: opened with a reason, for some hours.

As with broken glass: what was said is kept sealed, stands in the record, and is reviewed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chartloom.domain.access import message_subject
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.message import MessageState
from chartloom.domain.ports import Messages
from chartloom.domain.quarantine import IDENTITY_OVERLAY
from chartloom.domain.store import MessageDetail, MessageFilter, MessageRow
from chartloom.guard.authority import Authority, Need
from chartloom.guard.breaking import break_glass
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal
from chartloom.serve import needs
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of, whole_number
from chartloom.serve.denials import denied
from chartloom.serve.glass import own_grant, own_records

#: The position of no message.
NO_POSITION: Final = 2**62
#: Stands in the record; what was written is sealed.
REASON: Final = "mend"
TEXT_CHARS: Final = (10, 1000)

P = ParamSpec("P")
T = TypeVar("T")


def is_closed(row: MessageRow) -> bool:
    """Whether a message is in quarantine and what it says was not judged. What was stopped because
    it makes somebody else of a record was read, and carries the labels of what it says."""
    return bool(row.quarantine) and row.quarantine != IDENTITY_OVERLAY


def opened(console: Console, request: Request) -> frozenset[int]:
    """Positions that the visitor has opened, for as long as that lasts."""
    if not console.may(request, Action.OPEN_QUARANTINED):
        return frozenset()
    return frozenset(s.glass.position for s in own_records(console, request) if s.open) - {0}


def waits(grant: Grant, messages: Messages, position: int) -> bool:
    """Whether it is such a message now."""
    where = MessageFilter(state=MessageState.QUARANTINED, before=position + 1, limit=1)
    return any(r.position == position and is_closed(r) for r in messages.search(grant, where))


def need_of(console: Console, request: Request, position: int, part: str = "message") -> Need:
    """What looking at a message asks for: once it was opened, that; else as for every message."""
    own = console.authority.gatherer.grant()
    if position in opened(console, request) and waits(own, console.store, position):
        return needs.quarantined(position, part)
    return needs.message(position, part)


def only_waiting(
    need: Need, call: Callable[Concatenate[Grant, P], T], row_of: Callable[[T], MessageRow]
) -> Callable[Concatenate[Grant, P], T]:
    """``call``, that finds nothing but what is in quarantine where the need is for that only."""

    def checked(grant: Grant, /, *args: P.args, **kwargs: P.kwargs) -> T:
        found = call(grant, *args, **kwargs)
        if need.options[0][0] is Action.OPEN_QUARANTINED and not is_closed(row_of(found)):
            raise NotFound("it is not in quarantine any more.")
        return found

    return checked


def may_open(
    grant: Grant,
    authority: Authority,
    messages: Messages,
    principal: Principal,
    position: int,
) -> MessageDetail:
    """What is to be opened, if a list may name it; raises ``NotFound``."""
    named = authority.listable(principal, needs.message(position).options, [position])
    detail = messages.detail(grant, position)
    if position not in named or not is_closed(detail.row):
        raise NotFound("there is no such message in quarantine.")
    return detail


def open_one(console: Console, request: Request) -> Response:
    """Opens a message for whoever says why, then leads to it."""
    form, visitor, asking = form_of(request), visitor_of(request), asking_of(request)
    position, text = whole_number(first(form, "open", 20)), first(form, "text", TEXT_CHARS[1])
    if not console.may(request, Action.OPEN_QUARANTINED):
        raise denied(console, request, needs.quarantined(position, "quarantine/open"))
    if len(text) < TEXT_CHARS[0]:
        return RedirectResponse("/quarantine?trouble=reason", 303)
    need = needs.quarantined(position or NO_POSITION, "quarantine/open")
    permit = console.authority.permit(visitor.principal, need, asking)
    permit.run(may_open, console.authority, console.store, visitor.principal, position)
    now_us = console.clock.now_us()
    break_glass(
        console.authority,
        permit,
        visitor.principal,
        asking,
        console.doors.glass,
        own_grant(console),
        reason=REASON,
        text=text,
        now_us=now_us,
        until_us=now_us + console.doors.glass_rules.open_s * 1_000_000,
        subject=message_subject(position),
    )
    return RedirectResponse(f"/messages/{position}", 303)
