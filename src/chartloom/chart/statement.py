"""Single statements: the first one about a resource, and how two of them compare."""

from __future__ import annotations

from typing import Any, Final

from chartloom.chart.merge_policy import Keyed, Together, policy_of
from chartloom.domain.codec import encode_sorted
from chartloom.domain.resource import Contribution, FhirJson, ResourceState, Stamp

#: Properties that say which resource it is; nobody states them.
IDENTITY: Final = frozenset(("resourceType", "id", "meta"))

#: Of ``meta``, what is about the source's copy: the version of a state is ours.
VOLATILE_META: Final = ("versionId", "lastUpdated")


def first_statement(contribution: Contribution, stamp: Stamp) -> ResourceState:
    """The state after a first, plain statement: most resources are spoken of once."""
    incoming = contribution.resource
    policy = policy_of(incoming["resourceType"])
    meta = {"versionId": str(stamp.position)}
    resource: FhirJson = {
        "resourceType": incoming["resourceType"],
        "id": incoming["id"],
        "meta": meta,
    }
    stamps: dict[str, Stamp] = {}
    for name in sorted(incoming):
        if name in IDENTITY:
            continue
        value = resource[name] = incoming[name]
        rule = policy[name]
        if rule is None or isinstance(rule, Together):
            stamps[name.removeprefix("_")] = stamp
        elif isinstance(rule, Keyed):
            groups = by_key(rule, value)
            resource[name] = in_order(rule, groups)
            stamps.update((f"{name}:{key}", stamp) for key in groups)
        else:
            resource[name] = dict(sorted(value.items()))
            stamps.update((f"{name}.{c.removeprefix('_')}", stamp) for c in value)
    if "meta" in incoming:
        content = {k: v for k, v in incoming["meta"].items() if k not in VOLATILE_META}
        if content:
            meta.update(content)
            stamps["meta"] = stamp
    return ResourceState(
        resource=resource,
        source_patient=contribution.source_patient,
        stamps={name: stamps[name] for name in sorted(stamps)},
        directory=contribution.directory,
    )


def in_order(rule: Keyed, groups: dict[str, list[Any]]) -> list[Any]:
    if len(groups) == 1:
        return next(iter(groups.values()))
    ordered = sorted(groups.items(), key=lambda kv: (rule.order(kv[1][0]), kv[0]))
    return [item for _, group in ordered for item in group]


def slice_of(resource: FhirJson, names: list[str]) -> FhirJson:
    """The properties of these names, with what extends them."""
    both = [n for name in names for n in (name, "_" + name)]
    return {n: resource[n] for n in both if n in resource}


def by_key(rule: Keyed, items: Any) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for item in items:
        grouped.setdefault(rule.key(item), []).append(item)
    return grouped


def larger(new: Any, old: Any) -> bool:
    """Decides between two statements with equal stamps; nothing (None, empty) always loses."""
    return bool(new) and (not old or encode_sorted(new) > encode_sorted(old))
