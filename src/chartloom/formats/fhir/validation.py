"""Validation of R4 resources: a quick check accepts most; what it does not accept goes to the
compiled schema of its type, then to the rules that a schema cannot say."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from chartloom.domain.issues import Issue
from chartloom.formats.fhir import issues as _codes
from chartloom.formats.fhir.invariants import WARNINGS, findings
from chartloom.formats.fhir.schema import schema_for, tables
from chartloom.formats.fhir.shapes import accepts

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

assert _codes  # importing it registers the codes

#: How many findings are reported of one resource.
ISSUES_MAX: Final = 50
#: Resource types that hold other resources, beside those with ``contained``.
_NESTING: Final = frozenset({"Bundle", "Parameters"})


@cache
def _validator(resource_type: str, contained: bool) -> Draft202012Validator:
    from jsonschema_rs import Draft202012Validator, RegexOptions

    return Draft202012Validator(
        schema_for(resource_type, contained=contained), pattern_options=RegexOptions()
    )


def is_resource_type(name: object) -> bool:
    """Whether ``name`` is a concrete resource type of FHIR R4."""
    return isinstance(name, str) and name in tables().resources


def validate(resource: Any, *, entries: bool = True) -> list[Issue]:
    """What is wrong with an R4 resource; ``[]`` if nothing is.

    resource: as :func:`~chartloom.formats.fhir.decode_json` returns it (``Decimal`` for decimals).
    entries: also validate the resources inside a Bundle's entries. Locations are JSON pointers;
    details name elements, invariants and JSON types, never values. Never raises.
    """
    kind = resource.get("resourceType") if type(resource) is dict else None
    if kind is None:
        return [Issue("fhir-not-a-resource")]
    if "contained" not in resource and accepts(resource, kind, False) and kind not in _NESTING:
        return []
    if not is_resource_type(kind):
        return [Issue("fhir-unknown-type", "/resourceType")]
    return _validate(resource, kind, "contained" in resource, "", entries)


def _validate(
    resource: dict[str, Any], kind: str, contained: bool, at: str, entries: bool
) -> list[Issue]:
    found: list[Issue] = []
    if not accepts(resource, kind, contained):
        found = _schema_issues(resource, kind, contained, at)
        if found:
            return found
        for key, pointer in findings(resource):
            found.append(_finding(key, at + pointer))
    if "contained" in resource:
        for i, inner in enumerate(resource["contained"]):
            found.extend(_inner(inner, f"{at}/contained/{i}", True))
    if entries and kind == "Bundle":
        for i, entry in enumerate(resource.get("entry", ())):
            if "resource" in entry:
                found.extend(_inner(entry["resource"], f"{at}/entry/{i}/resource", False))
    if kind == "Parameters":
        found.extend(_parameters(resource.get("parameter", ()), f"{at}/parameter"))
    return found


def _schema_issues(resource: dict[str, Any], kind: str, contained: bool, at: str) -> list[Issue]:
    """What the exact schema finds."""
    validator = _validator(kind, contained)
    if validator.is_valid(resource):
        return []
    found: list[Issue] = []
    for error in validator.iter_errors(resource):
        found.append(_explain(error, at))
        if len(found) >= ISSUES_MAX:
            break
    return _unique(found)


def _inner(resource: dict[str, Any], at: str, contained: bool) -> list[Issue]:
    kind = resource["resourceType"]
    if not is_resource_type(kind):
        return [Issue("fhir-unknown-type", f"{at}/resourceType")]
    return _validate(resource, kind, contained or "contained" in resource, at, True)


def _parameters(parameters: Any, at: str) -> list[Issue]:
    found: list[Issue] = []
    for i, parameter in enumerate(parameters):
        if "resource" in parameter:
            found.extend(_inner(parameter["resource"], f"{at}/{i}/resource", False))
        found.extend(_parameters(parameter.get("part", ()), f"{at}/{i}/part"))
    return found


def _finding(key: str, pointer: str) -> Issue:
    if key == "unresolved":
        return Issue("fhir-reference-unresolved", pointer)
    code = "fhir-invariant-warning" if key in WARNINGS else "fhir-invariant"
    return Issue(code, pointer, key)


def _unique(issues: list[Issue]) -> list[Issue]:
    return list(dict.fromkeys(issues))


def _pointer(path: list[str | int]) -> str:
    return "".join(f"/{str(p).replace('~', '~0').replace('/', '~1')}" for p in path)


_BY_KEYWORD: Final = {
    "type": "fhir-wrong-type",
    "pattern": "fhir-bad-value",
    "minimum": "fhir-bad-value",
    "maximum": "fhir-bad-value",
    "not": "fhir-bad-value",
    "enum": "fhir-code-not-allowed",
    "contains": "fhir-code-not-allowed",
    "const": "fhir-code-not-allowed",
    "minItems": "fhir-empty",
    "minProperties": "fhir-empty",
    "required": "fhir-missing-element",
    "falseSchema": "fhir-choice",
    "additionalProperties": "fhir-unknown-element",
}

#: Named rules in the schema (see ``schema.py``), by prefix. The rest of the name may be told.
_BY_RULE: Final = {
    "inv.": "fhir-invariant",
    "req.": "fhir-missing-element",
    "null.": "fhir-empty",
    "bind.": "fhir-code-not-allowed",
    "ref.": "fhir-reference-target",
}
_TELLING: Final = frozenset({"inv.", "req.", "null."})


def _explain(error: ValidationError, at: str) -> Issue:
    """The Issue for one schema error, without any value of the resource."""
    where = at + _pointer(error.instance_path)
    steps = [str(s) for s in error.schema_path]
    about = error.kind.as_dict()
    keyword = error.kind.name
    for prefix, code in _BY_RULE.items():
        name = next((s[len(prefix) :] for s in reversed(steps) if s.startswith(prefix)), None)
        if name is not None:
            return Issue(code, where, name.rstrip("'") if prefix in _TELLING else "")
    if keyword == "additionalProperties":
        return Issue("fhir-unknown-element", where, _known_names(about.get("unexpected", ())))
    if keyword == "required":
        return Issue("fhir-missing-element", where, str(about.get("property", "")))
    if keyword == "anyOf" and steps[-2:-1] == ["items"]:
        return Issue("fhir-wrong-type", where)
    return Issue(_BY_KEYWORD.get(keyword, "fhir-bad-value"), where)


@cache
def _element_names() -> frozenset[str]:
    return frozenset(e for elements in tables().types.values() for e in elements)


def _known_names(names: Iterable[str]) -> str:
    """Names of R4 elements that stand in a wrong place; other names are only counted (PHI)."""
    names = list(names)
    known = sorted(n for n in names if n in _element_names())
    others = len(names) - len(known)
    return " ".join([*known, *([f"and {others} other"] if others else [])])
