"""The one door between a question and data: facts, decision, grant, record.

Console, API and command line ask :class:`Authority`. One question is one decision, one grant and
one event; what was asked is released only when its event is durable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from chartloom.domain.access import DataUse, KnownOfPerson, Target
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.identity import Pair
from chartloom.domain.labels import Label
from chartloom.domain.ports import AccessFacts, Clock, DataUses, GlassRecords
from chartloom.guard.audit import Actor, Context, Event, Recorder, events
from chartloom.guard.audit.events import term_fingerprint
from chartloom.guard.facts import Gatherer, Minter, OwnGrants, Who, actor_of
from chartloom.guard.heeding import heeding
from chartloom.guard.identifying import identifiable
from chartloom.guard.listing import findable, listable, open_charts, open_pairs
from chartloom.guard.permit import SEARCHES, AccessDenied, Asking, Need, Permit, wait_for
from chartloom.guard.policy import Action, Decision, PersonFacts, Policies, Request, Windows
from chartloom.guard.several import Several
from chartloom.guard.staff import Principal

#: Actions that open a chart: while the glass is open, they are for the purpose of the emergency.
_THROUGH_GLASS: Final = frozenset({Action.VIEW_CHART, Action.VIEW_EVIDENCE})
#: Actions about the site whose grants cover records kept beside charts: reviews and data uses.
_WITH_CANDIDATES: Final = frozenset(
    {
        Action.REVIEW_GLASS,
        Action.REQUEST_DATA_USE,
        Action.VIEW_DATA_USES,
        Action.APPROVE_DATA_USE,
        Action.VIEW_SHREDDINGS,
        Action.APPROVE_SHRED,
        Action.REVIEW_IDENTITY,
        Action.VIEW_LABELS,
    }
)


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
        wait_for(permit.submit(permit.patients))
        return permit.grant

    def permit(self, principal: Principal, need: Need, asking: Asking) -> Permit:
        """The permission for a need; raises ``AccessDenied`` when the denial is on record."""
        who, use = self.gatherer.who(principal), self._use(need.data_use)
        permit, patients = self._sought(who, need, asking, use)
        if permit is None and (again := self.gatherer.again(principal, who)) is not who:
            permit, patients = self._sought(again, need, asking, use)
        if permit is None:
            raise self._denied(principal, need, asking, patients)
        return permit

    def _sought(
        self, who: Who, need: Need, asking: Asking, use: DataUse | None
    ) -> tuple[Permit | None, Sequence[str]]:
        """The permission, if there is one; else whom it would have been about."""
        person: PersonFacts | None = None
        glass_until = 0
        with self.gatherer.together():
            target = self._target(need)
            if isinstance(target, Several):
                found = self._permit_several(who, target, need, asking, use)
                return found, target.source_patients
            if target is not None:
                glass_until = self.gatherer.glass_until(who, target.source_patients)
                person = self.gatherer.person(who, target, glass=glass_until > 0)
            for action, purpose in need.options:
                if person is not None and person.glass and action in _THROUGH_GLASS:
                    purpose = Purpose.BREAK_GLASS if purpose is Purpose.TREATMENT else purpose
                decision = self._decide(who, action, purpose, person, need, use, asking)
                if decision.allowed and (person is None or person.source_patients):
                    if person is not None and action in _WITH_CANDIDATES:
                        both = (*decision.persons, *need.candidates)
                        decision = msgspec.structs.replace(decision, persons=both)
                    found = self._permit(who, decision, action, purpose, need, asking, glass_until)
                    return found, ()
        return None, target.source_patients if target else ()

    def may(self, principal: Principal, action: Action, purpose: Purpose) -> bool:
        """Whether an action about the site is permitted: for menus; nothing is shown or recorded.

        Actions on patients are tried as a search for them; what needs a fresh sign-in or a reason,
        as if there was one.
        """
        who = self.gatherer.who(principal)
        request = Request(who.principal, action, purpose, data_use=True, fresh=True, reason=True)
        return self.policies.decide(request).allowed

    def listable(
        self,
        principal: Principal,
        options: Sequence[tuple[Action, Purpose]],
        positions: Sequence[int],
        granted: Sequence[str] = (),
    ) -> frozenset[int]:
        """Which messages a list may name to somebody; see :mod:`chartloom.guard.listing`."""
        return listable(self.gatherer, self.policies, principal, options, positions, granted)

    def open_pairs(
        self,
        principal: Principal,
        options: Sequence[tuple[Action, Purpose]],
        pairs: Sequence[Pair],
    ) -> frozenset[Pair]:
        """Which pairs of records a list may name to somebody."""
        return open_pairs(self.gatherer, self.policies, principal, options, pairs)

    def open_charts(self, principal: Principal, patients: Sequence[str]) -> frozenset[str]:
        """Of these source patients, whose chart a page may lead somebody to."""
        return open_charts(self.gatherer, self.policies, principal, patients)

    def identifiable(
        self, principal: Principal, purpose: Purpose, source_patients: Sequence[str]
    ) -> frozenset[str]:
        """Of those found for a system that asks who somebody is, whom it may be told of."""
        return identifiable(self.gatherer, self.policies, principal, purpose, source_patients)

    # Deciding

    def _target(self, need: Need) -> KnownOfPerson | Several | None:
        """What is known of whom it is about; ``None`` for what is about no patient."""
        gatherer = self.gatherer
        if need.person:
            return gatherer.known_of(need.person)
        if need.resource:
            target = gatherer.facts.target_of_resource(gatherer.grant(), need.resource)
        elif need.position:
            target = gatherer.facts.target_of_message(gatherer.grant(), need.position)
        elif need.pair:
            return Several(gatherer, tuple(dict.fromkeys(need.pair)), typed=True)
        else:
            return None
        return self._known_target(target)

    def _known_target(self, target: Target) -> KnownOfPerson | Several | None:
        if target.found and not target.source_patients:
            return None
        # Of what is not there, the same is asked as of what is.
        known = self.gatherer.known_of(target.source_patients[0] if target.found else "-")
        if not known.source_patients and len(target.source_patients) == 1:
            # Of somebody in a message that was not applied yet, nothing else is known.
            return KnownOfPerson(target.source_patients)
        if set(target.source_patients) <= set(known.source_patients):
            return known
        # A message about several persons is shown to nobody who may not see all of them.
        return Several(self.gatherer, target.source_patients)

    def _permit_several(
        self, who: Who, several: Several, need: Need, asking: Asking, use: DataUse | None
    ) -> Permit | None:
        """All persons have to be open by one and the same option; open glass counts for none.

        The grant covers these persons. Whoever may read messages of the site besides also reads
        what in it is about nobody.
        """
        persons = [self.gatherer.person(who, k, glass=False) for k in several.known]
        for action, purpose in need.options if several.complete else ():
            decisions = [self._decide(who, action, purpose, p, need, use, asking) for p in persons]
            if all(decision.allowed for decision in decisions):
                whole = self._decide(who, action, purpose, None, need, use, asking)
                decision = several.joined(persons, decisions)
                everyone = whole.allowed and "*" in whole.persons and not need.pair
                if need.pair:
                    two = (*several.source_patients, *need.candidates)
                    decision = msgspec.structs.replace(decision, persons=two)
                return self._permit(
                    who, decision, action, purpose, need, asking, 0, everyone=everyone
                )
        return None

    def _decide(
        self,
        who: Who,
        action: Action,
        purpose: Purpose,
        person: PersonFacts | None,
        need: Need,
        use: DataUse | None,
        asking: Asking,
    ) -> Decision:
        if action is Action.OPEN_QUARANTINED and person is not None:  # nobody has judged it
            person = msgspec.structs.replace(person, labels=person.labels | {Label.R})
        request = Request(
            who.principal,
            action,
            purpose,
            person,
            need.candidates if action in _WITH_CANDIDATES else (),
            reason=need.reason,
            approved=need.approved,
            mine=need.mine,
            fresh=asking.fresh,
            data_use=use is not None and use.in_force(who.actor, purpose, self._clock.now_us()),
        )
        if action is Action.SEARCH_PERSONS:
            return findable(self.gatherer, self.policies, who, request)
        decision = self.policies.decide(request)
        if not decision.allowed or person is None:
            return decision
        # Consent only takes away, or opens labels: whoever has no access without it has none.
        (heard,) = self.gatherer.with_consent(who, [person], purpose)
        if heard is person:  # there are none
            return decision
        return heeding(self.policies, msgspec.structs.replace(request, person=heard))

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
        *,
        everyone: bool = False,
    ) -> Permit:
        grant = self._minter.mint(
            who.actor,
            purpose,
            EVERYONE if everyone else decision.persons,
            decision.labels,
            decision.ttl_s,
            decision.policy_version,
            decision.withheld,
        )
        about = self.context(who.principal, purpose, asking, grant)
        describe = self._describe(need, action)
        patients = tuple(p for p in decision.persons if p != "*" and not p.startswith("site:"))

        def missed() -> Event:
            return self._denial(who.principal, need, asking, patients)

        return Permit(
            grant,
            decision,
            action,
            purpose,
            about,
            self._recorder,
            describe,
            glass_until_us=glass_until if purpose is Purpose.BREAK_GLASS else 0,
            missed=missed if need.may_miss or need.resource or need.position else None,
        )

    def _describe(
        self, need: Need, action: Action, denied: str = ""
    ) -> Callable[[Context, Sequence[str], int | None], Event]:
        what = list(need.what)
        if not denied:  # of what is not there, or may not be seen, no id is believed
            what += [f"message/{need.position}"] if need.position else []
            what += [f"resource/{need.resource}"] if need.resource else []

        def event(about: Context, patients: Sequence[str], count: int | None) -> Event:
            if action in SEARCHES or need.terms:
                prints = {
                    f: term_fingerprint(self._minter.blind, t) for f, t in need.terms.items() if t
                }
                found = events.search(about, prints, patients=patients, count=count, denied=denied)
                return events.of_transaction(found, need.transaction)
            if len(patients) > 1:
                read = events.patient_read(about, "", what, count=count, denied=denied)
                return events.with_patients(read, patients)
            one = patients[0] if patients else ""
            return events.patient_read(about, one, what, count=count, denied=denied)

        return event

    def _denied(
        self, principal: Principal, need: Need, asking: Asking, patients: Sequence[str]
    ) -> AccessDenied:
        event = self._denial(principal, need, asking, patients)
        wait_for(self._recorder.submit([event]))
        return AccessDenied()

    def _denial(
        self, principal: Principal, need: Need, asking: Asking, patients: Sequence[str]
    ) -> Event:
        """The event of what is denied, hidden or not there: the three are alike."""
        action, purpose = need.options[0]
        about = self.context(principal, purpose, asking)
        return self._describe(need, action, "denied")(about, patients, None)

    def context(
        self,
        principal: Principal,
        purpose: Purpose | str,
        asking: Asking,
        grant: Grant | None = None,
    ) -> Context:
        """Who, when and where, for an event."""
        whose = actor_of(principal)
        actor = Actor(
            asking.by or whose,
            () if asking.by else tuple(sorted(principal.roles)),
            service=principal.service,
            address=asking.address,
            behalf=whose if asking.by else "",
        )
        return Context(
            self._clock.now_us(),
            actor,
            purpose,
            self._observer,
            asking.request_id,
            grant.grant_id if grant else "",
            grant.policy_version if grant else self.policies.version,
            asking.refresh,
        )

    def record(self, *what: Event) -> None:
        """Puts events on record and returns when they are durable."""
        self._recorder.record(*what)


__all__ = ["AccessDenied", "Asking", "Authority", "Need", "Permit"]
