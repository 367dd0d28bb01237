"""What somebody is searched by, what of it an index answers, and whether a Patient fits. Pure.

Names and numbers are kept as blind fingerprints, so that only whole values, beginnings of names,
ends of telephone numbers and whole days can be looked up; everything else is compared with those
who were found by them. A search that no index answers would read everybody, and is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from chartloom.domain.resource import FhirJson
from chartloom.registry.persons.lookup import PHONE_DIGITS, START_CHARS, digits_of, looked_up
from chartloom.serve.client_registry.dates import Span
from chartloom.serve.client_registry.domains import Domain

_MOTHER: Final = "mothersMaidenName"
_MOTHERS_NUMBER: Final = "mothers-identifier"

#: Of one search parameter: a record needs one of them.
Alternatives = tuple["Criterion", ...]


class Criterion(msgspec.Struct, frozen=True):
    """One value that is looked for. whole: the whole value and not only its beginning. domain: of
    an identifier, ``None`` for any. span: of a date."""

    field: str
    value: str = ""
    whole: bool = True
    domain: Domain | None = None
    span: Span | None = None


class Search(msgspec.Struct, frozen=True):
    """All of ``wanted``, and of each at least one alternative. ids: of persons or records.

    targets: only persons who have an identifier there; other identifiers are not told.
    """

    wanted: tuple[Alternatives, ...] = ()
    ids: tuple[str, ...] = ()
    targets: tuple[Domain, ...] = ()


def indexed(search: Search) -> list[list[tuple[str, str]]]:
    """What an index answers of a search, the rarest first; none: it would need a scan."""
    found = []
    for alternatives in search.wanted:
        keys = [key for criterion in alternatives for key in _keys(criterion)]
        if keys and all(_keys(criterion) for criterion in alternatives):
            found.append((_RARITY.get(alternatives[0].field, 9) + (len(keys) > 4), keys))
    return [keys for _, keys in sorted(found, key=lambda pair: pair[0])]


_RARITY: Final = {
    "identifier": 0, "mothers-identifier": 0, "telecom": 0, "birthdate": 2, "family": 4, "given": 6,
}  # fmt: skip


def _keys(criterion: Criterion) -> list[tuple[str, str]]:
    field, value = criterion.field, criterion.value
    if field == "identifier":
        return [(field, value)]
    if field == "mothers-identifier":
        return [("mother", value)]
    if field == "telecom":
        return _contact_keys(value)
    if field == "birthdate" and criterion.span is not None:
        return [(field, day) for day in criterion.span.values()]
    if field in ("family", "given"):
        if criterion.whole:
            return [(field, value)]
        return (
            [(field, value), (f"{field}^", value)] if len(looked_up(value)) >= START_CHARS else []
        )
    return []


def _contact_keys(value: str) -> list[tuple[str, str]]:
    if "@" in value:
        return [("email", value)]
    digits = digits_of(value)
    return [("phone", digits[-PHONE_DIGITS:])] if len(digits) >= PHONE_DIGITS else []


def fits(patient: FhirJson, search: Search) -> bool:
    """Whether one record has all that is looked for, as it stands now."""
    return all(any(_has(patient, one) for one in some) for some in search.wanted)


def _has(patient: FhirJson, criterion: Criterion) -> bool:
    return _TESTS[criterion.field](patient, criterion)


def _text(values: Iterator[Any], criterion: Criterion) -> bool:
    wanted = looked_up(criterion.value)
    for value in values:
        if isinstance(value, str):
            found = looked_up(value)
            if found == wanted or (not criterion.whole and found.startswith(wanted)):
                return True
    return False


def _of(patient: FhirJson, element: str, part: str) -> Iterator[Any]:
    for item in patient.get(element, ()):
        value = item.get(part)
        yield from value if isinstance(value, list) else (value,)


def _identifier(patient: FhirJson, criterion: Criterion) -> bool:
    return any(_is_number(i, criterion) for i in patient.get("identifier", ()))


def _is_number(identifier: FhirJson, criterion: Criterion) -> bool:
    if looked_up(str(identifier.get("value", ""))) != looked_up(criterion.value):
        return False
    domain = criterion.domain
    return domain is None or identifier.get("system", "") in domain.systems


def _birth(patient: FhirJson, criterion: Criterion) -> bool:
    born = patient.get("birthDate")
    return isinstance(born, str) and criterion.span is not None and criterion.span.holds(born)


def _telecom(patient: FhirJson, criterion: Criterion) -> bool:
    digits = _digits(criterion.value)
    for value in _of(patient, "telecom", "value"):
        if not isinstance(value, str):
            continue
        if looked_up(value) == looked_up(criterion.value):
            return True
        if "@" not in value and len(digits) >= PHONE_DIGITS:
            held = _digits(value)
            if len(held) >= PHONE_DIGITS and (held.endswith(digits) or digits.endswith(held)):
                return True
    return False


def _digits(value: str) -> str:
    """Of a telephone, without the zeros with which a country's own or a foreign number begins."""
    return digits_of(value).lstrip("0")


def _address(patient: FhirJson, criterion: Criterion) -> bool:
    parts = ("line", "city", "district", "state", "postalCode", "country", "text")
    return any(_text(_of(patient, "address", part), criterion) for part in parts)


def _mother(patient: FhirJson, criterion: Criterion) -> bool:
    texts = [e.get("valueString", "") for e in _extensions(patient, _MOTHER)]
    words = [word for text in texts for word in (text, *text.replace(",", " ").split())]
    return _text(iter(words), criterion)


def _mothers_number(patient: FhirJson, criterion: Criterion) -> bool:
    held = [e.get("valueIdentifier", {}) for e in _extensions(patient, _MOTHERS_NUMBER)]
    return any(_is_number(identifier, criterion) for identifier in held)


def _extensions(patient: FhirJson, name: str) -> list[FhirJson]:
    return [e for e in patient.get("extension", ()) if str(e.get("url", "")).endswith(name)]


def _active(patient: FhirJson, criterion: Criterion) -> bool:
    return bool(patient.get("active", True)) is (criterion.value == "true")


def _gender(patient: FhirJson, criterion: Criterion) -> bool:
    return bool(patient.get("gender", "unknown") == criterion.value)


def _part(element: str, part: str) -> Callable[[FhirJson, Criterion], bool]:
    return lambda patient, criterion: _text(_of(patient, element, part), criterion)


_TESTS: Final[dict[str, Callable[[FhirJson, Criterion], bool]]] = {
    "identifier": _identifier,
    "birthdate": _birth,
    "family": _part("name", "family"),
    "given": _part("name", "given"),
    "telecom": _telecom,
    "address": _address,
    "address-line": _part("address", "line"),
    "address-city": _part("address", "city"),
    "address-state": _part("address", "state"),
    "address-postalcode": _part("address", "postalCode"),
    "address-country": _part("address", "country"),
    "gender": _gender,
    "mothersMaidenName": _mother,
    "mothers-identifier": _mothers_number,
    "active": _active,
}
#: What may be searched by.
FIELDS: Final = frozenset(_TESTS)


def terms_of(search: Search) -> dict[str, str]:
    """For the record, where they become fingerprints."""
    found: dict[str, list[str]] = {}
    for alternatives in search.wanted:
        for one in alternatives:
            value = one.value or (one.span.text if one.span else "")
            found.setdefault(one.field, []).append(looked_up(value))
    if search.ids:
        found["id"] = list(search.ids)
    return {field: " ".join(values) for field, values in found.items()}
