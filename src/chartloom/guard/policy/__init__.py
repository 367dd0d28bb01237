"""Policies: may this person do this, now, for this purpose? Start with :class:`Policies`."""

from chartloom.guard.policy.policies import (
    GRANT_TTL_MAX_S,
    Policies,
    builtin_texts,
    check_policies,
    schema_text,
)
from chartloom.guard.policy.request import Action, Decision, PersonFacts, Request
from chartloom.guard.policy.windows import Windows, counts, relations_now

__all__ = [
    "GRANT_TTL_MAX_S",
    "Action",
    "Decision",
    "PersonFacts",
    "Policies",
    "Request",
    "Windows",
    "builtin_texts",
    "check_policies",
    "counts",
    "relations_now",
    "schema_text",
]
