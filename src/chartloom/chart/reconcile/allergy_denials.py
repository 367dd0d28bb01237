""" "No known allergy" beside the allergies that there are: which was said later counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from chartloom.chart.reconcile.heard import DAY_US, columns, confidence, ordered
from chartloom.chart.reconcile.lines import Discrepancy, Fact, Line
from chartloom.chart.reconcile.rules_allergies import AllergyRules
from chartloom.chart.reconcile.substances import Substance

LISTED: Final = frozenset(("listed", "listed-unconfirmed"))
#: What of several things that a source says stands in its column.
RANK: Final = {
    says: rank
    for rank, says in enumerate(
        ("challenge-positive", "challenge-negative", "listed", "listed-unconfirmed", "refuted",
         "resolved", "inactive", "denied", "denial-withdrawn", "test-positive", "test-negative",
         "noted", "given", "dispensed")
    )
}  # fmt: skip
_KINDS: Final = {
    "none-known-drug": ("drug", "class"),
    "none-known-food": ("food",),
    "none-known-environment": ("environment", "contact"),
}
#: What is denied of one substance alone says nothing of others of its kind.
_ONE: Final = {"none-known-latex": "latex"}
_CATEGORY: Final = {
    "medication": "drug",
    "biologic": "drug",
    "food": "food",
    "environment": "environment",
}


def disc(code: str, facts: Iterable[Fact]) -> Discrepancy:
    """A discrepancy that rests on these facts."""
    return Discrepancy(code, tuple(dict.fromkeys(f.resource_id for f in facts)))


def also(line: Line, found: Discrepancy) -> Line:
    """A line with one more discrepancy; facts of the same code are put together."""
    same = [d for d in line.discrepancies if d.code == found.code]
    rest = tuple(d for d in line.discrepancies if d.code != found.code)
    ids = dict.fromkeys(i for d in (*same, found) for i in d.facts)
    return msgspec.structs.replace(line, discrepancies=(*rest, Discrepancy(found.code, tuple(ids))))


def against_denials(
    lines: list[Line], denials: Iterable[tuple[Substance, Sequence[Fact]]], table: AllergyRules
) -> list[Line]:
    """ "No known allergy" beside the allergies that there are: which was said later counts."""
    by_key = {line.key: line for line in lines}
    made = []
    for substance, said in denials:
        facts = ordered(said)
        denied = [f for f in facts if f.says == "denied"]
        active = [
            line
            for line in by_key.values()
            if line.status == "active" and in_scope(substance.key, line)
        ]
        reason, found = "none-known", []
        if not denied:
            reason = "denial-withdrawn"
        elif active:
            reason, against = _overtaken(denied, active, table)
            for line in against:
                by_key[line.key] = msgspec.structs.replace(
                    also(line, disc("listed-and-denied", denied)),
                    sources={**columns(denied, RANK), **line.sources},
                )
            listed = [f for line in against for f in line.facts if f.says in LISTED]
            found = [disc("denied-though-listed", listed)] if listed else []
        made.append(_denial(substance, facts, reason, found, table))
    return [*by_key.values(), *made]


def in_scope(denial: str, line: Line) -> bool:
    """Whether an allergy is of the kind that a denial (its key) is about."""
    denied = denial.removeprefix("substance:")
    if denied in _ONE:
        return line.key == f"substance:{_ONE[denied]}"
    kinds = _KINDS.get(denied)
    return kinds is None or _kind_of(line) in kinds


def _kind_of(line: Line) -> str:
    kind = line.detail.get("substance", "")
    if kind:
        return kind
    return _CATEGORY.get(line.detail.get("category", "").partition(" ")[0], "drug")


def _overtaken(
    denied: Sequence[Fact], active: Sequence[Line], table: AllergyRules
) -> tuple[str, list[Line]]:
    """Whether every denial is older than some allergy; and the allergies older than a denial."""
    last = denied[0].at_us
    gap = table.overtaken_days * DAY_US
    older = [
        line
        for line in active
        if max((f.at_us for f in line.facts if f.says in LISTED), default=0) + gap < last
    ]
    if len(older) == len(active):
        return "denial-contradicted", older
    return "denial-overtaken", older


def _denial(
    substance: Substance,
    facts: Sequence[Fact],
    reason: str,
    found: Sequence[Discrepancy],
    table: AllergyRules,
) -> Line:
    rule = table.reasons[reason]
    agree = len({f.source for f in facts if f.says == "denied"}) > 1
    because = ("several-sources-agree",) if agree else ()
    return Line(
        key=f"substance:{substance.key}",
        text=substance.name,
        status=rule.status,
        reason=reason,
        confidence=confidence(rule.confidence, because, table.because),
        because=because,
        sources=columns(facts, RANK),
        facts=tuple(facts),
        discrepancies=tuple(d for d in found if d.code in table.discrepancies),
        detail={"substance": "none"},
    )
