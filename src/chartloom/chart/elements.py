"""FHIR datatypes as short texts and codes for chart entries. Absent in, absent (``""``) out."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

_Json = dict[str, Any]


def first(items: Any) -> _Json:
    """The first object of a list; an empty one if there is none."""
    return items[0] if items else {}


def as_float(value: Any) -> float:
    """A number of any size as a float; infinite where none is so large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def text_of(concept: _Json | None) -> str:
    """A CodeableConcept in words: its text, else a display, else a code."""
    if not concept:
        return ""
    if text := concept.get("text"):
        return str(text)
    for part in ("display", "code"):
        for coding in concept.get("coding", ()):
            if found := coding.get(part):
                return str(found)
    return ""


def code_of(concept: _Json | None) -> str:
    """``system|code`` of the first coding that has a code."""
    if concept:
        for coding in concept.get("coding", ()):
            if code := coding.get("code"):
                return f"{coding.get('system', '')}|{code}"
    return ""


def all_codes(concept: _Json | None) -> list[str]:
    """``system|code`` of every coding, if there are several: the first one is ``code_of``."""
    codings = concept.get("coding", ()) if concept else ()
    if len(codings) < 2:
        return []
    found = [f"{c.get('system', '')}|{c['code']}" for c in codings if c.get("code")]
    return found if len(found) > 1 else []


def plain_code(concept: _Json | None) -> str:
    """The code alone, for FHIR's own small code systems (``active``, ``confirmed``)."""
    if not concept:
        return ""
    for coding in concept.get("coding", ()):
        if code := coding.get("code"):
            return str(code)
    return text_of(concept)


def texts_of(concepts: Any) -> list[str]:
    """Several CodeableConcepts in words."""
    return [t for t in map(text_of, concepts or ()) if t]


def named(reference: _Json | None) -> str:
    """What a Reference calls its target; without a name, the reference itself."""
    if not reference:
        return ""
    return str(reference.get("display") or reference.get("reference", ""))


def number(value: Any) -> str:
    """A number with exactly the digits it came with."""
    text = str(value)
    if "E+" in text and isinstance(value, Decimal) and value.adjusted() < 20:
        return format(value, "f")
    return text


def quantity(value: _Json | None) -> str:
    """``<5.0 mg/L``."""
    if not value or "value" not in value:
        return ""
    return f"{value.get('comparator', '')}{number(value['value'])} {unit(value)}".rstrip()


def unit(value: _Json) -> str:
    """The unit as people write it, else its code."""
    return str(value.get("unit") or value.get("code", ""))


def name_text(name: _Json) -> str:
    """A HumanName as one line."""
    if text := name.get("text"):
        return str(text)
    parts = (*name.get("prefix", ()), *name.get("given", ()), name.get("family", ""))
    return " ".join(str(p) for p in (*parts, *name.get("suffix", ())) if p)


def address_text(address: _Json) -> str:
    """An Address as one line."""
    if text := address.get("text"):
        return str(text)
    town = " ".join(str(address[p]) for p in ("postalCode", "city") if address.get(p))
    lines = [*address.get("line", ()), address.get("district"), town]
    lines += [address.get("state"), address.get("country")]
    return ", ".join(str(p) for p in lines if p)


def business_ids(resource: _Json) -> list[str]:
    """``system|value`` of each identifier, by which copies of one thing are recognised."""
    return [
        f"{i['system']}|{i['value']}"
        for i in resource.get("identifier", ())
        if i.get("value") and i.get("system")
    ]


def notes(resource: _Json) -> list[str]:
    """Annotations as texts."""
    return [str(n["text"]) for n in resource.get("note", ()) if n.get("text")]


def drop_empty(entry: _Json) -> _Json:
    """Without empty strings, lists, objects and None: a missing key means nothing was said."""
    return {k: v for k, v in entry.items() if v or v is False or v == 0}
