"""What a line and its evidence say beside their names, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chartloom.chart.reconcile import Fact, Line, ListKind

#: A kind of reaction that is worth a word: the others are what the list is of.
_KIND: Final = "intolerance"
#: What of an entry's detail is shown as evidence, in this order, and how.
_SHOWN: Final = {
    "text": "{}",
    "dose": "dose {}",
    "dose_changed": "dose since {}",
    "quantity": "quantity {}",
    "supply_days": "for {} days",
    "status_reason": "reason: {}",
    "kind": "{}",
    "severity": "severity {}",
    "criticality": "criticality {}",
    "reactions": "reactions {}",
    "code": "code {}",
    "verification": "verification {}",
    "value": "{}",
    "unit": "{}",
    "place": "place {}",
}


def fact_words(fact: Fact) -> tuple[str, ...]:
    """What an entry says beside its name. The dose of directions is part of them."""
    return tuple(_fact_words(fact))


def _fact_words(fact: Fact) -> Iterator[str]:
    for name, words in _SHOWN.items():
        value = fact.detail.get(name, "")
        if not value or value == fact.text or (name == "dose" and "text" in fact.detail):
            continue
        if name == "kind" and value != _KIND:
            continue
        yield words.format(value)


def line_words(kind: ListKind, line: Line) -> str:
    """What matters of a line besides its name and status."""
    d = line.detail
    parts: list[str] = []
    if kind is ListKind.ALLERGIES:
        parts = [
            _KIND if d.get("kind") == _KIND else "",
            d.get("reactions", ""),
            f"worst reaction {d['severity']}" if "severity" in d else "",
            f"criticality {d['criticality'].replace('-', ' ')}" if "criticality" in d else "",
        ]
    elif kind is ListKind.PROBLEMS:
        parts = [
            d.get("said", ""),
            d.get("codes", "").replace(" ", ", "),
            f"since {d['onset'][:10]}" if "onset" in d else "",
        ]
    elif kind is ListKind.MEDICATIONS:
        parts = [
            _ingredients(line),
            d.get("dose", ""),
            f"but also: {d['other_doses']}" if "other_doses" in d else "",
            d.get("route", ""),
        ]
    return " · ".join(p for p in parts if p)


def _ingredients(line: Line) -> str:
    """What is in a drug that is called by its brand."""
    names, text = line.detail.get("ingredients", ""), line.text.casefold()
    known = line.detail.get("known") not in ("words", "nothing")
    return names if known and not all(n in text for n in names.split(" / ")) else ""
