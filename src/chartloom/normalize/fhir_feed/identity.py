"""Ids and references: what the sender calls a resource, and what it is called here.

Ids are made from the sender's id, from an identifier, or (for what is sent to be created and has
neither) from the entry's own URN; so the same thing has the same id in every message and replay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from chartloom.domain.ids import make_id, source_patient_id
from chartloom.domain.resource import FhirJson
from chartloom.normalize.fhir_feed.entries import Entry, identifier_of
from chartloom.normalize.fhir_feed.types import TypeRow

#: The first part of a key says what the second is; an assigning authority cannot look like these.
BY_ID: Final = "fhir:id"
BY_URL: Final = "fhir:url"
BY_MESSAGE: Final = "fhir:message"

_RESTFUL: Final = re.compile(
    r"(?:(https?://[^?#]+?)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]+)?\Z"
)
_CONDITIONAL: Final = re.compile(r"([A-Z][A-Za-z]+)\?(.+)\Z")
_MEDICAL_RECORD: Final = "MR"


def first_identifier(resource: FhirJson) -> tuple[str, str] | None:
    """The identifier that tells the resource apart: of type MR if there is one, else the first."""
    raw = resource.get("identifier")
    items = raw if isinstance(raw, list) else [raw]
    usable = [
        i for i in items if isinstance(i, dict) and isinstance(i.get("value"), str) and i["value"]
    ]
    if not usable:
        return None
    best = next((i for i in usable if _is_medical_record(i)), usable[0])
    system = best.get("system")
    return (system if isinstance(system, str) else ""), best["value"]


def _is_medical_record(identifier: FhirJson) -> bool:
    kind = identifier.get("type")
    codings = kind.get("coding") if isinstance(kind, dict) else None
    return isinstance(codings, list) and any(
        isinstance(c, dict) and c.get("code") == _MEDICAL_RECORD for c in codings
    )


class Names:
    """Everything a message can refer to, by all the names it may use."""

    def __init__(
        self, namespace: UUID, scope: str, digest: bytes, types: dict[str, TypeRow], base_url: str
    ) -> None:
        self._namespace, self._scope, self._digest = namespace, scope, digest
        self._types = types
        self._bases = {base_url.rstrip("/")} if base_url else set()
        self._by_url: dict[str, tuple[str, str]] = {}
        self._by_id: dict[tuple[str, str], str] = {}
        self._by_identifier: dict[tuple[str, str, str], str] = {}

    def make(self, kind: str, *key: str) -> str:
        """The id of a resource; for a Patient it is a source patient id."""
        if kind == "Patient" and len(key) == 2:
            return source_patient_id(self._namespace, self._scope, key[0], key[1])
        return make_id(self._namespace, self._scope, kind, *key)

    def add(self, entries: Iterable[Entry]) -> dict[int, str]:
        """Learns the names of all entries; entry index -> id."""
        ids: dict[int, str] = {}
        for entry in entries:
            resource = entry.resource
            kind = resource.get("resourceType") if resource else entry.url_type
            if not isinstance(kind, str) or not kind:
                continue
            id = ids[entry.index] = self._own_id(entry, kind)
            self._learn(entry, kind, id)
        return ids

    def _learn(self, entry: Entry, kind: str, id: str) -> None:
        if entry.full_url:
            self._by_url[entry.full_url] = (kind, id)
            base = _RESTFUL.match(entry.full_url)
            if base and base[1]:
                self._bases.add(base[1])
                self._by_id.setdefault((kind, base[3]), id)
        resource = entry.resource or {}
        source_id = entry.url_id or resource.get("id")
        if isinstance(source_id, str):
            self._by_id[kind, source_id] = id
        identifiers = resource.get("identifier")
        for identifier in identifiers if isinstance(identifiers, list) else [identifiers]:
            if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
                system = identifier.get("system", "")
                self._by_identifier.setdefault((kind, str(system), identifier["value"]), id)

    def _own_id(self, entry: Entry, kind: str) -> str:
        resource = entry.resource or {}
        if entry.url_id:
            return self.make(kind, BY_ID, entry.url_id)
        if entry.identifier:
            return self.make(kind, *entry.identifier)
        source_id = resource.get("id")
        given = isinstance(source_id, str) and bool(source_id)
        creates = entry.method == "POST"  # then the sender's id is only a draft of one
        if given and not creates:
            return self.make(kind, BY_ID, str(source_id))
        row = self._types.get(kind)
        identifier = first_identifier(resource) if row and row.identified else None
        if identifier:
            return self.make(kind, *identifier)
        if entry.full_url.startswith("urn:"):
            return self.make(kind, BY_URL, entry.full_url)
        if entry.full_url and (restful := _RESTFUL.match(entry.full_url)):
            return self.make(kind, BY_ID, restful[3])
        return self.make(kind, BY_MESSAGE, self._digest.hex(), str(entry.index))

    def by_identifier(self, kind: str, system: str, value: str) -> str:
        """The id of the resource with that identifier, in this message or elsewhere."""
        found = self._by_identifier.get((kind, system, value))
        return found or self.make(kind, system, value)

    def resolve(self, reference: str) -> tuple[str, str]:
        """``(new reference, "")``, or ``("", issue code)`` when it must stay as it is."""
        known = self._by_url.get(reference)
        if known:
            return f"{known[0]}/{known[1]}", ""
        restful = _RESTFUL.match(reference)
        if restful:
            base, kind, source_id = restful.groups()
            if base and base not in self._bases:
                return "", "fhir-reference-external"
            id = self._by_id.get((kind, source_id)) or self.make(kind, BY_ID, source_id)
            return f"{kind}/{id}", ""
        conditional = _CONDITIONAL.match(reference)
        identifier = identifier_of(conditional[2]) if conditional else None
        if conditional and identifier:
            return f"{conditional[1]}/{self.by_identifier(conditional[1], *identifier)}", ""
        external = reference.startswith(("http:", "https:"))
        return "", "fhir-reference-external" if external else "fhir-reference-unknown"


#: Elements called ``reference`` that are no reference to a resource.
_NO_REFERENCE: Final = frozenset({"education"})
_REFERENCE: Final = frozenset(
    {"reference", "_reference", "type", "_type", "identifier", "display", "_display"}
    | {"id", "extension"}
)


class Rewriter:
    """Copies a resource with its references rewritten; remembers which ones stayed."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.kept: list[tuple[str, str]] = []  #: (issue code, pointer below the resource)

    def copy(self, value: Any, pointer: str = "", parent: str = "") -> Any:
        """A deep copy of a JSON value with new references."""
        if type(value) is list:
            return [self.copy(v, f"{pointer}/{i}", parent) for i, v in enumerate(value)]
        if type(value) is not dict:
            return value
        result = {k: self.copy(v, f"{pointer}/{k}", k) for k, v in value.items()}
        reference = value.get("reference")
        if (
            type(reference) is str
            and not reference.startswith("#")
            and parent not in _NO_REFERENCE
            and value.keys() <= _REFERENCE
        ):
            new, problem = self._names.resolve(reference)
            if problem:
                self.kept.append((problem, f"{pointer}/reference"))
            else:
                result["reference"] = new
        return result
