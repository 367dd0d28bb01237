"""Items of a keyed list of which one object (a place's ``period``) is stated apart from the rest.

A message that names a bed without a period says nothing about when the bed was taken or left. So
the children of that object are registers of their own, ``location.period.start:<key>``. Where one
statement has several items of one key, nobody could tell whose period a later one means: they are
kept whole, and ``location.period:<key>`` says that older periods are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chartloom.domain.resource import FhirJson, Stamp


def split(group: list[Any], apart: str) -> tuple[list[Any], FhirJson]:
    """The items of one key without what is stated apart, and that; several items stay whole."""
    if not apart or len(group) != 1 or apart not in group[0]:
        return group, {}
    return [{name: v for name, v in group[0].items() if name != apart}], group[0][apart]


def join(group: list[Any], apart: str, value: FhirJson) -> list[Any]:
    """The reverse of :func:`split`, in an order that does not depend on history."""
    if not value or len(group) != 1:
        return group
    return [{**group[0], apart: dict(sorted(value.items()))}]


def join_all(
    held: dict[str, list[Any]], apart: str, values: Mapping[str, FhirJson]
) -> dict[str, list[Any]]:
    """:func:`join` of all items of a list by key."""
    if not apart:
        return held
    return {key: join(group, apart, values.get(key, {})) for key, group in held.items()}


def forget(
    stamps: dict[str, Stamp], values: Mapping[str, FhirJson], registers: Iterable[str]
) -> None:
    """Drops registers of children (or of the whole object), with what they hold."""
    for register in registers:
        path, _, key = register.partition(":")
        child = path.rpartition(".")[2]
        del stamps[register]
        for part in (child, "_" + child):
            values.get(key, {}).pop(part, None)


def stated(group: list[Any], apart: str) -> list[str]:
    """The children that the items of one key speak of. A beginning without an end says that there
    is no end (yet): somebody came back to a bed that was left before."""
    if not apart or len(group) != 1:
        return []
    children = list(dict.fromkeys([c.removeprefix("_") for c in group[0].get(apart, ())]))
    if "start" in children and "end" not in children:
        children.append("end")
    return children


def registers(element: str, apart: str, key: str, group: list[Any]) -> list[str]:
    """The names under which a first statement about the items of one key is stamped."""
    if not apart:
        return []
    if len(group) > 1:
        return [f"{element}.{apart}:{key}"]
    return [f"{element}.{apart}.{child}:{key}" for child in stated(group, apart)]
