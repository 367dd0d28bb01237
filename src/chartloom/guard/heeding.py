"""Whether what a patient withholds by class binds somebody: the policies say so.

They are asked what they would say if the patient withheld everything. If the chart opened all the
same (an emergency behind broken glass), nothing is withheld; if not, the grant carries it, for
every action, whether or not the policies know of consents there.
"""

from __future__ import annotations

import msgspec

from chartloom.guard.consent import EVERYTHING
from chartloom.guard.policy import Action, Decision, Policies, Request


def heeding(policies: Policies, request: Request) -> Decision:
    """The decision on a request whose person's consents were read, with what it withholds."""
    decision = policies.decide(request)
    person = request.person
    if not decision.allowed or person is None or not person.withheld:
        return decision
    closed = msgspec.structs.replace(person, denied=person.denied | {EVERYTHING})
    asked = msgspec.structs.replace(request, action=Action.VIEW_CHART, person=closed)
    if policies.decide(asked).allowed:
        return decision
    return msgspec.structs.replace(decision, withheld=person.withheld)
