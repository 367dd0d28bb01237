"""Datatype tables to Python functions ``call(x, s) -> dict or None`` over one repetition."""

from __future__ import annotations

from typing import Any

from chartloom.normalize.context import Prim
from chartloom.normalize.model import ConceptMap, Row, Table, Tables
from chartloom.normalize.read_rows import bad
from chartloom.normalize.registry import WHOLE, Datatype, Part
from chartloom.normalize.source_writer import Setter, Writer, compiled, identifier


def resolve(
    row: Row, tables: Tables, datatypes: dict[str, Datatype]
) -> tuple[Datatype, ConceptMap | None, str]:
    """The datatype map, concept map and parameter that a row names."""
    name, _, param = row.via.partition(":")
    found = datatypes.get(name)
    if found is None:
        raise bad(
            row.place,
            f"column 'via': there is no datatype map {name!r}.",
            f"Write datatypes/{name}.csv, or use one of: {', '.join(sorted(datatypes))}.",
        )
    concept = tables.concepts.get(row.concept)
    if row.concept and concept is None:
        raise bad(
            row.place,
            f"column 'concept': there is no concepts/{row.concept}.csv.",
            "Write it, or correct the name.",
        )
    if row.concept and not found.concept:
        raise bad(row.place, f"column 'concept': {name} uses no concept map.", "Empty the cell.")
    if param and not found.param:
        raise bad(
            row.place, f"column 'via': {name} takes no parameter.", "Drop the part after ':'."
        )
    if found.primitive and row.target and row.target[-1].many:
        raise bad(
            row.place,
            f"column 'target': {name} can not fill a list.",
            "Use a map that yields plain values, such as CWE.value or ST.string.",
        )
    return found, concept, param


def call_of(found: Datatype, concept: ConceptMap | None, param: str) -> Any:
    """``call(x, s)`` with the extra arguments bound."""
    call = found.call
    if found.concept and found.param:
        return lambda x, s: call(x, s, concept, param)
    if found.concept:
        return lambda x, s: call(x, s, concept)
    if found.param:
        return lambda x, s: call(x, s, param)
    return call


def parts_of_row(row: Row, found: Datatype) -> list[Part]:
    """What a row of a datatype table reads, seen from outside the datatype."""
    assert row.source is not None
    comp, sub, path = row.source.field, row.source.comp, row.path
    if sub or found.parts == WHOLE:
        return [Part(comp, sub, (path,), rule=row.rule)]
    result = []
    for part in found.parts:
        targets = tuple(f"{path}.{t}" if t else path for t in part.targets)
        result.append(Part(comp, part.comp, targets, part.ignore, row.rule))
    return result


def compile_datatype(
    table: Table, tables: Tables, datatypes: dict[str, Datatype]
) -> tuple[Datatype, str]:
    """The datatype map of a table, and the source it was compiled from."""
    write = Writer()
    names: dict[str, Any] = {}
    parts: list[Part] = []
    function = identifier(table.name)
    setter = Setter(write, tables.extensions, traced=False)
    with write.block(f"def {function}(x, s):"):
        write(f'"""{table.file}"""')
        write("env = s.env")
        write("comp, sub = env.comp, env.sub")
        write("c = x.split(comp)")
        write("n = len(c)")
        write("out = {}")
        write("i = 1")
        setter.declare(table.rows)
        constants = []
        for row in table.rows:
            if row.conditions:
                raise bad(
                    row.place, "a datatype table has no conditions.", "Empty 'when' and 'is'."
                )
            if row.ignore:
                assert row.source is not None
                source = row.source
                parts.extend(
                    Part(comp, source.comp, (), row.ignore, row.rule)
                    for comp in range(source.field, (source.last or source.field) + 1)
                )
            elif row.value:
                constants.append(row)
            else:
                parts.extend(_row(row, setter, write, names, tables, datatypes))
        for row in constants:
            with write.block("if out:"):
                write(f"v = {row.value!r}")
                setter.put(row.target)
        write("return out or None")
    space: dict[str, Any] = {"Prim": Prim, **names}
    exec(compiled(write.text, table.file), space)  # noqa: S102  (our own generator's output)
    return Datatype(table.name, space[function], tuple(parts)), write.text


def _row(
    row: Row,
    setter: Setter,
    write: Writer,
    names: dict[str, Any],
    tables: Tables,
    datatypes: dict[str, Datatype],
) -> list[Part]:
    found, concept, param = resolve(row, tables, datatypes)
    assert row.source is not None
    comp, sub = row.source.field, row.source.comp
    write(f"# {row.rule}")
    with write.block(f"if n >= {comp} and c[{comp - 1}]:"):
        write(f"t = c[{comp - 1}]")
        if sub == 1:
            write("if sub in t: t = t.split(sub, 1)[0]")
        elif sub:
            write("b = t.split(sub)")
            write(f"t = b[{sub - 1}] if len(b) >= {sub} else ''")
        elif found.parts != WHOLE:
            write("if sub in t: t = t.replace(sub, comp)")
        if found.name == "ST.string":
            write("v = s.leaf(t)")
        else:
            name = f"f{len(names)}"
            names[name] = call_of(found, concept, param)
            write(f"v = {name}(t, s)")
        test = "if v is not None and v != '':" if found.name != "ST.string" else "if v:"
        with write.block(test):
            setter.put(row.target, found.primitive)
    return parts_of_row(row, found)
