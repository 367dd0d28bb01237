"""The command line's door: the local operator asks ``Authority``, like everybody else.

Whoever can read the key folder is the local operator: runs the site, oversees it, and has no care
relation with anybody. A chart is opened with a reason, as in an emergency, and that is reviewed.
What was asked is printed only when it is durably on record.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Concatenate, Final, ParamSpec, TypeVar
from uuid import uuid4

import msgspec

from chartloom.domain.access import GLASS_SUBJECT, message_subject
from chartloom.domain.errors import ChartloomError, ConfigurationError, MadeAnew, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.store import MessageDetail, MessageFilter, MessageRow, SearchHit
from chartloom.engines.postgres.doors import PostgresGlass
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.requests import PostgresUses
from chartloom.guard.audit import Recorder
from chartloom.guard.authority import AccessDenied, Asking, Authority, Need, Permit
from chartloom.guard.breaking import break_glass
from chartloom.guard.facts import OwnGrants
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal
from chartloom.project import Project
from chartloom.project.access import load_policies, windows
from chartloom.wiring.site import OpenSite, open_site
from chartloom.wiring.staff_list import StaffList

P = ParamSpec("P")
T = TypeVar("T")

#: What no list of staff and no provider can give: only being here does.
LOCAL_OPERATOR: Final = "local_operator"
_ROLES: Final = frozenset(
    {"administrator", "integration_engineer", "privacy_officer", LOCAL_OPERATOR}
)
_TREAT, _OPERATE, _GLASS = Purpose.TREATMENT, Purpose.OPERATIONS, Purpose.BREAK_GLASS
_REASON_CHARS: Final = (10, 1000)
_REASON_CODE: Final = "other"  # the text says more, sealed

FEEDS: Final = Need(((Action.VIEW_SITE, _OPERATE),), what=("site/feeds",))
MESSAGES: Final = Need(((Action.VIEW_MESSAGE, _OPERATE),), what=("site/messages",))
QUARANTINE: Final = Need(((Action.MANAGE_QUARANTINE, _OPERATE),), what=("site/quarantine",))
RETRY: Final = Need(((Action.MANAGE_QUARANTINE, _OPERATE),), what=("site/quarantine-retry",))
REPLAY: Final = Need(((Action.REPLAY, _OPERATE),), what=("site/replay",))
KEYS: Final = Need(((Action.MANAGE_KEYS, _OPERATE),), what=("site/keys",))


def message(position: int) -> Need:
    """One message: through a glass that is open, else as work on the feed."""
    options = ((Action.VIEW_EVIDENCE, _TREAT), (Action.VIEW_MESSAGE, _OPERATE))
    return Need(options, position=position, what=("message",))


def log(what: str) -> Need:
    """A look at the audit log. what: ``verify`` and so on."""
    return Need(((Action.VIEW_AUDIT, _OPERATE),), what=(f"audit/{what}",))


def authority_of(opened: OpenSite, recorder: Recorder, observer: str) -> Authority:
    """The site's policies, facts, glass and data uses behind one door."""
    project, store = opened.project, opened.store
    return Authority(
        load_policies(project),
        PostgresFacts(store, StaffList(project).patient_numbers),
        PostgresGlass(store),
        PostgresUses(store),
        opened.guard,
        recorder,
        opened.clock,
        windows(project),
        observer=observer,
    )


class ReasonWanted(AccessDenied):
    """The chart is there, and only opens to an operator who says why."""

    def __init__(self) -> None:
        ChartloomError.__init__(
            self,
            "an operator opens a chart only with a reason; it is on record, and reviewed.",
            cure='Say why: --reason "..." (10 characters or more). It opens for some hours.',
        )


class Desk:
    """The local operator with a site open. Every try is one event; raises ``AccessDenied``."""

    def __init__(self, opened: OpenSite, recorder: Recorder) -> None:
        self.opened = opened
        uid = os.getuid()
        self.principal = Principal(f"operator:{uid}", "local operator", _ROLES)
        # Whoever reads the key folder proves it with every command.
        self.asking = Asking(request_id=uuid4().hex, fresh=True)
        self.authority = authority_of(opened, recorder, "command-line")
        self._glass = PostgresGlass(opened.store)
        self._glass_grant = OwnGrants(opened.guard, opened.clock, "service:glass", (GLASS_SUBJECT,))

    def permit(self, need: Need) -> Permit:
        """The permission for a need, not on record yet; a denial is."""
        return self.authority.permit(self.principal, need, self.asking)

    def ask(
        self,
        need: Need,
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """``call(grant, ...)``, if permitted; its answer once that is on record."""
        return self.permit(need).run(call, *args, **kwargs)

    def settle(self, need: Need) -> Grant:
        """The grant for a need, on record before it is given: for what changes something."""
        return self.ask(need, _itself)

    def must_be_whole(self) -> None:
        """Before something is decided: raises ``MadeAnew`` while charts are not whole."""
        if self.opened.store.made_anew(self.authority.gatherer.grant()):
            raise MadeAnew

    def note(self, what: str) -> None:
        """Puts on record that the operator started something: who did it is then known, too."""
        self.settle(Need(((Action.VIEW_SITE, _OPERATE),), what=(f"site/{what}",)))

    def list_messages(self, need: Need, where: MessageFilter) -> list[MessageRow]:
        """Messages, newest first, of those that a list may name to the operator."""
        return self.ask(need, self._named, where)

    def _named(self, grant: Grant, where: MessageFilter) -> list[MessageRow]:
        options, rows = message(1).options, list[MessageRow]()
        wanted = where.limit
        while True:
            part = self.opened.store.search(grant, where)
            open_ = self.authority.listable(self.principal, options, [r.position for r in part])
            rows += [r for r in part if r.position in open_]
            if len(rows) >= wanted or len(part) < where.limit:
                return rows[:wanted]
            where = msgspec.structs.replace(where, before=part[-1].position)

    # Persons

    def find(self, wanted: str, purpose: Purpose = _OPERATE) -> list[SearchHit]:
        """The persons of a record number, person id or source patient id."""
        need = Need(((Action.FIND_PERSON, purpose),), terms={"any": wanted})
        return self.permit(need).search(_patients, self._look_up, wanted)

    def _look_up(self, grant: Grant, wanted: str) -> list[SearchHit]:
        store = self.opened.store
        try:
            person = store.person(grant, wanted)
        except NotFound:
            return store.find_persons(grant, "any", wanted)
        return [SearchHit(person.person_id, person.source_patients)]

    def chart(self, person: str, reason: str) -> Permit:
        """The permission to read a person's chart; with a reason the glass is broken for it.

        An open glass of before needs no other reason. Raises ``ReasonWanted``.
        """
        _long_enough(reason)
        gatherer = self.authority.gatherer
        who, known = gatherer.who(self.principal), gatherer.known_of(person)
        if not gatherer.glass_until(who, known.source_patients):
            self._break(person, reason.strip())
        options = ((Action.VIEW_CHART, _TREAT),)
        return self.permit(Need(options, person=person, what=("chart/summary",)))

    def quarantined(self, position: int, reason: str) -> MessageDetail:
        """A message in quarantine that nobody could judge, for a reason; an open glass of before
        needs no other. Raises ``NotFound``, and ``AccessDenied`` without a reason."""
        from chartloom.serve import needs, unjudged  # pages are much to import

        store, gatherer = self.opened.store, self.authority.gatherer
        who, subject = gatherer.who(self.principal), message_subject(position)
        need = needs.quarantined(position, "message")
        read = unjudged.only_waiting(need, store.detail, lambda found: found.row)
        if not gatherer.glass_until(who, [subject]):
            permit = self.permit(msgspec.structs.replace(need, reason=bool(_long_enough(reason))))
            looked = (self.authority, store, self.principal, position)
            permit.run(unjudged.may_open, *looked)
            self._keep(permit, reason.strip(), unjudged.REASON, subject)
        return self.ask(need, read, position)

    def _break(self, person: str, reason: str) -> None:
        wish = ((Action.BREAK_GLASS, _GLASS),)
        try:
            permit = self.permit(Need(wish, person=person, reason=bool(reason), what=("glass",)))
        except AccessDenied as error:
            raise (error if reason else ReasonWanted()) from None
        self._keep(permit, reason, _REASON_CODE)

    def _keep(self, permit: Permit, text: str, reason: str, subject: str = "") -> None:
        now_us = self.opened.clock.now_us()
        hours = self.opened.project.settings.access.glass_hours
        break_glass(
            self.authority,
            permit,
            self.principal,
            self.asking,
            self._glass,
            self._glass_grant(),
            reason=reason,
            text=text,
            now_us=now_us,
            until_us=now_us + hours * 3_600_000_000,
            subject=subject,
        )


def _long_enough(reason: str) -> str:
    """The reason, if it can be reviewed, or none was given."""
    if reason and not _REASON_CHARS[0] <= len(reason.strip()) <= _REASON_CHARS[1]:
        raise ConfigurationError(
            "The reason is too short or too long to be reviewed.",
            cure=f"Use {_REASON_CHARS[0]} to {_REASON_CHARS[1]} characters.",
        )
    return reason


def _itself(grant: Grant) -> Grant:
    return grant


def _patients(hits: list[SearchHit]) -> list[str]:
    return [p for hit in hits for p in hit.source_patients]


@contextlib.contextmanager
def open_desk(project: Project) -> Iterator[Desk]:
    """Opens a site that is up for the local operator."""
    with open_site(project) as opened:
        recorder = Recorder(opened.store.audit_log())
        try:
            yield Desk(opened, recorder)
        finally:
            recorder.close()
