"""A message as entries: one bare resource, or the entries of a Bundle."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from chartloom.domain.issues import Issue
from chartloom.domain.resource import FhirJson

#: Bundles that state something; the others answer or ask.
_STATING: Final = frozenset(
    {"transaction", "batch", "collection", "message", "document", "history", "searchset"}
)
#: In place of a method: the entry is no object, or its resource is none (validation says so).
BROKEN: Final = "(broken)"
_PLACE: Final = re.compile(r"/?([A-Z][A-Za-z]+)(?:/([A-Za-z0-9\-.]{1,64}))?(?:/_history/[^/?]+)?\Z")
_CONDITION: Final = re.compile(r"/?([A-Z][A-Za-z]+)\?(.+)\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``at`` is the pointer of the entry, ``pointer`` that of its resource.

    url_type, url_id: what ``request.url`` addresses. identifier: ``(system, value)`` of a
    conditional create or update.
    """

    index: int
    at: str
    pointer: str
    resource: FhirJson | None
    full_url: str = ""
    method: str = ""
    url_type: str = ""
    url_id: str = ""
    identifier: tuple[str, str] | None = None


def read_entries(value: FhirJson) -> tuple[list[Entry], list[Issue]]:
    """The entries of a message, and what is wrong with its envelope."""
    if value["resourceType"] != "Bundle":
        return [Entry(0, "", "", value)], []
    if value.get("type") not in _STATING:
        return [], [Issue("fhir-bundle-type", "/type")]
    entries = entries_of(value)
    return entries, [] if entries else [Issue("fhir-empty-bundle", "/entry")]


def entries_of(value: FhirJson) -> list[Entry]:
    """The entries of a message, whatever it is for."""
    if value["resourceType"] != "Bundle":
        return [Entry(0, "", "", value)]
    raw = value.get("entry")
    return [_entry(i, e) for i, e in enumerate(raw)] if isinstance(raw, list) else []


def _entry(index: int, raw: Any) -> Entry:
    at = f"/entry/{index}"
    if not isinstance(raw, dict) or not isinstance(raw.get("resource", {}), dict):
        return Entry(index, at, f"{at}/resource", None, method=BROKEN)
    resource = raw.get("resource")
    request = raw.get("request")
    request = request if isinstance(request, dict) else {}
    url = _text(request.get("url"))
    place, condition = _PLACE.match(url), _CONDITION.match(url)
    query = _text(request.get("ifNoneExist")) or (condition[2] if condition else "")
    return Entry(
        index,
        at,
        f"{at}/resource",
        resource,
        full_url=_text(raw.get("fullUrl")),
        method=_text(request.get("method")),
        url_type=(place or condition or ("", ""))[1],
        url_id=(place[2] or "") if place else "",
        identifier=identifier_of(query),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def identifier_of(query: str) -> tuple[str, str] | None:
    """``(system, value)`` of a query that asks for exactly one identifier, else ``None``."""
    name, _, value = query.lstrip("?").partition("=")
    if name != "identifier" or not value or "&" in value or "," in value:
        return None
    system, bar, code = unquote(value).rpartition("|")
    return (system if bar else "", code) if code else None
