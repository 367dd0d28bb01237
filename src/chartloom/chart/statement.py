"""Single statements: what shape they have, the first one about a resource, how two compare."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec

from chartloom.chart import apart
from chartloom.chart.compartments import labels_said, with_labels, without_labels
from chartloom.chart.merge_policy import Keyed, Together, policy_of
from chartloom.domain.codec import encode_sorted
from chartloom.domain.resource import Contribution, FhirJson, ResourceState, Stamp

#: Properties that say which resource it is; nobody states them.
IDENTITY: Final = frozenset(("resourceType", "id", "meta"))

#: Of ``meta``, what is about the source's copy: the version of a state is ours.
VOLATILE_META: Final = ("versionId", "lastUpdated")


class Form(msgspec.Struct, frozen=True, eq=False):
    """What the policy says about resources that have these properties.

    Messages of one kind say the same properties again and again, so this is worked out once.
    properties: all that are stated, sorted. plain: elements that are a register each. groups, keyed
    and parts: the elements of the other rules. registers: names under which plain and grouped
    elements are stamped, sorted. extended: some property extends another one (``_birthDate``).
    """

    properties: tuple[str, ...]
    plain: tuple[str, ...]
    groups: tuple[tuple[Together, tuple[str, ...]], ...]
    keyed: tuple[tuple[str, Keyed], ...]
    parts: tuple[str, ...]
    registers: tuple[str, ...]
    extended: bool
    has_meta: bool


def form_of(resource: FhirJson) -> Form:
    """The form of a resource (or of a contribution to it)."""
    return _form(resource["resourceType"], tuple(resource))


@lru_cache(maxsize=8192)
def _form(resource_type: str, names: tuple[str, ...]) -> Form:
    policy = policy_of(resource_type)
    stated = [n for n in names if n not in IDENTITY]
    plain: list[str] = []
    groups: dict[Together, list[str]] = {}
    keyed: list[tuple[str, Keyed]] = []
    parts: list[str] = []
    for element in dict.fromkeys(n.removeprefix("_") for n in stated):
        rule = policy[element]
        if rule is None:
            plain.append(element)
        elif isinstance(rule, Together):
            groups.setdefault(rule, []).append(element)
        elif element not in names:  # R4 has no extensions of lists of objects, nor of objects
            stated.remove("_" + element)
        elif isinstance(rule, Keyed):
            keyed.append((element, rule))
        else:
            parts.append(element)
    grouped = [element for members in groups.values() for element in members]
    return Form(
        properties=tuple(sorted(stated)),
        plain=tuple(plain),
        groups=tuple((group, tuple(members)) for group, members in groups.items()),
        keyed=tuple(keyed),
        parts=tuple(parts),
        registers=tuple(sorted(plain + grouped)),
        extended=any(n[0] == "_" for n in stated),
        has_meta="meta" in names,
    )


class PlainWords(msgspec.Struct, frozen=True):
    """What a contribution says in registers of their own.

    registers: the elements that the source stated; stated: their properties; unstated: properties
    of these elements that are not there (a value or its extension), so that they are gone.
    defaults: elements that are mere defaults.
    """

    registers: tuple[str, ...]
    stated: tuple[str, ...]
    unstated: tuple[str, ...]
    defaults: tuple[str, ...]


@lru_cache(maxsize=8192)
def plain_words(form: Form, weak: tuple[str, ...]) -> PlainWords:
    """The plain part of a contribution of this form."""
    registers = tuple(name for name in form.plain if name not in weak)
    pairs = [part for name in registers for part in (name, "_" + name)]
    return PlainWords(
        registers=registers,
        stated=tuple(part for part in pairs if part in form.properties),
        unstated=tuple(part for part in pairs if part not in form.properties),
        defaults=tuple(name for name in form.plain if name in weak),
    )


def first_statement(contribution: Contribution, stamp: Stamp) -> ResourceState | None:
    """The state after a first statement: most resources are spoken of once.

    None if it says more than what is there, so that it has to be merged.
    """
    weak = contribution.weak
    incoming = contribution.resource
    form = form_of(incoming)
    defaults = _weak_registers(form, weak) if weak else ()
    if contribution.cleared or contribution.words or defaults is None:
        return None
    meta: FhirJson = {"versionId": str(stamp.position)}
    labels = labels_said(contribution) if contribution.labels else 0
    resource: FhirJson = {
        "resourceType": incoming["resourceType"],
        "id": incoming["id"],
        "meta": meta,
    }
    for name in form.properties:
        resource[name] = incoming[name]
    if form.keyed or form.parts or form.has_meta:
        registers = [*form.registers, *_compose(resource, form)]
        if form.has_meta and _take_meta(meta, incoming["meta"], labels):
            registers.append("meta")
        if labels:
            resource["meta"] = with_labels(meta, labels)
        registers.sort()
        stamps = dict.fromkeys(registers, stamp)
    else:
        stamps = dict.fromkeys(form.registers, stamp)
    if defaults:
        stamps.update(dict.fromkeys(defaults, Stamp(0, stamp.event_us, stamp.position)))
    patient, directory = contribution.source_patient, contribution.directory
    return ResourceState(resource, patient, stamps, directory, labels)


@lru_cache(maxsize=8192)
def _weak_registers(form: Form, weak: tuple[str, ...]) -> tuple[str, ...] | None:
    """The registers that are stamped as mere defaults; None if parts of an element are."""
    found = [name for name in form.plain if name in weak]
    for _, members in form.groups:  # as strong as its strongest member
        if all(name in weak for name in members):
            found += members
    if any(name in weak for name, _ in form.keyed) or any(name in weak for name in form.parts):
        return None
    return tuple(found)


def _compose(resource: FhirJson, form: Form) -> list[str]:
    """Puts keyed lists and objects by parts in order; the registers of their items and parts."""
    registers = []
    for name, rule in form.keyed:
        items = resource[name]
        if len(items) == 1 and not rule.apart:
            registers.append(f"{name}:{rule.key(items[0])}")
            continue
        groups = by_key(rule, items)
        for key, group in groups.items():
            registers += [f"{name}:{key}", *apart.registers(name, rule.apart, key, group)]
            groups[key] = apart.join(*_reordered(group, rule.apart))
        resource[name] = in_order(rule, groups)
    for name in form.parts:
        value = resource[name]
        if len(value) > 1:
            resource[name] = dict(sorted(value.items()))
        registers += [f"{name}.{child}" for child in children_of(value)]
    return registers


def _reordered(group: list[Any], name: str) -> tuple[list[Any], str, FhirJson]:
    body, value = apart.split(group, name)
    return body, name, value


def _take_meta(meta: FhirJson, incoming: FhirJson, labels: int) -> bool:
    said = without_labels(incoming, labels)
    content = {k: v for k, v in said.items() if k not in VOLATILE_META}
    meta.update(content)
    return bool(content)


def children_of(value: FhirJson) -> list[str]:
    """The names of the children of an object, each once, also if only extended."""
    return list(dict.fromkeys([c.removeprefix("_") for c in value]))


def in_order(rule: Keyed, groups: dict[str, list[Any]]) -> list[Any]:
    """The items of a keyed list in an order that does not depend on history."""
    if len(groups) == 1:
        return next(iter(groups.values()))
    ordered = sorted([(rule.order(group[0]), key, group) for key, group in groups.items()])
    return [item for _, _, group in ordered for item in group]


def slice_of(resource: FhirJson, names: Iterable[str]) -> FhirJson:
    """The properties of these names, with what extends them."""
    both = [n for name in names for n in (name, "_" + name)]
    return {n: resource[n] for n in both if n in resource}


def by_key(rule: Keyed, items: Any) -> dict[str, list[Any]]:
    """The items of a keyed list by key."""
    grouped: dict[str, list[Any]] = {}
    key_of = rule.key
    for item in items:
        key = key_of(item)
        if key in grouped:
            grouped[key].append(item)
        else:
            grouped[key] = [item]
    return grouped


def owner(mine: str, other: str, stamps: dict[str, Stamp], said: Stamp) -> str:
    """Whose compartment it is in when sources moved it: follows the winning subject."""
    for name in ("subject", "patient", "beneficiary"):
        if at := stamps.get(name):
            return other if at == said else mine
    return max(mine, other)


def larger(new: Any, old: Any) -> bool:
    """Decides between two statements with equal stamps; nothing (None, empty) always loses."""
    return bool(new) and (not old or encode_sorted(new) > encode_sorted(old))
