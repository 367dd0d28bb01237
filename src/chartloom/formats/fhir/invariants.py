"""Rules that JSON Schema cannot say: across elements, across resources, and best practices.

Each function yields ``(key, pointer)``; the pointer is relative to the resource.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

Finding = tuple[str, str]
Rule = Callable[[dict[str, Any]], Iterable[Finding]]

#: Invariants that R4 declares as warnings.
WARNINGS: Final = frozenset({"con-3"})


def _codings(concept: Any) -> set[tuple[str, str]]:
    return {
        (c.get("system", ""), c["code"]) for c in (concept or {}).get("coding", ()) if c.get("code")
    }


def _has_code(concept: Any, code: str) -> bool:
    return any(c.get("code") == code for c in (concept or {}).get("coding", ()))


def moment(text: str) -> datetime | None:
    """A dateTime or instant with time and zone, comparable; ``None`` for anything coarser."""
    if len(text) < 20 or "T" not in text:
        return None
    clock = text.replace(":60", ":59")
    try:
        return datetime.fromisoformat(clock)
    except ValueError:
        return None


def _after(first: str, second: str) -> bool:
    """Whether ``first`` is certainly later than ``second`` (equal as far as known: no)."""
    if first <= second and len(first) == len(second) and first[19:] == second[19:]:
        return False  # of the same precision and zone
    a, b = moment(first), moment(second)
    if a and b:
        return a > b
    n = min(len(first), len(second), 10)
    return first[:n] > second[:n]


def is_ordered(start: str, end: str) -> bool:
    """Whether a period does not end before it starts, as far as known."""
    return not _after(start, end)


def _periods(resource: dict[str, Any]) -> Iterator[Finding]:
    """per-1 for periods that are elements of the resource itself."""
    for name, value in resource.items():
        if (
            type(value) is dict
            and "start" in value
            and "end" in value
            and _after(value["start"], value["end"])
        ):
            yield "per-1", f"/{name}"


def _condition(resource: dict[str, Any]) -> Iterator[Finding]:
    if "clinicalStatus" in resource:
        return
    if _has_code(resource.get("verificationStatus"), "entered-in-error"):
        return
    for category in resource.get("category", ()):
        if _has_code(category, "problem-list-item"):
            yield "con-3", ""
            return


def _observation(resource: dict[str, Any]) -> Iterator[Finding]:
    components = resource.get("component")
    if not components or not any(k.startswith("value") for k in resource):
        return
    own = _codings(resource["code"])
    for i, component in enumerate(components):
        if own & _codings(component["code"]):
            yield "obs-7", f"/component/{i}"


def _appointment(resource: dict[str, Any]) -> Iterator[Finding]:
    if "start" in resource and "end" in resource and _after(resource["start"], resource["end"]):
        yield "app-start-end", "/start"


def _dispense(resource: dict[str, Any]) -> Iterator[Finding]:
    prepared, over = resource.get("whenPrepared"), resource.get("whenHandedOver")
    if prepared and over and _after(prepared, over):
        yield "mdd-1", "/whenHandedOver"


def _bundle(resource: dict[str, Any]) -> Iterator[Finding]:
    kind = resource["type"]
    entries = resource.get("entry", ())
    seen: set[tuple[str, str]] = set()
    for i, entry in enumerate(entries):
        if "search" in entry and kind != "searchset":
            yield "bdl-2", f"/entry/{i}"
        if "request" in entry and kind not in ("batch", "transaction", "history"):
            yield "bdl-3", f"/entry/{i}"
        if "response" in entry and kind not in (
            "batch-response",
            "transaction-response",
            "history",
        ):
            yield "bdl-4", f"/entry/{i}"
        url = entry.get("fullUrl", "")
        if "/_history/" in url:
            yield "bdl-8", f"/entry/{i}"
        # The schema of what entries hold may not have been looked at yet.
        version = _child(_child(_child(entry, "resource"), "meta"), "versionId")
        if url and (url, str(version)) in seen and kind != "history":
            yield "bdl-7", f"/entry/{i}"
        seen.add((url, str(version)))
    first = _child(_child(entries[0], "resource"), "resourceType") if entries else None
    if kind == "document" and first != "Composition":
        yield "bdl-11", "/entry"
    if kind == "message" and first != "MessageHeader":
        yield "bdl-12", "/entry"


def _child(value: Any, name: str) -> Any:
    """A property of an object; None of what is none."""
    return value.get(name) if type(value) is dict else None


def references(value: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All Reference objects (with a literal ``reference``) in a resource, with their pointers."""
    if type(value) is dict:
        if type(value.get("reference")) is str:
            yield pointer, value
        for name, child in value.items():
            if type(child) in (dict, list):
                yield from references(child, f"{pointer}/{name}")
    else:
        for i, child in enumerate(value):
            if type(child) in (dict, list):
                yield from references(child, f"{pointer}/{i}")


def contained_rules(resource: dict[str, Any]) -> Iterator[Finding]:
    """dom-2, dom-3, dom-4 and unresolved fragments of a resource that contains others."""
    ids = {c["id"]: i for i, c in enumerate(resource["contained"]) if "id" in c}
    used: set[str] = set()
    inward = False
    for pointer, reference in references(resource):
        target = reference["reference"]
        if target == "#":
            inward = inward or pointer.startswith("/contained/")
        elif target.startswith("#"):
            used.add(target[1:])
            if target[1:] not in ids:
                yield "unresolved", f"{pointer}/reference"
    for i, contained in enumerate(resource["contained"]):
        if "contained" in contained:
            yield "dom-2", f"/contained/{i}"
        points_out = any(r["reference"] == "#" for _, r in references(contained))
        if contained.get("id") not in used and not points_out:
            yield "dom-3", f"/contained/{i}"
        meta = contained.get("meta", {})
        if "versionId" in meta or "lastUpdated" in meta:
            yield "dom-4", f"/contained/{i}"


_BY_TYPE: Final[dict[str, tuple[Rule, ...]]] = {
    "Appointment": (_appointment,),
    "Bundle": (_bundle,),
    "Condition": (_condition,),
    "MedicationDispense": (_dispense,),
    "Observation": (_observation,),
}


def findings(resource: dict[str, Any]) -> Iterator[Finding]:
    """All rules for a resource that already passed its schema."""
    yield from _periods(resource)
    for rule in _BY_TYPE.get(resource["resourceType"], ()):
        yield from rule(resource)
    if "contained" in resource:
        yield from contained_rules(resource)


def may_find(kind: str, keys: frozenset[str]) -> bool:
    """Whether a resource of a type with these elements can have findings, its periods aside."""
    if "contained" in keys:
        return True
    if kind == "Condition":
        return "clinicalStatus" not in keys and "category" in keys
    if kind == "Observation":
        return "component" in keys and any(k.startswith("value") for k in keys)
    return kind in _BY_TYPE


def nothing_found(resource: dict[str, Any]) -> bool:
    """Whether :func:`findings` has nothing to say."""
    return next(findings(resource), None) is None
