"""The R4 primitive types as JSON schemas (FHIR R4, section 2.24.0.1). Dates must exist."""

from __future__ import annotations

from typing import Any, Final

_YEAR: Final = r"([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_MONTH: Final = r"(0[1-9]|1[0-2])"
_LEAP_YEAR: Final = r"([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][48]|[2468]0|[13579][26])00)"
_DAY: Final = (
    rf"({_YEAR}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    rf"|02-(0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?"
_ZONE: Final = r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"

#: Something visible, and no control characters but tab, line feed and carriage return.
_TEXT: Final = r"^[\t\r\n ]*[^\s\x00-\x1f][^\x00-\x08\x0b\x0c\x0e-\x1f]*$"


def _string(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern}


def _integer(low: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": low, "maximum": 2147483647}


#: Name of the primitive type -> schema.
PRIMITIVES: Final[dict[str, dict[str, Any]]] = {
    "boolean": {"type": "boolean"},
    "decimal": {"type": "number"},
    "integer": _integer(-2147483648),
    "unsignedInt": _integer(0),
    "positiveInt": _integer(1),
    "string": _string(_TEXT),
    "markdown": _string(_TEXT),
    "base64Binary": _string(r"^[A-Za-z0-9+/\s]*[A-Za-z0-9+/]=?\s*=?\s*$"),
    "canonical": _string(r"^\S+$"),
    "code": _string(r"^[^\s]+([\t\n\r ][^\s]+)*$"),
    "date": _string(f"^({_YEAR}(-{_MONTH})?|{_DAY})$"),
    "dateTime": _string(f"^({_YEAR}(-{_MONTH})?|{_DAY}(T{_TIME}{_ZONE})?)$"),
    "id": _string(r"^[A-Za-z0-9\-.]{1,64}$"),
    "instant": _string(f"^{_DAY}T{_TIME}{_ZONE}$"),
    "oid": _string(r"^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$"),
    "time": _string(f"^{_TIME}$"),
    "uri": _string(r"^\S+$"),
    "url": _string(r"^\S+$"),
    "uuid": _string(r"^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"),
    "xhtml": {
        "type": "string",
        "pattern": r"^\s*<div[\s>]",
        "not": {"pattern": r"(?i)<\s*(script|iframe|object|embed|form|link|base|input)[\s/>]"},
    },
}
