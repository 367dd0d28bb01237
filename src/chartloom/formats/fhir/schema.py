"""Builds a JSON schema per R4 resource type from the shipped element tables.

Compiled lazily, one resource type at a time, so that importing costs nothing. Everything that JSON
Schema can say is said here, because the validator runs it in native code; the rest is in
:mod:`chartloom.formats.fhir.invariants`.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from chartloom.formats.fhir.fragments import INVARIANTS
from chartloom.formats.fhir.primitives import PRIMITIVES

Schema = dict[str, Any]

#: Elements that are plain strings of the format, without an extension sibling.
_NO_SIBLING: Final = frozenset({"id", "xhtml"})
_ID: Final = r"[A-Za-z0-9\-.]{1,64}"
_UNITS_OF_TIME: Final = ["s", "min", "h", "d", "wk", "mo", "a"]
_OWN_BINDINGS: Final = {
    "Timing.repeat": {"durationUnit": _UNITS_OF_TIME, "periodUnit": _UNITS_OF_TIME},
}


class Tables(msgspec.Struct, frozen=True):
    """The R4 definitions: type -> element -> description (see ``tools/build_fhir_schema.py``)."""

    resources: frozenset[str]
    types: dict[str, dict[str, dict[str, Any]]]
    valuesets: dict[str, dict[str, list[str]]]


@cache
def tables() -> Tables:
    """The shipped tables; read once."""
    packed = files("chartloom.formats.fhir").joinpath("data/elements.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(packed), type=Tables)


def choice_names(element: str, types: list[str]) -> list[str]:
    """``value[x]`` of types Quantity, string -> ``valueQuantity``, ``valueString``."""
    stem = element.removesuffix("[x]")
    return [stem + t[0].upper() + t[1:] for t in types]


class Builder:
    """Collects the definitions that resource types need."""

    def __init__(self, contained: bool) -> None:
        self.contained = contained
        self.definitions: dict[str, Schema] = {}
        self.tables = tables()

    def ref(self, name: str) -> Schema:
        """A reference to the definition of a type, which is built on first use."""
        if name not in self.definitions:
            self.definitions[name] = {}
            if name in PRIMITIVES:
                self.definitions[name] = PRIMITIVES[name]
            else:
                self.definitions[name] = self.complex(name)
        return {"$ref": f"#/$defs/{name}"}

    def complex(self, name: str) -> Schema:
        """The schema of a resource, datatype or backbone element."""
        properties: dict[str, Any] = {}
        schema: Schema = {
            "type": "object",
            "minProperties": 1,
            "properties": properties,
            "additionalProperties": False,
        }
        rules: list[Schema] = []
        if name in self.tables.resources:
            properties["resourceType"] = {"const": name}
            schema["required"] = ["resourceType"]
        for element, about in self.tables.types[name].items():
            self._element(name, element, about, schema, rules)
        for key, fragment in INVARIANTS.get(name, {}).items():
            rules.append(self._named(f"inv.{key}", fragment))
        if rules:
            schema["allOf"] = rules
        return schema

    def _element(
        self, owner: str, element: str, about: Schema, schema: Schema, rules: list[Schema]
    ) -> None:
        types = about.get("t") or [about["c"]]
        names = choice_names(element, types) if element.endswith("[x]") else [element]
        groups: list[list[str]] = []
        for name, type_name in zip(names, types, strict=False):
            groups.append(
                self._property(owner, name, type_name, about, schema["properties"], rules)
            )
        if about.get("n"):
            self._require(element, groups, schema, rules)
        if len(groups) > 1:
            self._exclusive(owner, groups, schema, rules)

    def _property(
        self,
        owner: str,
        name: str,
        type_name: str,
        about: Schema,
        properties: Schema,
        rules: list[Schema],
    ) -> list[str]:
        """Adds one JSON property (and its ``_`` sibling); the names under which it can be there."""
        primitive = type_name in PRIMITIVES
        item = self._value(owner, name, type_name, about)
        sibling = primitive and type_name not in _NO_SIBLING and name != "id"
        if not about.get("m"):
            properties[name] = item
            if sibling:
                properties[f"_{name}"] = self.ref("Element")
            return [name, f"_{name}"] if sibling else [name]
        if primitive:
            item = {"anyOf": [item, {"type": "null"}]}
            whole: Schema = {"properties": {name: {"items": {"not": {"type": "null"}}}}}
            either = {"anyOf": [whole, {"required": [f"_{name}"]}]}
            rules.append(self._named(f"null.{name}", either))
        properties[name] = {"type": "array", "minItems": 1, "items": item}
        if sibling:
            items = {"anyOf": [self.ref("Element"), {"type": "null"}]}
            properties[f"_{name}"] = {"type": "array", "minItems": 1, "items": items}
        return [name, f"_{name}"] if sibling else [name]

    def _value(self, owner: str, name: str, type_name: str, about: Schema) -> Schema:
        """The schema of one value of an element, with its binding or reference targets."""
        if type_name == "Resource":
            return {"type": "object", "required": ["resourceType"]}
        own = _OWN_BINDINGS.get(owner, {}).get(name)
        if own:
            return {"enum": own}
        binding = about.get("b")
        if binding and type_name == "code":
            sets = self.tables.valuesets[binding]
            return {"enum": sorted({c for codes in sets.values() for c in codes})}
        if binding and type_name == "CodeableConcept":
            return {**self.ref("CodeableConcept"), **self._concept(binding)}
        if type_name == "Reference":
            # The tables also name targets that are not types of FHIR.
            targets = [t for t in about.get("r") or () if t in self.tables.resources]
            return self._reference(targets or None)
        if about.get("q") and type_name == "Quantity":
            return {**self.ref("Quantity"), "properties": {"comparator": False}}
        return self.ref(type_name)

    def _concept(self, binding: str) -> Schema:
        """At least one coding must come from the value set."""
        options = [
            {
                "properties": {"system": {"const": system}, "code": {"enum": codes}},
                "required": ["system", "code"],
            }
            for system, codes in self.tables.valuesets[binding].items()
        ]
        key = f"bind.{binding.rpartition('/')[2]}"
        self.definitions[key] = {"anyOf": options}
        contains = {"$ref": f"#/$defs/{key}"}
        return {"required": ["coding"], "properties": {"coding": {"contains": contains}}}

    def _reference(self, targets: list[str] | None) -> Schema:
        key = "ref." + ".".join(targets or ["any"])
        if key not in self.definitions:
            self.definitions[key] = self._reference_text(targets)
        return {**self.ref("Reference"), "properties": {"reference": {"$ref": f"#/$defs/{key}"}}}

    def _reference_text(self, targets: list[str] | None) -> Schema:
        """Relative, conditional, absolute, urn and (where something is contained) fragment."""
        every = sorted(self.tables.resources)
        allowed = "|".join(targets or every)
        restful = rf"({allowed})/{_ID}(/_history/{_ID})?"
        forms = [restful, rf"({allowed})\?.+", rf"https?://\S+/{restful}", r"urn:\S+"]
        if self.contained:
            forms.append("#.*")
        other = rf"/({'|'.join(every)})/{_ID}(/_history/{_ID})?$"
        elsewhere = {"pattern": r"^https?://\S+$", "not": {"pattern": other}}
        return {"anyOf": [{"pattern": f"^({'|'.join(forms)})$"}, elsewhere]}

    def _named(self, name: str, schema: Schema) -> Schema:
        """Puts a rule under a name by which errors can be told apart.

        Another rule of that name (of another type's element) gets an apostrophe.
        """
        while self.definitions.setdefault(name, schema) != schema:
            name += "'"
        return {"$ref": f"#/$defs/{name}"}

    def _require(
        self, element: str, groups: list[list[str]], schema: Schema, rules: list[Schema]
    ) -> None:
        names = [n for group in groups for n in group]
        if len(names) == 1:
            schema.setdefault("required", []).append(names[0])
        else:
            either = {"anyOf": [{"required": [n]} for n in names]}
            rules.append(self._named(f"req.{element.removesuffix('[x]')}", either))

    def _exclusive(
        self, owner: str, groups: list[list[str]], schema: Schema, rules: list[Schema]
    ) -> None:
        """At most one type of a choice; Extension (ext-1) has so many that it differs."""
        if owner == "Extension":
            alternatives = [[{"required": [n]} for n in group] for group in groups]
            values = [a[0] if len(a) == 1 else {"anyOf": a} for a in alternatives]
            one: Schema = {"oneOf": [{"required": ["extension"]}, *values]}
            # url and exactly one more, which is not id: the usual case, told without 50 tests
            usual = {"minProperties": 2, "maxProperties": 2, "properties": {"id": False}}
            rules.append(self._named("inv.ext-1", {"anyOf": [usual, one]}))
            return
        dependent = schema.setdefault("dependentSchemas", {})
        for group in groups:
            others = [n for g in groups if g is not group for n in g]
            for name in group:
                dependent[name] = {"properties": dict.fromkeys(others, False)}


def schema_for(resource_type: str, *, contained: bool) -> Schema:
    """The JSON schema (draft 2020-12) of one resource type.

    contained: references to contained resources (``#id``) are possible; without it they are errors.
    """
    builder = Builder(contained)
    root = builder.ref(resource_type)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **root,
        "$defs": builder.definitions,
    }
