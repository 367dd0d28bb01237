"""A permitted question, and what it was: the other side of :mod:`chartloom.guard.authority`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Concatenate, Final, ParamSpec, TypeVar

import msgspec

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import ChartloomError, GrantRefused, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.guard.audit import Context, Event, Recorder
from chartloom.guard.policy import Action, Decision

P = ParamSpec("P")
T = TypeVar("T")

#: Actions whose events say what was looked for and who was found.
SEARCHES: Final = frozenset({Action.SEARCH_PERSONS, Action.FIND_PERSON, Action.IDENTIFY_PERSON})
_ALWAYS_LOGGED_MAX: Final = 200
_TIMEOUT_S: Final = 10.0


class AccessDenied(ChartloomError):
    """Not permitted, or not there; the two are alike, and nothing is hinted at."""

    def __init__(self) -> None:
        super().__init__(
            "there is nothing here that you may see.",
            cure="Check the address. In an emergency, break the glass.",
        )


class Asking(msgspec.Struct, frozen=True):
    """Where a question came from, for the record. request_id ties its events together.

    fresh: whoever asks has proved who they are within the last minutes. by: who acts, if it is
    somebody else than for whom it is asked (the operator of a command line). refresh: a page that
    is open asks for itself again.
    """

    address: str = ""
    request_id: str = ""
    fresh: bool = False
    by: str = ""
    refresh: bool = False


class Need(msgspec.Struct, frozen=True):
    """What is asked for. Exactly one of person, resource, position and pair, or none of them.

    options: actions with purposes, the first that is permitted is taken. person: person id or
    source patient id. resource: id. position: of a message. what: things for the record
    (``section/labs``). terms: search terms, recorded as fingerprints only. reason, approved, mine:
    as in ``policy.Request``. may_miss: what is asked for within a chart may not be there, or be
    hidden. data_use: id of a data use. candidates: what an answer about the site may cover
    (``authority._WITH_CANDIDATES`` only), and of a person or pair besides. pair: source patients,
    each decided on like its person; the grant covers these two records and no others of theirs.
    transaction: of IHE, for the record (``ITI-9``).
    """

    options: tuple[tuple[Action, Purpose], ...]
    person: str = ""
    resource: str = ""
    position: int = 0
    what: tuple[str, ...] = ()
    terms: Mapping[str, str] = {}
    reason: bool = False
    approved: bool = False
    mine: bool = False
    may_miss: bool = False
    data_use: str = ""
    candidates: tuple[str, ...] = ()
    pair: tuple[str, ...] = ()
    transaction: str = ""


class Permit:
    """A permitted question: its grant, and its record.

    action, purpose: what was permitted. glass_until_us: the emergency access it rests on, or 0.
    missed: the event of what turns out not to be there, or is hidden from the grant; ``None`` where
    all that is asked for is known to be there.
    """

    def __init__(
        self,
        grant: Grant,
        decision: Decision,
        action: Action,
        purpose: Purpose,
        about: Context,
        recorder: Recorder,
        describe: Callable[[Context, Sequence[str], int | None], Event],
        *,
        glass_until_us: int = 0,
        missed: Callable[[], Event] | None = None,
    ) -> None:
        self.grant, self.decision, self.action, self.purpose = grant, decision, action, purpose
        self.glass_until_us = glass_until_us
        self._about, self._recorder, self._describe = about, recorder, describe
        self._missed = missed

    def submit(self, patients: Sequence[str] = (), count: int | None = None) -> Future[None]:
        """Puts the access on record; done when that is durable."""
        return self._recorder.submit([self._describe(self._about, patients, count)])

    def run(
        self,
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """``call(grant, ...)``; its answer once the access is durably on record.

        What a label hides and what is not there are denied, and on record as the same.
        """
        if self._missed is not None:
            return self._run_and_see(self._missed, call, *args, **kwargs)
        promise = self.submit(self.patients)
        try:
            return call(self.grant, *args, **kwargs)
        finally:
            wait_for(promise)

    def _run_and_see(
        self,
        missed: Callable[[], Event],
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """First the answer, then the event, which tells whether there was one."""
        event: Event | None = None
        try:
            return call(self.grant, *args, **kwargs)
        except (NotFound, GrantRefused, AccessDenied):
            event = missed()
            raise
        finally:
            done = self.submit(self.patients) if event is None else self._recorder.submit([event])
            wait_for(done)

    def search(
        self,
        found: Callable[[T], Sequence[str]],
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """The same for a search. found: source patients in an answer, for the record."""
        patients: Sequence[str] = ()
        count: int | None = None
        try:
            answer = call(self.grant, *args, **kwargs)
            patients = tuple(dict.fromkeys(found(answer)))
            count = len(patients)
            return answer
        finally:
            wait_for(self.submit(patients[:_ALWAYS_LOGGED_MAX], count))

    @property
    def patients(self) -> tuple[str, ...]:
        """The source patients that the grant names, for the record."""
        if self.action in SEARCHES:
            return ()
        return tuple(p for p in self.decision.persons if p != "*" and not p.startswith("site:"))


def wait_for(promise: Future[None]) -> None:
    """Returns when events are durable; raises ``AuditUnavailable`` if they are not in time."""
    try:
        promise.result(_TIMEOUT_S)
    except TimeoutError as error:
        raise AuditUnavailable(
            f"the audit log did not answer within {_TIMEOUT_S} s.",
            cure="See whether the store is up; nothing was shown.",
        ) from error
