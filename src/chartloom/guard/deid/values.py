"""What each action does to one value: a safe value, or ``None`` for nothing."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from chartloom.guard.deid.tables import code_systems, units

#: ZIP3 areas with at most 20,000 people (census 2000, as named by the guidance on 164.514(b)).
SMALL_ZIP3: Final = frozenset({
    "036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878",
    "879", "884", "890", "893",
})  # fmt: skip
_STATES: Final = frozenset({
    "AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN",
    "IA", "KS", "KY", "LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH",
    "NJ", "NM", "NY", "NC", "ND", "OH", "OK", "OR", "PA", "PR", "RI", "SC", "SD", "TN", "TX",
    "UT", "VT", "VA", "WA", "WV", "WI", "WY",
})  # fmt: skip
_OLDEST_AGE: Final = 89
_NUMBER_MAX: Final = 100_000_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEAR = re.compile(r"(\d{4})(-\d{2}(-\d{2}(T.*)?)?)?")
MASKED: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
    "code": "masked",
}


class Context(msgspec.Struct, frozen=True):
    """For one patient of one project. key: of the project. as_of: the day ages are counted at."""

    key: bytes
    shift_days: int
    as_of: date


def shift_days(key: bytes, patient: str) -> int:
    """By how many days a patient's dates are moved: 1 to 365 either way, never 0."""
    drawn = int.from_bytes(_mac(key, "shift", patient)[:8], "big") % 730
    return drawn - 365 if drawn < 365 else drawn - 364


def pseudonym(key: bytes, kind: str, id: str) -> str:
    """The project's name for a resource, as a UUID."""
    drawn = _mac(key, "id", kind, id).hex()
    return f"{drawn[:8]}-{drawn[8:12]}-8{drawn[13:16]}-a{drawn[17:20]}-{drawn[20:32]}"


def _mac(key: bytes, *parts: str) -> bytes:
    message = b"".join(
        len(raw).to_bytes(4, "big") + raw
        for raw in (p.encode("utf-8", "surrogatepass") for p in parts)
    )
    return hmac.digest(key, message, hashlib.sha256)


def coding(value: Any) -> dict[str, str] | None:
    """A code of a listed system in its shape; no words, no version."""
    if not isinstance(value, dict):
        return None
    system, code = value.get("system"), value.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return None
    known = code_systems().get(system)
    if known is None or not known.pattern.fullmatch(code) or not code.isascii():
        return None
    if known.check and not _CHECKS[known.check](code):
        return None
    return {"system": system, "code": code}


def _codes(value: Any, context: Context) -> Any:
    inner = value.get("coding") if isinstance(value, dict) else None
    found = [c for item in inner if (c := coding(item))] if isinstance(inner, list) else []
    return {"coding": found} if found else None


def _luhn(code: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(code.replace("-", ""))):
        doubled = int(digit) * (1 + place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


_VERHOEFF_D: Final = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_P: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _verhoeff(code: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(code)):
        moved = int(digit)
        for _ in range(place % 8):
            moved = _VERHOEFF_P[moved]
        check = int(_VERHOEFF_D[check][moved])
    return check == 0


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {"loinc": _luhn, "verhoeff": _verhoeff}


def _reference(value: Any, context: Context) -> Any:
    text = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(text, str):
        return None
    found = re.fullmatch(r"([A-Z][A-Za-z]{2,40})/([A-Za-z0-9.-]{1,64})", text, re.ASCII)
    if not found or found[1] not in REFERENCED:
        return None
    return {"reference": f"{found[1]}/{pseudonym(context.key, found[1], found[2])}"}


#: Types that a reference may lead to.
REFERENCED: Final = frozenset({
    "Patient", "Encounter", "Condition", "Observation", "DiagnosticReport", "Procedure",
    "MedicationRequest", "MedicationAdministration", "MedicationDispense", "MedicationStatement",
    "AllergyIntolerance", "Immunization", "ServiceRequest", "Specimen",
})  # fmt: skip


def _number(value: Any, context: Context) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(str(value))
    if not exact.is_finite() or abs(exact) >= _NUMBER_MAX:
        return None
    digits = exact.as_tuple()
    return value if len(digits.digits) <= 8 and int(digits.exponent) >= -8 else None


def _year(value: Any, context: Context) -> Any:
    found = _YEAR.fullmatch(value) if isinstance(value, str) and value.isascii() else None
    return found[1] if found else None


def _moment(value: Any) -> date | datetime | None:
    if not isinstance(value, str):
        return None
    try:
        if _DATE.fullmatch(value):
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None or "T" not in value:
        return None
    return moment


def _shown(moment: date | datetime) -> str:
    """A time loses its zone, which tells a place."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return moment.isoformat()


def _shift(value: Any, context: Context) -> Any:
    moment = _moment(value)
    if moment is None:
        return None
    try:
        return _shown(moment + timedelta(days=context.shift_days))
    except OverflowError:
        return None


def _date(value: Any, context: Context) -> Any:
    moment = _moment(value)
    if moment is None:
        return _year(value, context)
    try:
        return _shown(moment)
    except OverflowError:
        return None


def _old(value: Any, context: Context) -> bool:
    """Whether a birth date makes somebody 90 or older, or might."""
    year = _year(value, context)
    return year is None or context.as_of.year - int(year) > _OLDEST_AGE


def _birth_year(value: Any, context: Context) -> Any:
    return None if _old(value, context) else _year(value, context)


def _birth(value: Any, context: Context) -> Any:
    found = _moment(value)
    return found.isoformat() if type(found) is date else _year(value, context)


def _zip(value: Any, context: Context) -> Any:
    found = re.fullmatch(r"(\d{5})(-\d{4})?", value, re.ASCII) if isinstance(value, str) else None
    return found[1] if found else None


def _zip3(value: Any, context: Context) -> Any:
    whole = _zip(value, context)
    if whole is None:
        return None
    return "000" if whole[:3] in SMALL_ZIP3 else whole[:3]


def _is(kind: type) -> Callable[[Any, Context], Any]:
    return lambda value, context: value if type(value) is kind else None


def _one_of(allowed: frozenset[str]) -> Callable[[Any, Context], Any]:
    return lambda value, context: value if isinstance(value, str) and value in allowed else None


def _drop(value: Any, context: Context) -> Any:
    return None


_ACTIONS: Final[dict[str, Callable[[Any, Context], Any]]] = {
    "-": _drop,
    "boolean": _is(bool),
    "codes": _codes,
    "coding": lambda value, context: coding(value),
    "reference": _reference,
    "number": _number,
    "year": _year,
    "shift": _shift,
    "date": _date,
    "birth-year": _birth_year,
    "birth": _birth,
    "zip": _zip,
    "zip3": _zip3,
    "state": _one_of(_STATES),
    "country": _one_of(frozenset({"US", "USA"})),
    "unit": lambda value, context: value if isinstance(value, str) and value in units() else None,
}


def action(name: str) -> Callable[[Any, Context], Any]:
    """The function for a cell of the table. Raises ``KeyError`` for a name that is none."""
    if name.startswith("enum:"):
        return _one_of(frozenset(name.removeprefix("enum:").split("|")))
    return _ACTIONS[name]
