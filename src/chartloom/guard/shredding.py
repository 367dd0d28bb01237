"""Destroying a person's keys takes two persons: one asks, another approves, then it is done.

Console and command line go through :class:`TwoPersons`; each try is one event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final
from uuid import uuid4

import msgspec

from chartloom.domain.access import SHREDDINGS_SUBJECT, Shredding, ShredState
from chartloom.domain.errors import ConfigurationError, NotFound
from chartloom.domain.grant import Purpose
from chartloom.domain.ports import Clock, Shreddings
from chartloom.guard.audit import Kind, events
from chartloom.guard.authority import AccessDenied, Asking, Authority, Need
from chartloom.guard.facts import Minter, OwnGrants, actor_of
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal

#: For how long an approval holds.
APPROVED_S: Final = 7 * 86_400
_OPERATE: Final = Purpose.OPERATIONS
_OPERATOR: Final = "operator:"
#: Of whoever signs in to the console with a link of the machine: it may be any of its operators.
_LINK: Final = "operator:local"


class Reason(StrEnum):
    """Why a person's data is made unreadable; a code, for the record."""

    PATIENT_REQUEST = "patient-request"
    RETENTION_OVER = "retention-over"
    COURT_ORDER = "court-order"
    SENT_BY_MISTAKE = "sent-by-mistake"
    TEST_DATA = "test-data"


#: What may be said of a request, and what becomes of it.
DECISIONS: Final = {
    "approve": ShredState.APPROVED,
    "refuse": ShredState.REFUSED,
    "withdraw": ShredState.WITHDRAWN,
}


def same_person(one: str, other: str) -> bool:
    """Whether two actors may be one and the same person."""
    both_here = one.startswith(_OPERATOR) and other.startswith(_OPERATOR)
    return one == other or (both_here and _LINK in (one, other))


class TwoPersons:
    """Requests for destruction: asked for, decided, and handed out to be carried out."""

    def __init__(
        self, authority: Authority, kept: Shreddings, minter: Minter, clock: Clock
    ) -> None:
        self._authority, self._kept, self._clock = authority, kept, clock
        self._grant = OwnGrants(minter, clock, "service:shreddings", (SHREDDINGS_SUBJECT,))

    def request(
        self, principal: Principal, person: str, reason: Reason, asking: Asking
    ) -> Shredding:
        """Asks for the destruction of the keys of a person (any id). Raises ``AccessDenied``."""
        options = ((Action.REQUEST_SHRED, _OPERATE),)
        need = Need(options, person=person, reason=True, what=("shredding",))
        permit = self._authority.permit(principal, need, asking)
        made = Shredding(
            uuid4().hex, permit.patients, reason.value, actor_of(principal), self._clock.now_us()
        )
        about = self._authority.context(principal, _OPERATE, asking, permit.grant)
        self._authority.record(
            events.change(
                about, Kind.SHRED_REQUESTED, made.id, patients=permit.patients, reason=made.reason
            )
        )
        self._kept.add(self._grant(), made)
        return made

    def kept(self) -> Sequence[Shredding]:
        """All of them, for the house itself: nothing of it is shown."""
        return self._kept.list(self._grant())

    def list(self, principal: Principal, asking: Asking) -> list[Shredding]:
        """All of them, newest first."""
        need = Need(
            ((Action.VIEW_SHREDDINGS, _OPERATE),),
            candidates=(SHREDDINGS_SUBJECT,),
            what=("shreddings",),
        )
        return self._authority.permit(principal, need, asking).run(self._kept.list)

    def decide(self, principal: Principal, id: str, decision: str, asking: Asking) -> Shredding:
        """Approves, refuses or withdraws (keys of :data:`DECISIONS`). Raises ``AccessDenied``."""
        me, state = actor_of(principal), DECISIONS[decision]
        found = self._find(principal, id, asking)
        mine = same_person(me, found.requested_by)
        if state is ShredState.WITHDRAWN:
            if me != found.requested_by:
                raise self._denied(principal, asking)
            need = Need(((Action.VIEW_SHREDDINGS, _OPERATE),), what=("shredding",))
        else:
            need = Need(((Action.APPROVE_SHRED, _OPERATE),), mine=mine, what=("shredding",))
        permit = self._authority.permit(principal, need, asking)
        decided = msgspec.structs.replace(
            found, state=state, decided_by=me, decided_us=self._clock.now_us()
        )
        about = self._authority.context(principal, _OPERATE, asking, permit.grant)
        self._authority.record(
            events.change(
                about,
                Kind.SHRED_DECIDED,
                id,
                patients=found.source_patients,
                decision=state.value,
            )
        )
        if not self._kept.decide(self._grant(), decided):
            raise ConfigurationError(
                "this was decided before.", cure="Look at the list; ask for it anew if need be."
            )
        return decided

    def approved(
        self,
        principal: Principal,
        id: str,
        asking: Asking,
        begun: Callable[[Sequence[str]], bool] = lambda _: False,
    ) -> Shredding:
        """One that may be carried out now. Raises ``AccessDenied``, ``ConfigurationError``.

        begun: whether a key of these source patients is gone already; then an earlier run was cut
        short, and nobody is known under their ids any more.
        """
        found = self._find(principal, id, asking)
        two = not same_person(found.requested_by, found.decided_by)
        valid_us = APPROVED_S * 1_000_000
        if not (two and found.may_be_done(self._clock.now_us(), valid_us)):
            raise ConfigurationError(
                f"the destruction is not approved by somebody else, or not any more"
                f" (it is {found.state.value}).",
                cure="Somebody else approves it in the console, at Destruction of keys; an "
                f"approval holds for {APPROVED_S // 86_400} days.",
            )
        need = Need(((Action.MANAGE_KEYS, _OPERATE),), what=("shredding",))
        if not begun(found.source_patients):
            need = Need(
                ((Action.SHRED, _OPERATE),),
                person=found.source_patients[0],
                reason=True,
                approved=True,
                what=("shredding",),
            )
        self._authority.permit(principal, need, asking)
        return found

    def done(self, shredding: Shredding) -> None:
        """Keeps that it was carried out."""
        done = msgspec.structs.replace(shredding, state=ShredState.DONE)
        self._kept.decide(self._grant(), done)

    def _find(self, principal: Principal, id: str, asking: Asking) -> Shredding:
        try:
            return self._kept.get(self._grant(), id)
        except NotFound:
            raise self._denied(principal, asking) from None

    def _denied(self, principal: Principal, asking: Asking) -> AccessDenied:
        about = self._authority.context(principal, _OPERATE, asking)
        self._authority.record(events.patient_read(about, "", ["shredding"], denied="denied"))
        return AccessDenied()
