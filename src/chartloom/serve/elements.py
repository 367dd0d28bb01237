"""From an element of a merged resource to the statement that put it there. Pure functions.

A state is merged element by element, and some lists item by item
(:mod:`chartloom.chart.merge_policy`), so an item may stand at another index in the state than in
the message that said it.
"""

from __future__ import annotations

import re
from typing import Any

from chartloom.chart import stamp_of
from chartloom.chart.merge_policy import Keyed, Parts, element_name, policy_of
from chartloom.domain.resource import FhirJson, ResourceState, Stamp

_FIRST = re.compile(
    r"(?P<name>[A-Za-z_]+(?:\[x\])?)(?:\[(?P<index>[0-9]{1,9})\])?(?P<rest>.*)\Z", re.DOTALL
)


def resolve(resource: FhirJson, asked: str) -> str:
    """``effective[x]|issued`` as the first of the alternatives that the resource has.

    Choice elements may be asked for by FHIR's name, without knowing the type that was sent.
    """
    alternatives = asked.split("|")
    for alternative in alternatives:
        match = _FIRST.match(alternative)
        if match is None:
            continue
        if not match["name"].endswith("[x]"):
            if match["name"] in resource:
                return alternative
            continue
        for name in resource:
            if element_name(name) == match["name"]:
                return name + alternative[match.end("name") :]
    return alternatives[0]


def stamp_at(state: ResourceState, element: str) -> Stamp | None:
    """Who said the value at an element path last; None if nobody stated it."""
    match = _FIRST.match(element)
    if match is None:
        return None
    name = match["name"]
    rule = policy_of(state.type)[name]
    if isinstance(rule, Parts) and match["rest"].startswith("."):
        child = re.split(r"[.\[]", match["rest"][1:], maxsplit=1)[0]
        return state.stamps.get(f"{name}.{child}") or stamp_of(state, name)
    item = _item(state.resource, match)
    if isinstance(rule, Keyed) and rule.apart and item is not None:
        path = re.match(rf"\.{rule.apart}\.(\w+)", match["rest"])
        if path and (said := state.stamps.get(f"{name}.{rule.apart}.{path[1]}:{rule.key(item)}")):
            return said
    return stamp_of(state, name, item)


def element_in(state: ResourceState, element: str, stated: FhirJson) -> str:
    """The path at which ``stated`` (what one message said) has the state's element."""
    match = _FIRST.match(element)
    item = _item(state.resource, match) if match else None
    if match is None or item is None:
        return element
    rule = policy_of(state.type)[match["name"]]
    if not isinstance(rule, Keyed):
        return element
    items = stated.get(match["name"], [])
    same = [i for i, other in enumerate(items) if other == item]
    same += [i for i, other in enumerate(items) if rule.key(other) == rule.key(item)]
    return f"{match['name']}[{same[0]}]{match['rest']}" if same else element


def stated_elements(state: ResourceState) -> list[tuple[str, Stamp]]:
    """Every register of a state with its stamp, the newest first: (element path, stamp)."""
    found = []
    for register, stamp in state.stamps.items():
        name = re.split(r"[:*]", register, maxsplit=1)[0]
        if not name or name == "meta":
            continue
        found.append((_indexed(state, name, register), stamp))
    return sorted(found, key=lambda pair: (-pair[1].position, pair[0]))


def _indexed(state: ResourceState, name: str, register: str) -> str:
    """``location:Location/1`` as ``location[0]`` if such an item is there."""
    rule = policy_of(state.type)[name]
    if not isinstance(rule, Keyed) or ":" not in register:
        return name
    key = register.partition(":")[2]
    items: list[Any] = state.resource.get(name, [])
    at = next((i for i, item in enumerate(items) if rule.key(item) == key), None)
    return name if at is None else f"{name}[{at}]"


def _item(resource: FhirJson, match: re.Match[str]) -> Any:
    items = resource.get(match["name"])
    if match["index"] is None or not isinstance(items, list):
        return None
    index = int(match["index"])
    return items[index] if index < len(items) else None
