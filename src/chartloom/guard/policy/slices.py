"""Which policies and facts a question needs: the rest can change nothing but the time it takes.

A policy whose scope names another action, or another kind of principal or resource, neither
decides nor fails. An attribute that no policy of those left speaks of is read by none of them. Both
can be told from the text alone, so that a decision is the same with and without (a property test).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import cedarpy
import msgspec

#: Kinds of entities by the place in which they stand.
PRINCIPALS: Final = ("User", "Service")
RESOURCES: Final = ("Person", "Site")
_READS: Final = frozenset({".", "has"})


class Policy(msgspec.Struct, frozen=True):
    """A checked policy. actions, principals, resources: those its scope names.

    reads: names of attributes it speaks of, of whatever; ``None``: perhaps any.
    """

    name: str
    text: str
    actions: frozenset[str] | None
    principals: frozenset[str]
    resources: frozenset[str]
    reads: frozenset[str] | None
    covers: bool
    names_people: bool

    def concerns(self, action: str, principal: str, resource: str) -> bool:
        """Whether its scope may fit a question."""
        return (
            (self.actions is None or action in self.actions)
            and principal in self.principals
            and resource in self.resources
        )


class Slice(msgspec.Struct, frozen=True):
    """The policies for one kind of question. reads: attributes that they need; ``None``: all."""

    policies: cedarpy.PolicySet
    reads: frozenset[str] | None


def needed(facts: dict[str, Any], reads: frozenset[str] | None) -> dict[str, Any]:
    """Of some attributes those that are needed (``None``: all)."""
    if reads is None:
        return facts
    return {name: value for name, value in facts.items() if name in reads}


def kinds(scope: dict[str, Any], all_of_them: Iterable[str]) -> frozenset[str]:
    """The kinds of entities that a scope (of a policy in JSON) lets in."""
    if scope["op"] == "All":
        return frozenset(all_of_them)
    if scope["op"] == "is":
        return frozenset({scope["entity_type"]})
    if scope["op"] == "==" and "entity" in scope:
        return frozenset({scope["entity"]["type"]})
    return frozenset(all_of_them)


def attributes_read(policy: dict[str, Any]) -> frozenset[str] | None:
    """Attributes that the conditions of a policy (in JSON) speak of; ``None`` if they use the whole
    context as a value."""
    found = set(_names(policy["conditions"]))
    return None if None in found else frozenset(name for name in found if name is not None)


def _names(node: Any) -> Iterator[str | None]:
    if isinstance(node, list):
        for child in node:
            yield from _names(child)
    elif isinstance(node, dict):
        if node.get("Var") == "context":
            yield None
        for operator, child in node.items():
            if operator in _READS and isinstance(child, dict) and "attr" in child:
                yield child["attr"]
                if child.get("left") != {"Var": "context"}:
                    yield from _names(child.get("left"))
            else:
                yield from _names(child)


def sliced(policies: Iterable[Policy], action: str, principal: str, resource: str) -> Slice:
    """The policies that may decide a kind of question."""
    some = [p for p in policies if p.concerns(action, principal, resource)]
    names: frozenset[str] | None = frozenset()
    for policy in some:
        names = None if names is None or policy.reads is None else names | policy.reads
    return Slice(cedarpy.PolicySet.from_str("\n".join(p.text for p in some)), names)
