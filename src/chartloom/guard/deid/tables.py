"""The tables of what may leave."""

from __future__ import annotations

import csv
import io
import re
from functools import cache
from importlib import resources

import msgspec

_ROOM = "chartloom.guard.deid"


class Element(msgspec.Struct, frozen=True):
    """What becomes of one element, per profile. required: ``""``, ``mask`` or ``drop``."""

    actions: dict[str, str]
    required: str


class Node(msgspec.Struct):
    """An element and what is below it; a leaf has an ``element``, a branch has ``inner``."""

    element: Element | None
    inner: dict[str, Node]


class CodeSystem(msgspec.Struct, frozen=True):
    """Codes that may leave: pattern for the whole code, and kind of check digit."""

    pattern: re.Pattern[str]
    check: str


def _text(name: str) -> str:
    return (resources.files(_ROOM) / "rules" / name).read_text(encoding="utf-8")


@cache
def elements() -> dict[str, Node]:
    """Resource type -> tree of its elements."""
    trees: dict[str, Node] = {}
    for row in csv.DictReader(io.StringIO(_text("elements.csv"))):
        node = trees.setdefault(row["type"], Node(None, {}))
        for name in row["element"].split("."):
            node = node.inner.setdefault(name, Node(None, {}))
        actions = {p: row[p] for p in ("safe_harbor", "shifted", "limited")}
        node.element = Element(actions, row["required"])
    return trees


@cache
def fields_that_may_leave() -> tuple[str, ...]:
    """``Type.element`` of all that a data use can name, in order; nothing else ever leaves."""
    found = {f"{kind}.{name}" for kind, tree in elements().items() for name in tree.inner}
    return tuple(sorted(found))


@cache
def code_systems() -> dict[str, CodeSystem]:
    """URL -> what its codes must look like."""
    return {
        row["system"]: CodeSystem(re.compile(row["pattern"]), row["check"])
        for row in csv.DictReader(io.StringIO(_text("codes.csv")))
    }


@cache
def units() -> frozenset[str]:
    """UCUM codes that may leave."""
    return frozenset(_text("units.txt").split())
