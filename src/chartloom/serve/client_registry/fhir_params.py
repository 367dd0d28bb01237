"""FHIR search parameters of PDQm (ITI-78) as a search. Pure.

A parameter that is not known is an error: to pass it over would find more people than were asked
for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from chartloom.serve.client_registry.criteria import Alternatives, Criterion, Search
from chartloom.serve.client_registry.dates import Span, asked_span, both
from chartloom.serve.client_registry.domains import Domain, Domains
from chartloom.serve.client_registry.registry import Declined

#: Parameters whose values are texts: a record's value begins with them, or with ``:exact`` is them.
TEXTS: Final = (
    "family", "given", "mothersMaidenName", "address", "address-city", "address-state",
    "address-postalcode", "address-country",
)  # fmt: skip
#: All search parameters with their FHIR types.
PARAMETERS: Final = {
    "_id": "token",
    "active": "token",
    "identifier": "token",
    **dict.fromkeys(TEXTS, "string"),
    "birthdate": "date",
    "gender": "token",
    "telecom": "token",
}
_GENDERS: Final = frozenset({"male", "female", "other", "unknown"})
#: Say how the answer looks, not who is in it.
_RESULT: Final = frozenset({"_format", "_count", "_pretty"})
COUNT: Final = 25
COUNT_MAX: Final = 100
_VALUES_MAX: Final = 20
_CHARS_MAX: Final = 200
Pairs = Sequence[tuple[str, str]]


class Asked(msgspec.Struct, frozen=True):
    """A search with how many persons a page of its answer has at most."""

    search: Search
    count: int


def read_parameters(pairs: Pairs, domains: Domains) -> Asked:
    """The search of some (name, value) pairs; raises ``Declined``."""
    wanted: list[Alternatives] = []
    ids: list[str] = []
    spans: list[Span] = []
    targets: list[str] = []
    count = COUNT
    for name, value in pairs:
        plain, _, modifier = name.partition(":")
        if name == "_count":
            count = _count(value)
        elif name in _RESULT:
            continue
        elif plain not in PARAMETERS or modifier not in ("", "exact"):
            raise Declined("not-supported", "this parameter or modifier is not known.", where=plain)
        elif modifier and PARAMETERS[plain] != "string":
            raise Declined("not-supported", "this modifier is for texts.", where=plain)
        elif plain == "_id":
            ids += _values(plain, value)
        elif plain == "birthdate":
            spans.append(_span(value))
        elif plain == "identifier" and _only_domains(value):
            targets += [v.strip()[:-1] for v in _values(plain, value)]
        else:
            values = _values(plain, value)
            wanted.append(tuple(_criterion(plain, v, modifier, domains) for v in values))
    wanted += [(Criterion("birthdate", span=span),) for span in _together(spans)]
    known = tuple(_known_domain(system, domains) for system in targets)
    return Asked(Search(tuple(wanted), tuple(ids), known), count)


def _known_domain(system: str, domains: Domains) -> Domain:
    domain = domains.of_system(system)
    if domain is None:
        raise Declined("unknown-domain", "targetSystem not found", where="identifier")
    return domain


def _only_domains(value: str) -> bool:
    """``system|``: from which domains identifiers are wanted (PDQm)."""
    parts = [v for v in value.split(",") if v.strip()]
    return bool(parts) and all(v.strip().endswith("|") and len(v.strip()) > 1 for v in parts)


def _values(name: str, value: str) -> list[str]:
    """The alternatives of a value (FHIR search: commas, ``\\,`` is none)."""
    found, held = [], ""
    parts = value.split(",")
    for index, part in enumerate(parts):
        held += part
        if held.endswith("\\") and index + 1 < len(parts):
            held = held[:-1] + ","
            continue
        found.append(held.replace("\\|", "|").replace("\\$", "$").replace("\\\\", "\\").strip())
        held = ""
    if not all(found) or len(found) > _VALUES_MAX or len(value) > _VALUES_MAX * _CHARS_MAX:
        raise Declined("invalid", "a value is empty, or there are too many.", where=name)
    return found


def _criterion(name: str, value: str, modifier: str, domains: Domains) -> Criterion:
    if len(value) > _CHARS_MAX:
        raise Declined("too-long", "a value is too long.", where=name)
    if name == "identifier":
        return identifier(value, domains)
    if name == "gender":
        if value not in _GENDERS:
            raise Declined("code-invalid", "this is no administrative gender.", where=name)
        return Criterion(name, value)
    if name == "active":
        if value not in ("true", "false"):
            raise Declined("invalid", "active is true or false.", where=name)
        return Criterion(name, value)
    if name == "telecom":
        return Criterion(name, value.rpartition("|")[2])
    return Criterion(name, value, whole=modifier == "exact")


def identifier(token: str, domains: Domains) -> Criterion:
    """``system|value``, ``value``; raises ``Declined``."""
    system, bar, value = token.rpartition("|")
    if not value.strip():
        raise Declined("invalid", "the value of the identifier is missing.", where="identifier")
    if not bar or not system:
        return Criterion("identifier", value)
    domain = domains.of_system(system)
    if domain is None:
        raise Declined(
            "unknown-domain", "this assigning authority is not known.", where="identifier"
        )
    return Criterion("identifier", value, domain=domain)


def _span(value: str) -> Span:
    span = asked_span(value)
    if span is None:
        raise Declined("invalid", "this is no date.", where="birthdate")
    return span


def _together(spans: list[Span]) -> list[Span]:
    """All of them as one: whoever is born after one day and before another, was born between."""
    if not spans:
        return []
    one = spans[0]
    for other in spans[1:]:
        one = both(one, other)
    return [one]


def _count(value: str) -> int:
    if not value.isdecimal() or not value.isascii() or len(value) > 6 or not int(value):
        raise Declined("invalid", "_count is a number above 0.", where="_count")
    return min(int(value), COUNT_MAX)
