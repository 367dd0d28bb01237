"""Since when the status of something holds: a source that repeats its word says nothing new.

A stamp tells who said a value last. A list that is sent anew every night would make its oldest word
the newest one, and an old "stopped" would win over everything said in between. So of the few
elements that decide what stands, a state also keeps when each of their values was first and last
said (``ResourceState.held``, ``"status=stopped" -> (first_us, last_us)``). The earliest and the
latest of what was said are the same in whatever order it was heard.

What one statement said needs no keeping: it is in the resource and its stamps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from zlib import crc32

from chartloom.chart.elements import as_float
from chartloom.domain.resource import FhirJson, ResourceState, Stamp

_COURSE: Final = ("clinicalStatus", "verificationStatus")
#: The elements of which it is kept since when they hold, by type.
WATCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "AllergyIntolerance": _COURSE,
    "Condition": _COURSE,
    "MedicationRequest": ("status", "dosageInstruction"),
    "MedicationStatement": ("status", "dosage"),
}
#: The codes of these elements in R4. Any other counts as one, so that a state stays bounded.
_CODES: Final = frozenset(
    (
        *("active", "recurrence", "relapse", "inactive", "remission", "resolved"),
        *("unconfirmed", "presumed", "provisional", "differential", "confirmed", "refuted"),
        *("entered-in-error", "on-hold", "cancelled", "completed", "stopped", "draft", "unknown"),
        *("intended", "not-taken"),
    )
)
_OTHER: Final = "other"
#: Directions are no codes: a number below this tells them apart, so that a state stays bounded.
_DIRECTIONS: Final = 1024

Held = dict[str, tuple[int, int]]


def seeded(state: ResourceState) -> Held:
    """What is held of a state, with what its resource and stamps alone tell."""
    held = dict(state.held)
    for element in WATCHED.get(state.type, ()):
        if not _values(held, element):
            note(held, element, state.resource, _event_us(state.stamps, element))
    return held


def note(held: Held, element: str, resource: FhirJson, at_us: int) -> None:
    """That ``resource`` said at this time what it says of an element."""
    if element not in resource or not at_us:
        return
    key = f"{element}={_code(resource[element])}"
    first_us, last_us = held.get(key, (at_us, at_us))
    held[key] = (min(first_us, at_us), max(last_us, at_us))


def told(held: Held, resource: FhirJson, stamps: Mapping[str, Stamp]) -> Held:
    """``held`` without what the resource and its stamps tell, in an order of its own."""
    kept: Held = {}
    for element in WATCHED.get(resource["resourceType"], ()):
        plain: Held = {}
        note(plain, element, resource, _event_us(stamps, element))
        values = _values(held, element)
        if values != plain:
            kept.update(sorted(values.items()))
    return kept


def since_us(state: ResourceState, element: str) -> tuple[int, int]:
    """After what time, and at what time at the latest, an element's value began to hold.

    The first is 0 where nobody ever said otherwise, both are 0 where nobody said when. Exact where
    nothing else was said between the first and the last time the value was.
    """
    at_us = _event_us(state.stamps, element)
    if element not in state.resource or not at_us:
        return 0, 0
    key = f"{element}={_code(state.resource[element])}"
    values = _values(state.held, element)
    first_us, last_us = values.pop(key, (at_us, at_us))
    before_us = max((last for _, last in values.values() if last < last_us), default=0)
    return before_us, first_us if before_us < first_us else last_us


def since(state: ResourceState) -> dict[str, list[int]]:
    """Element -> :func:`since_us`, of those that were said more than once."""
    if not state.held:
        return {}
    watched = WATCHED.get(state.type, ())
    return {e: list(since_us(state, e)) for e in watched if _values(state.held, e)}


def _values(held: Held, element: str) -> Held:
    return {key: when for key, when in held.items() if key.partition("=")[0] == element}


def _event_us(stamps: Mapping[str, Stamp], element: str) -> int:
    stamp = stamps.get(element)
    return stamp.event_us if stamp else 0


def _code(value: Any) -> str:
    """The code of a status, be it a code or a concept; of directions, a number of them."""
    if isinstance(value, list):
        return str(crc32("\x1f".join(_leaves(value)).encode("utf-8", "replace")) % _DIRECTIONS)
    if isinstance(value, dict):
        codings = value.get("coding") or ()
        found = next((c.get("code") for c in codings if c.get("code") in _CODES), _OTHER)
        return str(found)
    return value if value in _CODES else _OTHER


def _leaves(value: Any) -> Iterator[str]:
    """What directions say, whatever kind of number they are read as."""
    if isinstance(value, dict):
        for key in sorted(value):
            yield key
            yield from _leaves(value[key])
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, int | float | Decimal):
        yield f"{as_float(value):g}"
    else:
        yield str(value)
