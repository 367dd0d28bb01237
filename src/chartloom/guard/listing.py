"""Which messages and pairs a list may name: those that would not be denied to whoever looks.

A list that names a message of a celebrity, which then does not open, tells of the celebrity. So
lists ask about every row what its page would ask, for all rows of a page at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from chartloom.domain.access import KnownOfPerson, Target
from chartloom.domain.grant import Purpose
from chartloom.domain.identity import Pair
from chartloom.domain.labels import OF_THE_PERSON
from chartloom.domain.withholding import Withholding
from chartloom.guard.facts import Gatherer, Who
from chartloom.guard.heeding import heeding
from chartloom.guard.policy import Action, Decision, PersonFacts, Policies, Request
from chartloom.guard.staff import Principal
from chartloom.guard.withholding import hides_patient


def findable(gatherer: Gatherer, policies: Policies, who: Who, request: Request) -> Decision:
    """The decision on a search: findable is whose chart could be opened; nobody else is hinted
    at."""
    decision = policies.decide(request)
    if not decision.allowed:
        return decision
    found: list[str] = []
    labels: set[str] = set()
    withheld: list[Withholding] = []
    for person in gatherer.with_consent(who, gatherer.own_persons(who), request.purpose):
        asked = Request(who.principal, Action.VIEW_CHART, request.purpose, person)
        opened = heeding(policies, asked)
        of_person = {label.value for label in person.labels & OF_THE_PERSON}
        told = not hides_patient(opened.withheld, person.source_patients)
        if opened.allowed and told and of_person <= set(opened.labels):
            found += person.source_patients
            labels |= of_person
            withheld += opened.withheld
    return msgspec.structs.replace(
        decision,
        persons=tuple(found),
        labels=tuple(sorted(labels)),
        withheld=tuple(withheld),
    )


def listable(
    gatherer: Gatherer,
    policies: Policies,
    principal: Principal,
    options: Sequence[tuple[Action, Purpose]],
    positions: Sequence[int],
    granted: Sequence[str] = (),
) -> frozenset[int]:
    """Those of ``positions`` about nobody, or about persons who are all open by one of ``options``.

    granted: source patients that were decided on already: the list is about them, by name. Broken
    glass opens no other list. Nothing is recorded.
    """
    if not positions:
        return frozenset()
    who, grant = gatherer.who(principal), gatherer.grant()
    with gatherer.together():
        targets = gatherer.facts.targets_of_messages(grant, positions)
        patients = sorted({p for t in targets.values() for p in t.source_patients})
        known = gatherer.facts.known_of_all(grant, patients) if patients else []
        persons = {k.source_patients: gatherer.person(who, k, glass=False) for k in known}
        heard: dict[tuple[Action, Purpose], set[str]] = {}
        rules: dict[str, tuple[Withholding, ...]] = {}
        for action, purpose in options:
            opened = _open(gatherer, policies, who, list(persons.values()), action, purpose)
            heard[action, purpose] = {p for person in opened for p in person.source_patients}
            for person in opened:
                for patient in person.source_patients if person.withheld else ():
                    rules[patient] = rules.get(patient, ()) + person.withheld
    of = {p: k for k in known for p in k.source_patients}
    unknown = {
        option
        for option in options
        if policies.decide(Request(who.principal, *option, PersonFacts(("-",)))).allowed
    }

    def may(target: Target) -> bool:
        if not target.source_patients:
            return True  # about nobody; what may be seen of it, the list's own grant says
        if granted and set(target.source_patients) <= set(granted):
            return True
        first = of.get(target.source_patients[0], KnownOfPerson())
        if not first.source_patients and len(target.source_patients) == 1:
            return bool(unknown)  # of somebody in a message that was not applied yet
        return any(some.issuperset(target.source_patients) for some in heard.values())

    seen = frozenset(p for p in positions if p in targets and may(targets[p]))
    return seen - _withheld(gatherer, seen, targets, rules)


def _withheld(
    gatherer: Gatherer,
    positions: frozenset[int],
    targets: Mapping[int, Target],
    rules: Mapping[str, tuple[Withholding, ...]],
) -> frozenset[int]:
    """Those of which something is about what a patient withholds by class."""
    about = {p for p in positions if not rules.keys().isdisjoint(targets[p].source_patients)}
    if not about:
        return frozenset()
    said = tuple(dict.fromkeys(w for some in rules.values() for w in some))
    return gatherer.facts.messages_withheld(gatherer.grant(), sorted(about), said)


def open_pairs(
    gatherer: Gatherer,
    policies: Policies,
    principal: Principal,
    options: Sequence[tuple[Action, Purpose]],
    pairs: Sequence[Pair],
) -> frozenset[Pair]:
    """Those of ``pairs`` whose persons are all open by one and the same of ``options``.

    Two records that are one person are open if that person is. Nothing is recorded.
    """
    if not pairs:
        return frozenset()
    who, grant = gatherer.who(principal), gatherer.grant()
    with gatherer.together():
        wanted = sorted({p for pair in pairs for p in pair})
        known = gatherer.facts.known_of_all(grant, wanted)
        persons = [gatherer.person(who, k, glass=False) for k in known]
        found: set[Pair] = set()
        for action, purpose in options:
            opened = _open(gatherer, policies, who, persons, action, purpose)
            may = {
                p
                for person in opened
                if not hides_patient(person.withheld, person.source_patients)
                for p in person.source_patients
            }
            found.update(pair for pair in pairs if may.issuperset(pair))
    return frozenset(found)


def open_charts(
    gatherer: Gatherer,
    policies: Policies,
    principal: Principal,
    source_patients: Sequence[str],
) -> frozenset[str]:
    """Those whose chart would open, behind broken glass too: a page leads nowhere else. Nothing is
    recorded."""
    if not source_patients:
        return frozenset()
    who = gatherer.who(principal)
    found = _charts(gatherer, policies, who, source_patients)
    if len(found) < len(set(source_patients)) and (
        (again := gatherer.again(principal, who)) is not who
    ):  # as when the chart itself is asked for
        found = _charts(gatherer, policies, again, source_patients)
    return found


def _charts(
    gatherer: Gatherer, policies: Policies, who: Who, source_patients: Sequence[str]
) -> frozenset[str]:
    found: set[str] = set()
    with gatherer.together():
        wanted = sorted(set(source_patients))
        known = gatherer.facts.known_of_all(gatherer.grant(), wanted)
        persons = [gatherer.person(who, k) for k in known]
        for purpose in (Purpose.TREATMENT, Purpose.BREAK_GLASS):
            opened = _open(gatherer, policies, who, persons, Action.VIEW_CHART, purpose)
            found |= {p for person in opened for p in person.source_patients}
    return frozenset(found.intersection(source_patients))


def _open(
    gatherer: Gatherer,
    policies: Policies,
    who: Who,
    persons: Sequence[PersonFacts],
    action: Action,
    purpose: Purpose,
) -> list[PersonFacts]:
    """The persons on whom the action is permitted: without their consents, and with them."""

    def allowed(some: Sequence[PersonFacts]) -> list[PersonFacts]:
        return [
            p for p in some if policies.decide(Request(who.principal, action, purpose, p)).allowed
        ]

    return allowed(gatherer.with_consent(who, allowed(persons), purpose))
