"""The one door between a question and data: facts, decision, grant, record.

Console, API and command line ask :class:`Authority`. One question is one decision, one grant and
one event; what was asked is released only when its event is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Concatenate, Final, ParamSpec, TypeVar

import msgspec

from chartloom.domain.access import DataUse, KnownOfPerson, Target
from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import ChartloomError, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.labels import OF_THE_PERSON
from chartloom.domain.ports import AccessFacts, Clock, DataUses, GlassRecords
from chartloom.guard.audit import Actor, Context, Recorder, events
from chartloom.guard.audit.events import term_fingerprint
from chartloom.guard.facts import Gatherer, Minter, OwnGrants, Who, actor_of
from chartloom.guard.policy import Action, Decision, PersonFacts, Policies, Request, Windows
from chartloom.guard.staff import Principal

P = ParamSpec("P")
T = TypeVar("T")

#: Actions that open a chart: while the glass is open, they are for the purpose of the emergency.
_THROUGH_GLASS: Final = frozenset({Action.VIEW_CHART, Action.VIEW_EVIDENCE})
_SEARCHES: Final = frozenset({Action.SEARCH_PERSONS, Action.FIND_PERSON})
#: Actions about the site whose grants cover records kept beside charts: reviews and data uses.
_WITH_CANDIDATES: Final = frozenset(
    {Action.REVIEW_GLASS, Action.REQUEST_DATA_USE, Action.APPROVE_DATA_USE}
)
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
    """Where a question came from, for the record. request_id ties its events together."""

    address: str = ""
    request_id: str = ""


class Need(msgspec.Struct, frozen=True):
    """What is asked for. Exactly one of person, resource and position, or none of them.

    options: actions with purposes, the first that is permitted is taken. person: person id or
    source patient id. resource: id. position: of a message. what: things for the record
    (``section/labs``). terms: search terms, recorded as fingerprints only. reason, approved, mine:
    as in ``policy.Request``. data_use: id of a data use. candidates: what an answer about the site
    may cover (:data:`_WITH_CANDIDATES` only).
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
    data_use: str = ""
    candidates: tuple[str, ...] = ()


class Permit:
    """A permitted question: its grant, and its record.

    action, purpose: what was permitted. glass_until_us: the emergency access it rests on, or 0.
    """

    def __init__(
        self,
        grant: Grant,
        decision: Decision,
        action: Action,
        purpose: Purpose,
        about: Context,
        recorder: Recorder,
        describe: Callable[[Context, Sequence[str], int | None], events.Event],
        *,
        glass_until_us: int = 0,
    ) -> None:
        self.grant, self.decision, self.action, self.purpose = grant, decision, action, purpose
        self.glass_until_us = glass_until_us
        self._about, self._recorder, self._describe = about, recorder, describe

    def submit(self, patients: Sequence[str] = (), count: int | None = None) -> Future[None]:
        """Puts the access on record; done when that is durable."""
        return self._recorder.submit([self._describe(self._about, patients, count)])

    def run(
        self,
        call: Callable[Concatenate[Grant, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """``call(grant, ...)``; its answer once the access is durably on record."""
        promise = self.submit(self.patients)
        try:
            return call(self.grant, *args, **kwargs)
        finally:
            _wait(promise)

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
            _wait(self.submit(patients[:_ALWAYS_LOGGED_MAX], count))

    @property
    def patients(self) -> tuple[str, ...]:
        """The source patients that the grant names, for the record."""
        if self.action in _SEARCHES:
            return ()
        return tuple(p for p in self.decision.persons if p != "*" and not p.startswith("site:"))


class Authority:
    """Decides, grants and records. One per process; thread-safe.

    observer: the process that asks (``serve``). Data uses are looked up where one is named.
    """

    def __init__(
        self,
        policies: Policies,
        facts: AccessFacts,
        glass: GlassRecords,
        uses: DataUses,
        minter: Minter,
        recorder: Recorder,
        clock: Clock,
        windows: Windows = Windows(),  # noqa: B008 - frozen
        *,
        observer: str = "chartloom",
    ) -> None:
        self.policies, self._uses, self._recorder = policies, uses, recorder
        self._minter, self._clock, self._observer = minter, clock, observer
        self.gatherer = Gatherer(facts, glass, minter, clock, windows)
        self._uses_grant = OwnGrants(minter, clock, "service:authority", ("site:data-uses",))

    # Asking

    def grant(
        self,
        principal: Principal,
        action: Action,
        *,
        person_ids: Sequence[str] = (),
        purpose: Purpose,
        position: int = 0,
        data_use: str = "",
        asking: Asking = Asking(),  # noqa: B008 - frozen
    ) -> Grant:
        """A grant for one action, on record before it is given. Raises ``AccessDenied``.

        person_ids: ids of one person (several are denied unless they are of one and the same).
        """
        first = person_ids[0] if person_ids else ""
        need = Need(((action, purpose),), first, position=position, data_use=data_use)
        permit = self.permit(principal, need, asking)
        if not set(person_ids) <= {first, *permit.grant.persons}:
            raise self._denied(principal, need, asking, ())
        _wait(permit.submit(permit.patients))
        return permit.grant

    def permit(self, principal: Principal, need: Need, asking: Asking) -> Permit:
        """The permission for a need; raises ``AccessDenied`` when the denial is on record."""
        who, use = self.gatherer.who(principal), self._use(need.data_use)
        person: PersonFacts | None = None
        glass_until = 0
        with self.gatherer.together():
            target = self._target(need)
            if target is not None:
                glass_until = self.gatherer.glass_until(who, target.source_patients)
                person = self.gatherer.person(who, target, glass=glass_until > 0)
            for action, purpose in need.options:
                if person is not None and person.glass and action in _THROUGH_GLASS:
                    purpose = Purpose.BREAK_GLASS if purpose is Purpose.TREATMENT else purpose
                decision = self._decide(who, action, purpose, person, need, use)
                if decision.allowed and (person is None or person.source_patients):
                    return self._permit(who, decision, action, purpose, need, asking, glass_until)
        raise self._denied(principal, need, asking, target.source_patients if target else ())

    def may(self, principal: Principal, action: Action, purpose: Purpose) -> bool:
        """Whether an action about the site is permitted: for menus; nothing is shown or recorded.

        Actions on patients are tried as a search for them.
        """
        who = self.gatherer.who(principal)
        request = Request(who.principal, action, purpose, data_use=True)
        return self.policies.decide(request).allowed

    # Deciding

    def _target(self, need: Need) -> KnownOfPerson | None:
        """What is known of whom it is about; ``None`` for what is about no patient."""
        gatherer = self.gatherer
        if need.person:
            return gatherer.known_of(need.person)
        if need.resource:
            target = gatherer.facts.target_of_resource(gatherer.grant(), need.resource)
        elif need.position:
            target = gatherer.facts.target_of_message(gatherer.grant(), need.position)
        else:
            return None
        return self._known_target(target)

    def _known_target(self, target: Target) -> KnownOfPerson | None:
        if target.found and not target.source_patients:
            return None
        # Of what is not there, the same is asked as of what is.
        known = self.gatherer.known_of(target.source_patients[0] if target.found else "-")
        if not known.source_patients and len(target.source_patients) == 1:
            # Of somebody in a message that was not applied yet, nothing else is known.
            return KnownOfPerson(target.source_patients)
        if set(target.source_patients) <= set(known.source_patients):
            return known
        # A message about two persons is shown to nobody who may not see both.
        return KnownOfPerson()

    def _decide(
        self,
        who: Who,
        action: Action,
        purpose: Purpose,
        person: PersonFacts | None,
        need: Need,
        use: DataUse | None,
    ) -> Decision:
        request = Request(
            who.principal,
            action,
            purpose,
            person,
            need.candidates if action in _WITH_CANDIDATES else (),
            reason=need.reason,
            approved=need.approved,
            mine=need.mine,
            data_use=use is not None and use.in_force(who.actor, purpose, self._clock.now_us()),
        )
        if action is Action.SEARCH_PERSONS:
            return self._decide_search(who, request)
        decision = self.policies.decide(request)
        if not decision.allowed or person is None:
            return decision
        # Consent only takes away, or opens labels: whoever has no access without it has none.
        (heard,) = self.gatherer.with_consent(who, [person], purpose)
        if heard is person:  # there are none
            return decision
        return self.policies.decide(msgspec.structs.replace(request, person=heard))

    def _decide_search(self, who: Who, request: Request) -> Decision:
        """Findable is whose chart could be opened; nobody else is hinted at."""
        decision = self.policies.decide(request)
        if not decision.allowed:
            return decision
        persons = self.gatherer.own_persons(who)
        findable: list[str] = []
        labels: set[str] = set()
        for person in self.gatherer.with_consent(who, persons, request.purpose):
            opened = self.policies.decide(
                Request(who.principal, Action.VIEW_CHART, request.purpose, person)
            )
            of_person = {label.value for label in person.labels & OF_THE_PERSON}
            if opened.allowed and of_person <= set(opened.labels):
                findable += person.source_patients
                labels |= of_person
        return msgspec.structs.replace(
            decision, persons=tuple(findable), labels=tuple(sorted(labels))
        )

    def _use(self, use_id: str) -> DataUse | None:
        if not use_id:
            return None
        try:
            return self._uses.get(self._uses_grant(), use_id)
        except NotFound:
            return None

    # Granting and recording

    def _permit(
        self,
        who: Who,
        decision: Decision,
        action: Action,
        purpose: Purpose,
        need: Need,
        asking: Asking,
        glass_until: int,
    ) -> Permit:
        grant = self._minter.mint(
            who.actor,
            purpose,
            decision.persons,
            decision.labels,
            decision.ttl_s,
            decision.policy_version,
        )
        about = self.context(who.principal, purpose, asking, grant)
        describe = self._describe(need, action)
        return Permit(
            grant,
            decision,
            action,
            purpose,
            about,
            self._recorder,
            describe,
            glass_until_us=glass_until if purpose is Purpose.BREAK_GLASS else 0,
        )

    def _describe(
        self, need: Need, action: Action, denied: str = ""
    ) -> Callable[[Context, Sequence[str], int | None], events.Event]:
        what = list(need.what)
        if not denied:  # of what is not there, or may not be seen, no id is believed
            what += [f"message/{need.position}"] if need.position else []
            what += [f"resource/{need.resource}"] if need.resource else []

        def event(about: Context, patients: Sequence[str], count: int | None) -> events.Event:
            if action in _SEARCHES or need.terms:
                prints = {
                    f: term_fingerprint(self._minter.blind, t) for f, t in need.terms.items() if t
                }
                return events.search(about, prints, patients=patients, count=count, denied=denied)
            if len(patients) > 1:
                read = events.patient_read(about, "", what, count=count, denied=denied)
                return events.with_patients(read, patients)
            one = patients[0] if patients else ""
            return events.patient_read(about, one, what, count=count, denied=denied)

        return event

    def _denied(
        self, principal: Principal, need: Need, asking: Asking, patients: Sequence[str]
    ) -> AccessDenied:
        action, purpose = need.options[0]
        about = self.context(principal, purpose, asking)
        event = self._describe(need, action, "denied")(about, patients, None)
        _wait(self._recorder.submit([event]))
        return AccessDenied()

    def context(
        self,
        principal: Principal,
        purpose: Purpose | str,
        asking: Asking,
        grant: Grant | None = None,
    ) -> Context:
        """Who, when and where, for an event."""
        actor = Actor(
            actor_of(principal),
            tuple(sorted(principal.roles)),
            service=principal.service,
            address=asking.address,
        )
        return Context(
            self._clock.now_us(),
            actor,
            purpose,
            self._observer,
            asking.request_id,
            grant.grant_id if grant else "",
            grant.policy_version if grant else self.policies.version,
        )

    def record(self, *what: events.Event) -> None:
        """Puts events on record and returns when they are durable."""
        self._recorder.record(*what)


def _wait(promise: Future[None]) -> None:
    try:
        promise.result(_TIMEOUT_S)
    except TimeoutError as error:
        raise AuditUnavailable(
            f"the audit log did not answer within {_TIMEOUT_S} s.",
            cure="See whether the store is up; nothing was shown.",
        ) from error


__all__ = ["AccessDenied", "Asking", "Authority", "Need", "Permit"]
