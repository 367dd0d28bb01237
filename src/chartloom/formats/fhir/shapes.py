"""A quick check that accepts only what the exact schema accepts: Python code made per shape.

The *shape* of an object is its type and the sequence of its keys. Real traffic has few of them. All
that the schema says about which keys stand beside each other is decided once, when a shape is first
seen; the function then made for it tests only values. What it does not accept is not thereby wrong:
the exact schema decides, and words the Issues.

Values must be plain JSON values (``dict``, ``list``, ``str``, ...), as from ``decode_json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from chartloom.formats.fhir import leaves
from chartloom.formats.fhir.conditions import Condition, Reader, Unsupported, one_of
from chartloom.formats.fhir.invariants import is_ordered, may_find, nothing_found
from chartloom.formats.fhir.kept import Passed
from chartloom.formats.fhir.primitives import PRIMITIVES
from chartloom.formats.fhir.schema import Builder, Schema, tables

Check = Callable[[Any], bool]
Keys = tuple[str, ...]

#: How many shapes are remembered in all; beyond it, new ones go to the exact schema.
SHAPES_MAX: Final = 8192

#: Types whose values mappings share among resources.
_OFTEN_KEPT: Final = frozenset(
    {"CodeableConcept", "Coding", "Reference", "Observation.referenceRange"}
)

#: What a check raises for values of unexpected types; each means "not accepted".
_NOT_ACCEPTED: Final = (
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    ValueError,
    RecursionError,
)


class _UnknownShape(LookupError):
    """No check is there, or may be made, for this shape."""


class _Shapes(dict[Keys, Check]):
    """The checks of one use of an object type, made when first asked for."""

    __slots__ = ("known", "maker", "schema")

    def __init__(self, maker: _Maker, schema: Schema) -> None:
        super().__init__()
        self.maker, self.schema = maker, schema
        self.known: frozenset[str] = frozenset()

    def __missing__(self, keys: Keys) -> Check:
        if not self.known:
            self.known = frozenset(self.maker.base(self.schema)["properties"])
        if self.maker.made >= SHAPES_MAX or not self.known.issuperset(keys):
            raise _UnknownShape
        self.maker.made += 1
        check = self.maker.make(self.schema, keys)
        self[keys] = check
        return check


class _Maker:
    """Makes checks from the very schemas that the exact validator is built from.

    A *use* is a schema that refers to an object type and may narrow it (``Reference`` to Patient).
    """

    def __init__(self, contained: bool) -> None:
        self.contained = contained
        self.builder = Builder(contained)
        self.reader = Reader(self)
        self.made = 0
        self.references = leaves.References()
        self.globals: dict[str, Any] = {
            **leaves.names(),
            "known": self.references,
            "is_ordered": is_ordered,
            "nothing_found": nothing_found,
            "is_bound": _is_bound,
        }
        self._names: dict[str, str] = {}

    def root(self, kind: str) -> _Shapes:
        """The shapes of a resource type."""
        return _Shapes(self, {**self.builder.ref(kind), "resource": kind})

    def base(self, use: Schema) -> Schema:
        """The definition of the type that is used."""
        return self.builder.definitions[_target(use)]

    def make(self, use: Schema, keys: Keys) -> Check:
        """The check for objects with these keys (all of them known to the type)."""
        lines: list[str] = []
        try:
            possible = self._values(use, keys, lines) and self._rules(use, frozenset(keys), lines)
        except Unsupported:
            possible = False
        if not possible:
            return _refuse
        source = "def check(v):\n" + "".join(f"    {x}\n" for x in [*lines, "return True"])
        # the source holds names of R4 elements, codes of the tables and our own globals; no input
        place: dict[str, Any] = {}
        exec(compile(source, f"<{_target(use)}>", "exec"), self.globals, place)  # noqa: S102
        check: Check = place["check"]
        return check

    def _values(self, use: Schema, keys: Keys, lines: list[str]) -> bool:
        """Writes the test of each value; ``False`` if there can be none."""
        properties = self.base(use)["properties"]
        narrowed = use.get("properties", {})
        for key in keys:
            owner = f"{_target(use)}.{key}"
            if key == "resourceType" and "resource" in use:  # by which the caller chose this type
                continue
            schema = properties[key]
            if _target(narrowed.get(key)).startswith("ref."):
                continue  # narrower than the type's own
            if schema.get("type") == "array":
                nullable = key.startswith("_") or f"_{key}" in keys
                self._array(owner, schema["items"], f"v[{key!r}]", nullable, lines)
            else:
                if "resource" in use and self._has_period(schema):
                    schema = {**schema, "ordered": True}
                lines.append(f"if not {self._test(owner, schema, f'v[{key!r}]')}: return False")
        return True

    def _array(
        self, owner: str, item: Schema, value: str, nullable: bool, lines: list[str]
    ) -> None:
        if "anyOf" in item:
            item = item["anyOf"][0]
        else:
            nullable = False
        test = self._test(owner, item, "y")
        lines.append(f"a = {value}")
        lines.append("if type(a) is not list or not a: return False")
        lines.append("for y in a:")
        lines.append(f"    if not {f'(y is None or {test})' if nullable else test}: return False")

    def _test(self, owner: str, schema: Schema, value: str) -> str:
        """The expression that tests one value; ``owner`` is the element it stands in."""
        if "enum" in schema:
            return f"({one_of(schema['enum'], value)})"
        if schema.get("type") == "object" and schema.get("required") == ["resourceType"]:
            return f"(type(x := {value}) is dict and 'resourceType' in x)"
        name = _target(schema)
        if not name:
            raise Unsupported(str(sorted(schema)))
        if name in PRIMITIVES:
            return f"({leaves.test_source(name, value)})"
        key = json.dumps(schema, sort_keys=True)
        table = self._name(key, lambda: _Shapes(self, schema))
        if name not in _OFTEN_KEPT:
            return f"{table}[tuple(x := {value})](x)"
        passed = self._name(f"{owner} {key}", lambda: Passed(self._shaped(name, table)))
        slow = self._name(f"{owner} {key} slow", lambda: self.globals[passed].passes)
        usual = self._reference(schema) if name == "Reference" else ""
        return f"(id(x := {value}) in {passed} or {usual}{slow}(x))"

    def _reference(self, schema: Schema) -> str:
        """The test of a reference that says nothing but a target known before."""
        target = _target(schema.get("properties", {}).get("reference"))
        if not target:
            return ""
        return f"len(x) == 1 and known.get(x.get('reference')) in {self._targets(target)} or "

    def _targets(self, name: str) -> str:
        """The global that holds the types to which a reference may point."""
        targets = name.removeprefix("ref.")
        return self._name(
            name,
            lambda: tables().resources if targets == "any" else frozenset(targets.split(".")),
        )

    def _shaped(self, name: str, table: str) -> Check:
        """The test of objects of a type, whatever their shape."""
        shapes = self.globals[table]
        if name == "CodeableConcept":
            return leaves.Concepts(lambda value: shapes[tuple(value)](value)).passes
        return lambda value: shapes[tuple(value)](value)

    def _rules(self, use: Schema, keys: frozenset[str], lines: list[str]) -> bool:
        """Writes what the keys alone do not decide; ``False`` if they decide against it."""
        base = {k: a for k, a in self.base(use).items() if k not in _STRUCTURE}
        narrowing = {k: a for k, a in use.items() if k in ("required", "properties")}
        for schema in (base, narrowing):
            condition = self.reader.condition(schema, "v", keys)
            if condition is False:
                return False
            if isinstance(condition, str):
                lines.append(f"if not {condition}: return False")
        if "ordered" in use and keys >= {"start", "end"}:
            lines.append("if not is_ordered(v['start'], v['end']): return False")
        if "resource" in use and may_find(use["resource"], keys):
            lines.append("if not nothing_found(v): return False")
        return True

    def definition(self, name: str, value: str) -> Condition | Schema:
        """What a named rule of the schema asks of ``value`` (see ``conditions.Names``)."""
        prefix = name.partition(".")[0]
        if prefix == "null":
            return True  # _array allows null only beside the sibling
        if prefix in ("inv", "req"):
            return self.builder.definitions[name]
        if prefix == "ref":
            allowed = self._targets(name)
            every = self.globals[allowed]
            learn = self._name(
                f"learn {name}", lambda: self.references.learner(every, self.contained)
            )
            return f"(known.get(x := {value}) in {allowed} or {learn}(x))"
        if prefix == "bind":
            options = self.builder.definitions[name]["anyOf"]
            pairs = self._name(name, lambda: _pairs(options))
            return f"is_bound({value}, {pairs})"
        raise Unsupported(name)

    def _has_period(self, schema: Schema) -> bool:
        name = _target(schema)
        return name not in PRIMITIVES and {"start", "end"} <= set(
            self.builder.definitions.get(name, {}).get("properties", ())
        )

    def _name(self, key: str, make: Callable[[], Any]) -> str:
        """The global under which something stands, made on first use."""
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"g{len(self._names)}"
            self.globals[name] = make()
        return name


#: Keywords of a type's definition that ``_values`` takes care of.
_STRUCTURE: Final = frozenset({"type", "properties", "additionalProperties"})


def _target(schema: Any) -> str:
    """The name of the definition that a schema refers to, or nothing."""
    return str(schema.get("$ref", "")).removeprefix("#/$defs/") if type(schema) is dict else ""


def _refuse(_: Any) -> bool:
    return False


def _pairs(options: list[Schema]) -> frozenset[tuple[str, str]]:
    """The (system, code) pairs of a value set's schema."""
    sets = [o["properties"] for o in options]
    return frozenset((s["system"]["const"], code) for s in sets for code in s["code"]["enum"])


def _is_bound(coding: Any, pairs: frozenset[tuple[str, str]]) -> bool:
    return (coding.get("system"), coding.get("code")) in pairs


class _Roots(dict[str, _Shapes]):
    """The shapes of each resource type; ``KeyError`` for what is none."""

    def __init__(self, contained: bool) -> None:
        super().__init__()
        self.contained = contained

    def __missing__(self, kind: str) -> _Shapes:
        if kind not in tables().resources:
            raise KeyError
        found = self[kind] = _maker(self.contained).root(kind)
        return found


@cache
def _maker(contained: bool) -> _Maker:
    return _Maker(contained)


_ALONE: Final = _Roots(False)
_CONTAINED: Final = _Roots(True)


def accepts(resource: dict[str, Any], kind: str, contained: bool) -> bool:
    """Whether a resource is certainly valid, other resources inside it aside.

    kind: its type, as it says. contained: see :func:`~chartloom.formats.fhir.schema.schema_for`.
    ``False`` decides nothing. Never raises.
    """
    try:
        return (_CONTAINED if contained else _ALONE)[kind][tuple(resource)](resource)
    except _NOT_ACCEPTED:
        return False
