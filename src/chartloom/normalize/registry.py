"""The named functions that tables may refer to, and what each declares about what it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chartloom.normalize.context import Function


@dataclass(frozen=True, slots=True)
class Part:
    """One component (or subcomponent) that a datatype map reads or leaves out.

    comp 0: everything. sub 0: every subcomponent. targets: element paths below the value. ignore:
    why it is left out, "" if it is read.
    """

    comp: int
    sub: int
    targets: tuple[str, ...] = ()
    ignore: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Datatype:
    """A datatype map: ``call(text, sink[, concept][, param]) -> value or None``.

    memo: pure and likely to see the same text again, so results are remembered. primitive: may
    return ``Prim``. concept, param: which extra arguments it takes.
    """

    name: str
    call: Function
    parts: tuple[Part, ...]
    memo: bool = False
    primitive: bool = False
    concept: bool = False
    param: bool = False
    whole: bool = False  #: reads all repetitions at once


@dataclass(frozen=True, slots=True)
class SegmentFunction:
    """A rule in Python for what no row can say: ``call(f, m, out, instance)``.

    reads: field numbers it reads besides the row's source, each with the parts it uses.
    """

    name: str
    call: Function
    parts: tuple[Part, ...]


@dataclass(slots=True)
class Registry:
    """Functions by name."""

    datatypes: dict[str, Datatype] = field(default_factory=dict)
    segment_functions: dict[str, SegmentFunction] = field(default_factory=dict)
    finishers: dict[str, Function] = field(default_factory=dict)


REGISTRY = Registry()
WHOLE = (Part(0, 0),)


def parts_of(reads: Mapping[str, str], ignores: Mapping[str, str]) -> tuple[Part, ...]:
    """``{"4": "system", "7": "period.start"}`` and ``{"2": "check digit"}`` as parts."""
    result = []
    for key, targets in reads.items():
        comp, _, sub = key.partition(".")
        result.append(Part(int(comp), int(sub or 0), tuple(targets.split())))
    for key, reason in ignores.items():
        comp, _, sub = key.partition(".")
        result.append(Part(int(comp), int(sub or 0), (), reason))
    return tuple(result)


def datatype(
    name: str,
    reads: Mapping[str, str] | None = None,
    ignores: Mapping[str, str] | None = None,
    **flags: bool,
) -> Callable[[Function], Function]:
    """Registers a datatype function under the name that tables use in ``via``."""

    def register(call: Function) -> Function:
        parts = parts_of(reads, ignores or {}) if reads is not None else WHOLE
        REGISTRY.datatypes[name] = Datatype(name, call, parts, **flags)
        return call

    return register


def segment_function(
    name: str, reads: Mapping[str, str] | None = None, ignores: Mapping[str, str] | None = None
) -> Callable[[Function], Function]:
    """Registers a segment function: ``call(f, m, out, instance, seg)`` for a row's ``via``."""

    def register(call: Function) -> Function:
        parts = parts_of(reads, ignores or {}) if reads is not None else WHOLE
        REGISTRY.segment_functions[name] = SegmentFunction(name, call, parts)
        return call

    return register


def finisher(name: str) -> Callable[[Function], Function]:
    """Registers a function that looks at a whole resource: ``call(out, m, instance, weak)``."""

    def register(call: Function) -> Function:
        REGISTRY.finishers[name] = call
        return call

    return register


def trimmed(values: list[Any]) -> list[Any]:
    """Without the empty items."""
    return [v for v in values if v]
