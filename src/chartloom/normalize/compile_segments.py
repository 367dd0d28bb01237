"""Segment tables to Python functions that fill one resource from one segment.

The generated function is ``fill(f, m, out, seg, at, cleared, weak) -> int``: ``f`` the segment's
fields (padded), ``at`` the group instance. It returns which of the table's conditions held, as
bits, because the loss report needs to know. The traced variant also calls ``tr(rule number, seg,
field, repetition, component, path)`` for every value that it sets; nothing else differs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chartloom.formats.fhir import keep
from chartloom.normalize.compile_datatypes import call_of, resolve
from chartloom.normalize.context import Prim, thaw
from chartloom.normalize.coverage import Cover
from chartloom.normalize.model import Condition, Row, Table, Tables
from chartloom.normalize.read_rows import bad
from chartloom.normalize.registry import WHOLE, Datatype, Part, SegmentFunction
from chartloom.normalize.source_writer import (
    EXTENSIONS,
    FIRST,
    Setter,
    Writer,
    compiled,
    identifier,
)

Slots = dict[tuple[str, str, str], int]


@dataclass(slots=True)
class Filler:
    """A compiled segment table."""

    name: str
    segment: str
    width: int  #: fields that the code may look at, XXX-0 included
    fill: Callable[..., int]
    rules: tuple[Row, ...]
    covers: tuple[Cover, ...]
    source: str
    fields: tuple[int, ...] | None  #: all that it reads of the segment; None: nobody knows


class SegmentCompiler:
    """Compiles the segment tables of a mapping, with or without tracing."""

    def __init__(
        self,
        tables: Tables,
        datatypes: dict[str, Datatype],
        functions: dict[str, SegmentFunction],
        slots: Slots,
        memo_calls: list[Callable[..., Any]],
        traced: bool,
    ) -> None:
        self.tables, self.datatypes, self.functions = tables, datatypes, functions
        self.slots, self.memo_calls, self.traced = slots, memo_calls, traced
        #: (resource type, element names down to a parent) whose children are set by rows
        self.parents = {
            (table.resource, tuple(t.name for t in row.target[:n]))
            for table in tables.segments.values()
            for row in table.rows
            for n in range(1, len(row.target))
        }

    def slot(self, found: Datatype, row: Row, call: Callable[..., Any]) -> int:
        """The memo that a (datatype map, concept map, parameter) shares among all tables."""
        key = (row.via, row.concept, "")
        if key not in self.slots:
            self.slots[key] = len(self.memo_calls)
            self.memo_calls.append(call)
        return self.slots[key]

    def compile(self, table: Table) -> Filler:
        """One table."""
        return _TableCompiler(self, table).run()


class _TableCompiler:
    def __init__(self, parent: SegmentCompiler, table: Table) -> None:
        self.p, self.table = parent, table
        self.w = Writer()
        self.names: dict[str, Any] = {"Prim": Prim, "NULL": '""', "thaw": thaw}
        self.bits: dict[tuple[Condition, ...], int] = {}
        self.covers: list[Cover] = []
        self.setter = Setter(self.w, parent.tables.extensions, parent.traced)

    def run(self) -> Filler:
        table, w = self.table, self.w
        function = identifier(table.name)
        width = max(
            [r.source.field for r in table.rows if r.source and not r.ignore and r.source.field]
            + [c.source.field for r in table.rows for c in r.conditions]
            + [_FUNCTION_WIDTHS.get(table.subject, 0), 1]
        )
        tracer = ", tr" if self.p.traced else ""
        with w.block(f"def {function}(f, m, out, seg, at, cleared, weak{tracer}):"):
            w(f'"""{table.file}"""')
            w("env = m.env")
            w("rep, comp, memos, bad = env.rep, env.comp, env.memos, m.bad")
            w("w = 0")
            self.setter.declare(table.rows)
            self._conditions()
            ordered = [r for r in table.rows if not r.value] + [r for r in table.rows if r.value]
            for number, row in enumerate(ordered):
                self._row(row, number)
            w("return w")
        space = dict(self.names)
        exec(compiled(w.text, table.file), space)  # noqa: S102  (our own generator's output)
        return Filler(
            table.name,
            table.subject,
            width + 1,
            space[function],
            tuple(ordered),
            tuple(self.covers),
            w.text,
            self._fields(),
        )

    def _fields(self) -> tuple[int, ...] | None:
        rows, subject = self.table.rows, self.table.subject
        if any(row.via in self.p.functions for row in rows):
            return None
        read = {row.source.field for row in rows if row.source and not row.ignore}
        sources = [c.source for row in rows for c in row.conditions]
        read.update(s.field for s in sources if s.segment == subject)
        return tuple(sorted(read - {0}))

    def const(self, value: Any) -> str:
        """A name for an object that the code refers to, and that nobody changes."""
        keep(value)
        name = f"K{len(self.names)}"
        self.names[name] = value
        return name

    # -- conditions

    def _conditions(self) -> None:
        if any(_is_event(c) for row in self.table.rows for c in row.conditions):
            self.w("event = m.event")
        for row in self.table.rows:
            if row.conditions and row.conditions not in self.bits:
                bit = 1 << len(self.bits)
                self.bits[row.conditions] = bit
                tests = " and ".join(self._test(c) for c in row.conditions)
                self.w(f"if {tests}: w |= {bit}")

    def _test(self, c: Condition) -> str:
        source = c.source
        if _is_event(c):
            value = "event"
        elif source.segment == self.table.subject:
            text = f"f[{source.field}]"
            value = f"m.part({text}, {source.comp or 1})"
            if source.comp < 2:
                value = f"({text} if {text}.isalnum() else {value})"
            if not source.comp and c.kind in ("present", "absent"):
                value = f"({text} and {text} != NULL)"
        else:
            value = f"at.first({source.segment!r}, {source.field}, {source.comp or 1})"
        if c.kind == "present":
            return value
        if c.kind == "absent":
            return f"not {value}"
        return f"{value} {'in' if c.kind == 'in' else 'not in'} {self.const(c.values)}"

    def _cleared(self, row: Row) -> str:
        """What a null takes back: an element, one child (``period.end``), or the items of a key.

        The key of an extension is its url, that of a labelled item the code which a constant row
        gives it (``participant:ATND``).
        """
        first = row.target[0]
        if not first.many:
            second = row.target[1] if len(row.target) > 1 else None
            name = first.name.removeprefix("_")
            return (
                f"{name}.{second.name}"
                if second and name == first.name and not second.many
                else name
            )
        if first.label and first.name in EXTENSIONS:
            return f"{first.name}:{self.p.tables.extensions[first.label]}"
        for other in self.table.rows:
            if other.via == "Concept.CodeableConcept" and other.target[0] == first:
                concept = self.p.tables.concepts[other.concept].find(other.value)
                if concept is not None:
                    return f"{first.name}:{concept.code}"
        return first.name

    # -- rows

    def _row(self, row: Row, number: int) -> None:
        bit = self.bits.get(row.conditions, 0)
        w = self.w
        w(f"# {row.rule}")
        if row.ignore:
            self.covers.append(Cover(row, bit, 0, WHOLE))
            return
        guards = []
        if bit:
            guards.append(f"w & {bit}")
        if row.weak:
            guards.append(f"{row.target[0].name!r} not in out")
        if guards:
            with w.block(f"if {' and '.join(guards)}:"):
                self._body(row, number, bit)
        else:
            self._body(row, number, bit)

    def _body(self, row: Row, number: int, bit: int) -> None:
        if row.value:
            self._constant(row, number)
        elif row.source is not None and row.source.role:
            self._reference(row, number)
        elif row.via in self.p.functions:
            self._function(row, number, bit)
        else:
            self._field(row, number, bit)

    def _trace(self, number: int, path: str, field: int = 0, rep: str = "0", comp: int = 0) -> None:
        if self.p.traced:
            self.w(f"tr({number}, seg, {field}, {rep}, {comp}, f{path!r})")

    def _constant(self, row: Row, number: int) -> None:
        w = self.w
        if row.via == "cleared":
            w(f"cleared.append({'=' + row.path!r})")
            return
        value: Any = row.value
        if row.via == "boolean":
            value = row.value == "true"
        elif row.via:
            found, concept, param = resolve(row, self.p.tables, self.p.datatypes)
            value = call_of(found, concept, param)(row.value, None)
            if value is None:
                raise bad(
                    row.place,
                    f"column 'value': {row.value!r} is not in concepts/{row.concept}.csv.",
                    "Add it there, or correct the cell.",
                )
        text = repr(value) if isinstance(value, str | bool) else self.const(value)
        self._for_items(row, number, text)

    def _for_items(self, row: Row, number: int, text: str) -> None:
        """A constant inside a labelled item is set only where the item exists."""
        w, prefix = self.w, ""
        for token in row.target[:-1]:
            prefix = f"{prefix}.{token.name}[{token.label}]"
            if token.label == FIRST and token is row.target[0]:
                with w.block(f"if out.get({token.name!r}):"):
                    self._set_constant(row, number, text)
                return
            if token.label and token.label != FIRST:
                name = identifier(prefix)
                if token.each:
                    with w.block(f"for i in s{name}:"):
                        self._set_constant(row, number, text)
                else:
                    with w.block(f"if s{name} is not None:"):
                        self._set_constant(row, number, text)
                return
        self._set_constant(row, number, text)

    def _set_constant(self, row: Row, number: int, text: str) -> None:
        self.w(f"v = {text}")
        path = self.setter.put(row.target)
        if row.weak:
            self.w(f"weak.append({row.target[0].name!r})")
        self._trace(number, path)

    def _reference(self, row: Row, number: int) -> None:
        assert row.source is not None
        w, role = self.w, row.source.role
        if row.target[-1].many:
            with w.block(f"for v in at.refs({role!r}):"):
                self._trace(number, self.setter.put(row.target))
        else:
            w(f"v = at.ref({role!r})")
            with w.block("if v is not None:"):
                self._trace(number, self.setter.put(row.target))

    def _function(self, row: Row, number: int, bit: int) -> None:
        assert row.source is not None
        function = self.p.functions[row.via]
        field = row.source.field
        self.covers.append(Cover(row, bit, 0, function.parts))
        with self.w.block(f"if f[{field}]:"):
            self.w(f"{self.const(function.call)}(f, m, out, at, seg, cleared)")
            self._trace(number, row.path, field)

    def _field(self, row: Row, number: int, bit: int) -> None:
        source = row.source
        assert source is not None
        found, concept, param = resolve(row, self.p.tables, self.p.datatypes)
        each = row.target[-1].many or any(t.each or (t.many and not t.label) for t in row.target)
        every = (each or found.whole) and not source.rep
        self.covers.append(Cover(row, bit, 0 if every else (source.rep or 1), _parts(row, found)))
        w = self.w
        w(f"x = f[{source.field}]")
        with w.block("if x:"):
            if not source.comp:
                w(f"if x == NULL: cleared.append({self._cleared(row)!r})")
                w("else:")
                w.depth += 1
            if every and not found.whole:
                with w.block("for i, x in enumerate(x.split(rep), 1) if rep in x else ((1, x),):"):
                    self._value(row, number, found, call_of(found, concept, param), "i")
            else:
                if not found.whole:
                    w("if rep in x:")
                    w(f"    x = x.split(rep, {source.rep or 1})")
                    w(f"    x = x[{(source.rep or 1) - 1}] if len(x) >= {source.rep or 1} else ''")
                    if source.rep > 1:
                        w("else: x = ''")
                w(f"i = {source.rep or 1}")
                self._value(row, number, found, call_of(found, concept, param), "i")
            if not source.comp:
                w.depth -= 1

    def _value(
        self, row: Row, number: int, found: Datatype, call: Callable[..., Any], rep: str
    ) -> None:
        w, source = self.w, row.source
        assert source is not None
        if source.comp:
            w("c = x.split(comp)")
            w(f"x = c[{source.comp - 1}] if len(c) >= {source.comp} else ''")
            if source.sub:
                w("c = x.split(env.sub)")
                w(f"x = c[{source.sub - 1}] if len(c) >= {source.sub} else ''")
            elif found.parts != WHOLE:
                w("x = x.replace(env.sub, comp)")
        with w.block("if x:"):
            if found.memo:
                w(f"v, b, d = memos[{self.p.slot(found, row, call)}][x]")
                w(f"if b: m.flush(seg, {source.field}, {rep}, b)")
                w("if d: m.directory.update(d)")
                if (self.table.resource, tuple(t.name for t in row.target)) in self.p.parents:
                    w("v = thaw(v)  # other rows add to it")
            else:
                leaf = found.name == "ST.string"
                w("v = m.leaf(x)" if leaf else f"v = {self.const(call)}(x, m)")
                w(f"if bad: m.flush(seg, {source.field}, {rep})")
            with w.block("if v is not None and v != '':"):
                path = self.setter.put(row.target, found.primitive)
                if row.weak:
                    w(f"weak.append({row.target[0].name!r})")
                self._trace(number, path, source.field, rep, source.comp)


def _is_event(c: Condition) -> bool:
    """Whether a condition is about MSH-9.2."""
    return (c.source.segment, c.source.field, c.source.comp) == ("MSH", 9, 2)


def _parts(row: Row, found: Datatype) -> tuple[Part, ...]:
    return found.parts


#: Segment functions index fields directly; these segments are padded at least this far.
_FUNCTION_WIDTHS = {"OBX": 8}
