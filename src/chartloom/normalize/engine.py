"""A mapping of HL7 v2 compiled for running: one set of functions plain, one traced."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import chartloom.normalize.functions  # noqa: F401  (registers the named functions)
from chartloom.domain.errors import ConfigurationError
from chartloom.normalize.compile_datatypes import compile_datatype
from chartloom.normalize.compile_keys import (
    KeyFunction,
    PlainKey,
    Reads,
    ValueFunction,
    key_function,
    value_function,
)
from chartloom.normalize.compile_segments import Filler, SegmentCompiler, Slots
from chartloom.normalize.context import Env, Memo, Msg
from chartloom.normalize.coverage import Cover, Coverage
from chartloom.normalize.model import KeyPart, MessageDef, ResourceDef, Row, Table, Tables
from chartloom.normalize.provenance import PROVENANCE, Hole
from chartloom.normalize.read_rows import bad
from chartloom.normalize.recall import Worth
from chartloom.normalize.registry import REGISTRY, Datatype
from chartloom.normalize.structure import Structure

#: Segments that hold the time and the number of the message.
_HEADERS = ("MSH", "EVN")
#: Sets of segment names for which a plan keeps what can run.
NARROWED_MAX = 1024
#: A note alone makes no resource.
_NOTES = frozenset({"NTE"})


@dataclass(slots=True)
class Plan:
    """One message definition, ready to run. by_group: the resources each group yields."""

    definition: MessageDef
    structure: Structure
    by_group: dict[str, tuple[Builder, ...]]
    names: frozenset[str]  #: segments that some table or key reads
    narrowed: dict[frozenset[str], dict[str, tuple[Builder, ...]]]

    def builders(self, present: frozenset[str]) -> dict[str, tuple[Builder, ...]]:
        """by_group, without what has nothing to do in a message of these segments."""
        present &= self.names
        known = self.narrowed.get(present)
        if known is None:
            if len(self.narrowed) >= NARROWED_MAX:
                self.narrowed.clear()
            known = self.narrowed[present] = {
                group: kept
                for group, builders in self.by_group.items()
                if (kept := tuple(_narrow(b, present) for b in builders if _may_run(b, present)))
            }
        return known


@dataclass(slots=True)
class Builder:
    """How one role is filled: (table number, segment, width, function, usual) per table.

    usual: its segments are all those in sight (:mod:`~chartloom.normalize.sight`).
    """

    definition: ResourceDef
    fillers: tuple[tuple[int, str, int, Callable[..., int], bool], ...]
    finish: tuple[Callable[..., None], ...]
    segments: frozenset[str]  #: of which one must be in the group itself
    needs: Reads  #: one of these must have a value; () if nothing is needed
    keys: tuple[PlainKey, ...]
    key: KeyFunction
    needed: ValueFunction
    #: all that is read of headers, which are never the same (of a Provenance: but the holes)
    fields: dict[str, tuple[int, ...]]
    holes: tuple[Hole, ...]  #: of a Provenance: what its template leaves open
    number: int  #: equal definitions, of whatever messages, have the same
    worth: Worth


def _header_fields(fillers: list[Filler]) -> dict[str, tuple[int, ...]]:
    result: dict[str, tuple[int, ...]] = {}
    for name in _HEADERS:
        fields = [f.fields for f in fillers if f.segment == name]
        if None not in fields:
            result[name] = tuple(sorted({n for f in fields for n in f or ()}))
    return result


#: Maps whose rows can be holes, and the type they yield.
_HOLE_TYPES = {"DTM.dateTime": "dateTime", "ST.string": "string"}


def _holes(fillers: list[Filler]) -> tuple[Hole, ...]:
    """Header fields that one plain row reads, and no other row or condition of these tables."""
    found: list[Hole] = []
    for name in _HEADERS:
        rows = [r for f in fillers for r in f.rules if r.source and r.source.segment == name]
        asked = {
            c.source.field
            for f in fillers
            for r in f.rules
            for c in r.conditions
            if c.source.segment == name
        }
        for row in rows:
            source = row.source
            if source is None or not _is_plain(row) or source.field in asked:
                continue
            if all(r is row or r.ignore or _differs(r, source.field) for r in rows):
                found.append(Hole(name, source.field, _HOLE_TYPES[row.via], row.target[-1].name))
    return tuple(found)


def _is_plain(row: Row) -> bool:
    source = row.source
    return (
        source is not None
        and source.field > 0
        and not (source.comp or source.rep or source.last)
        and row.via in _HOLE_TYPES
        and not (row.conditions or row.weak or row.ignore or row.value)
        and not any(t.each or (t.many and not t.label) for t in row.target)
    )


def _differs(row: Row, field: int) -> bool:
    return row.source is not None and row.source.field != field


def _may_run(builder: Builder, present: frozenset[str]) -> bool:
    return builder.definition.type == PROVENANCE or not builder.segments.isdisjoint(present)


def _narrow(builder: Builder, present: frozenset[str]) -> Builder:
    keys = tuple(
        tuple((tuple(r for r in part[0] if r[0] in present), *part[1:]) for part in key)
        for key in builder.keys
    )
    return replace(
        builder,
        fillers=tuple(f for f in builder.fillers if f[1] in present),
        keys=keys,
        key=key_function(builder.definition.type, keys),
        needed=value_function(tuple(r for r in builder.needs if r[0] in present)),
    )


class Engine:
    """Compiles tables; makes environments. One per mapping and variant shares the numbering."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.sources: dict[str, str] = {}
        self.datatypes = self._datatypes()
        # The first slots are known to functions (``Msg.unit_slot``, ``Msg.time_slot``).
        shared = ("CWE.unit", "DTM.dateTime")
        self.slots: Slots = {(name, "", ""): slot for slot, name in enumerate(shared)}
        self.memo_calls: list[Callable[..., Any]] = [REGISTRY.datatypes[n].call for n in shared]
        self.numbers = {name: n for n, name in enumerate(tables.segments)}
        self.fillers = self._compile(traced=False)
        self.coverage = Coverage([self._by_field(self.fillers[n]) for n in tables.segments])
        self._known: list[tuple[ResourceDef, Worth]] = []
        self.plans = self._plans(self.fillers)
        self._traced: tuple[dict[str, Filler], dict[str, Plan]] | None = None

    @property
    def traced(self) -> tuple[dict[str, Filler], dict[str, Plan]]:
        """The traced variant, compiled when first asked for."""
        if self._traced is None:
            fillers = self._compile(traced=True)
            self._traced = (fillers, self._plans(fillers))
        return self._traced

    def _datatypes(self) -> dict[str, Datatype]:
        known = dict(REGISTRY.datatypes)
        waiting = dict(self.tables.datatypes)
        while waiting:
            # A table may use other tables: compile those first.
            ready = [
                t
                for t in waiting.values()
                if not any(r.via.partition(":")[0] in waiting for r in t.rows if r.via)
            ]
            if not ready:
                names = ", ".join(sorted(waiting))
                raise ConfigurationError(
                    f"these datatype tables use each other in a circle: {names}.",
                    where="datatypes",
                    cure="Break the circle.",
                )
            for table in ready:
                del waiting[table.name]
                known[table.name], self.sources[table.file] = compile_datatype(
                    table, self.tables, known
                )
        return known

    def _compile(self, traced: bool) -> dict[str, Filler]:
        compiler = SegmentCompiler(
            self.tables,
            self.datatypes,
            REGISTRY.segment_functions,
            self.slots,
            self.memo_calls,
            traced,
        )
        result = {}
        for name, table in self.tables.segments.items():
            result[name] = compiler.compile(table)
            self.sources[table.file + (" (traced)" if traced else "")] = result[name].source
        return result

    @staticmethod
    def _by_field(filler: Filler) -> dict[int, list[Cover]]:
        by_field: dict[int, list[Cover]] = {}
        for cover in filler.covers:
            source = cover.row.source
            if source is None:
                continue
            for field in range(source.field, (source.last or source.field) + 1):
                by_field.setdefault(field, []).append(cover)
        return by_field

    def _plans(self, fillers: dict[str, Filler]) -> dict[str, Plan]:
        plans: dict[int, Plan] = {}
        result = {}
        for kind, definition in self.tables.messages.items():
            if id(definition) not in plans:
                plans[id(definition)] = self._plan(definition, fillers)
            result[kind] = plans[id(definition)]
        return result

    def _plan(self, definition: MessageDef, fillers: dict[str, Filler]) -> Plan:
        by_group: dict[str, list[Builder]] = {}
        roles = {r.role for r in definition.resources}
        for resource in definition.resources:
            for name in resource.maps:
                self._check_roles(self.tables.segments[name], roles, definition)
            used = [fillers[n] for n in resource.maps]
            fields = _header_fields(used)
            holes: tuple[Hole, ...] = ()
            if resource.type == PROVENANCE and self._usual_texts():
                holes = tuple(h for h in _holes(used) if h.segment in fields)
                open_ = {(h.segment, h.field) for h in holes}
                fields = {
                    name: tuple(n for n in read if (name, n) not in open_)
                    for name, read in fields.items()
                }
            builder = Builder(
                resource,
                tuple(
                    (
                        self.numbers[n],
                        (name := fillers[n].segment),
                        fillers[n].width,
                        fillers[n].fill,
                        name != "NTE" and name not in resource.own,
                    )
                    for n in resource.maps
                ),
                tuple(_finisher(resource, name) for name in resource.finish),
                frozenset(fillers[n].segment for n in resource.maps) - _NOTES,
                needs := tuple((s.segment, s.field, s.comp or 1) for s in resource.needs),
                keys := tuple(plain_key(key) for key in resource.keys),
                key_function(resource.type, keys),
                value_function(needs),
                fields,
                holes,
                *self._number(resource),
            )
            by_group.setdefault(resource.group, []).append(builder)
        every = [builder for found in by_group.values() for builder in found]
        names = frozenset(f[1] for b in every for f in b.fillers) | frozenset(
            segment for b in every for key in b.keys for part in key for segment, _, _ in part[0]
        )
        builders = {g: tuple(b) for g, b in by_group.items()}
        return Plan(definition, Structure(definition), builders, names, {})

    def _usual_texts(self) -> bool:
        """Whether the maps of holes are those that are built in."""
        return all(self.datatypes[n] is REGISTRY.datatypes[n] for n in _HOLE_TYPES)

    def _number(self, definition: ResourceDef) -> tuple[int, Worth]:
        """The number of a definition, wherever it is included."""
        for number, (known, worth) in enumerate(self._known):
            if known == definition:
                return number, worth
        self._known.append((definition, Worth()))
        return len(self._known) - 1, self._known[-1][1]

    @staticmethod
    def _check_roles(table: Table, roles: set[str], definition: MessageDef) -> None:
        """References to roles that a message does not have are simply empty; typos are not."""
        for row in table.rows:
            if row.source and row.source.role and not row.source.role.islower():
                raise bad(row.place, "a role is written in lower case.", "Correct the source.")
        del roles, definition

    def make_memos(self, env: Env) -> None:
        """Gives an environment its memos (slots may have grown with the traced variant)."""
        while len(env.memos) < len(self.memo_calls):
            env.memos.append(Memo(self.memo_calls[len(env.memos)], env))


def _finisher(resource: ResourceDef, name: str) -> Callable[..., None]:
    found = REGISTRY.finishers.get(name)
    if found is None:
        raise bad(
            resource.place,
            f"resource {resource.role!r}: finish: there is no function {name!r}.",
            f"Use one of: {', '.join(sorted(REGISTRY.finishers))}.",
        )
    return found


def plain_key(key: tuple[KeyPart, ...]) -> PlainKey:
    """A business key in the form in which it is asked for every resource."""
    return tuple(
        (
            tuple((s.segment, s.field, s.comp) for s in part.sources),
            part.role,
            part.constant,
            part.occurrence,
            part.optional,
        )
        for part in key
    )


__all__ = ["Builder", "Engine", "Msg", "Plan"]
