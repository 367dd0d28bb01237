"""Parts of a chart in words: dosages, and how many things a section holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chartloom.chart import ChartSection


def shown_total(section: ChartSection) -> int:
    """How many things a section holds: copies from several sources count once."""
    if section.truncated or any("series" in e for e in section.entries):
        return section.total
    return len(section.entries)


def doses_alone(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Orders, and only those doses that no order among them speaks of already."""
    ordered = {e.get(key) for e in entries if "series" not in e for key in ("code", "text")} - {
        "",
        None,
    }
    return [e for e in entries if "series" not in e or not {e.get("code"), e.get("text")} & ordered]


def dosage_words(dosage: dict[str, Any]) -> str:
    """A dosage on one line; the source's own text too, if it says more than its parts."""
    keys = ("dose", "rate", "route", "timing")
    parts = [str(dosage[k]) for k in keys if dosage.get(k)]
    if needed := dosage.get("as_needed"):
        parts.append("as needed" if needed is True else f"as needed: {needed}")
    text = str(dosage.get("text") or "")
    if set(text.casefold().split()) - set(" ".join(parts).casefold().split()):
        parts.append(text)
    return ", ".join(parts)
