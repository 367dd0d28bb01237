"""What the lists are made from: entries of the chart as facts, each with who said it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from chartloom.chart.reconcile.lines import Confidence, Fact
from chartloom.chart.summary import ChartSection

Entry = dict[str, Any]

DAY_US: Final = 86_400_000_000
_NAME_MAX: Final = 120
_LEVELS: Final = (Confidence.LOW, Confidence.MODERATE, Confidence.HIGH)


def fact_of(
    entry: Mapping[str, Any],
    section: ChartSection,
    speakers: Mapping[str, str],
    says: str,
    at_us: int,
    text: str = "",
    detail: dict[str, str] | None = None,
    kind: str = "",
) -> Fact:
    """An entry (or a point of a series) as a fact.

    Its source is the feed that spoke of it last; where that is not known, whose record it is in.
    """
    id = entry["id"]
    owner = section.owner(id)
    return Fact(
        id,
        kind or entry.get("type", ""),
        owner,
        speakers.get(id) or owner,
        says,
        at_us,
        text or entry.get("text", ""),
        detail or {},
    )


def began_us(entry: Mapping[str, Any], element: str) -> tuple[int, int]:
    """After what time and by what time the status of an entry began to hold; 0 if unknown.

    A source that repeats its word does not make it newer (:mod:`chartloom.chart.since`).
    """
    after_us, by_us = entry.get("since_us", {}).get(element, (0, entry["said_us"]))
    return int(after_us), int(by_us)


def confidence(base: str, because: Iterable[str], steps: Mapping[str, int]) -> Confidence:
    """How sure a rule's status is after everything that raises or lowers it."""
    level = _LEVELS.index(Confidence(base)) + sum(steps.get(code, 0) for code in because)
    return _LEVELS[min(max(level, 0), 2)]


@lru_cache(maxsize=8192)
def folded(text: str) -> str:
    """A name for comparing: no case, punctuation only where it separates parts of a name."""
    kept = "".join(c if c.isalnum() or c in "-'/%." else " " for c in text.casefold())
    return " ".join(kept.split())


def bounded(name: str) -> str:
    """A name as part of a key: a long one by its beginning and a fingerprint."""
    if len(name) <= _NAME_MAX:
        return name
    return (
        f"{name[:_NAME_MAX]}#{blake2b(name.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"
    )


def ordered(facts: Iterable[Fact]) -> list[Fact]:
    """Newest first; a total order that does not depend on how they came."""
    return sorted(facts, key=lambda f: (-f.at_us, f.source, f.says, f.resource_id))


def columns(facts: Iterable[Fact], rank: Mapping[str, int]) -> dict[str, str]:
    """Source -> what it says, in one word: the weightiest, then the newest."""
    found: dict[str, tuple[int, int, str]] = {}
    for fact in facts:
        one = (rank.get(fact.says, 99), -fact.at_us, fact.says)
        if fact.source not in found or one < found[fact.source]:
            found[fact.source] = one
    return {source: found[source][2] for source in sorted(found)}


def stripped(detail: Mapping[str, object]) -> dict[str, str]:
    """Detail without what was not said."""
    return {k: str(v) for k, v in detail.items() if v}
