"""Of whom a system is told that asks who somebody is: decided person by person.

The site's answer to whether it may ask at all is a grant for everyone; what comes out of it is
looked through once more, so that consents, celebrities and colleagues are as closed here as in a
search by people. Nobody who is left out is hinted at.
"""

from __future__ import annotations

from collections.abc import Sequence

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import OF_THE_PERSON, labels_of
from chartloom.guard.facts import Gatherer
from chartloom.guard.policy import Action, PersonFacts, Policies, Request
from chartloom.guard.staff import Principal
from chartloom.guard.withholding import hides_patient


def identifiable(
    gatherer: Gatherer,
    policies: Policies,
    principal: Principal,
    purpose: Purpose,
    source_patients: Sequence[str],
) -> frozenset[str]:
    """Those of ``source_patients`` whose person may be told of. Nothing is recorded."""
    if not source_patients:
        return frozenset()
    who = gatherer.who(principal)
    with gatherer.together():
        known = gatherer.facts.known_of_all(gatherer.grant(), sorted(set(source_patients)))
        persons = [
            # Relations are of people; what the chart is about says nothing of who somebody is.
            PersonFacts(k.source_patients, labels=labels_of(k.person_labels))
            for k in known
        ]
        heard = gatherer.with_consent(who, persons, purpose)
    allowed: set[str] = set()
    for person in heard:
        decision = policies.decide(Request(who.principal, Action.IDENTIFY_PERSON, purpose, person))
        of_person = {label.value for label in person.labels & OF_THE_PERSON}
        told = not hides_patient(person.withheld, person.source_patients)
        if decision.allowed and told and of_person <= set(decision.labels):
            allowed.update(person.source_patients)
    return frozenset(allowed.intersection(source_patients))
