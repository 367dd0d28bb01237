"""What does not fit: within one therapy, and between therapies."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from msgspec.structs import replace

from chartloom.chart.reconcile.dose import differ
from chartloom.chart.reconcile.lines import Discrepancy, Line
from chartloom.chart.reconcile.pieces import Piece
from chartloom.chart.reconcile.rules_medications import MedicationRules
from chartloom.chart.reconcile.supply import supply_of
from chartloom.chart.reconcile.verdict import Verdict


def within(verdict: Verdict, pieces: list[Piece], rules: MedicationRules) -> None:
    """Adds to the verdict: doses that differ, and orders that are filled side by side."""
    listed = [p for p in pieces if p.says == "listed" and p not in verdict.live]
    claims = [*verdict.live, *_newest_of_each_source(listed, verdict.live)]
    if len(claims) > 1 and differ(claims, rules.dose_tolerance):
        verdict.misfits["dose-conflict"] = claims
    over = rules.reasons[verdict.reason].status in ("stopped", "completed")
    if not over and (twice := _filled_side_by_side(verdict, pieces, rules)):
        verdict.misfits["duplicate-therapy"] = twice


def _newest_of_each_source(listed: list[Piece], live: list[Piece]) -> list[Piece]:
    """What other sources list, if it is not older than the order that holds."""
    since_us = max((p.at_us for p in live), default=0)
    newest: dict[str, Piece] = {}
    for piece in sorted(listed, key=lambda p: (p.at_us, p.id)):
        if piece.at_us >= since_us:
            newest[piece.source] = piece
    return [p for source, p in sorted(newest.items()) if source not in {x.source for x in live}]


def _filled_side_by_side(
    verdict: Verdict, pieces: list[Piece], rules: MedicationRules
) -> list[Piece]:
    """Orders that hold, of which each has fills that last now: somebody may take both."""
    if verdict.supply is None:
        return []
    orders = {p.id: p for p in pieces if p.says in ("order-active", "order-unknown")}
    found: list[Piece] = []
    spans: list[tuple[int, int]] = []
    for id, order in sorted(orders.items()):
        fills = [p for p in pieces if p.says == "filled" and p.request == id]
        supply = supply_of(fills, orders, (), rules)
        if supply is not None and supply.covered_us >= verdict.supply.last_us:
            found.append(order)
            spans.append((min(f.at_us for f in fills), supply.covered_us))
    return found if len(found) > 1 and _overlap(spans) else []


def _overlap(spans: list[tuple[int, int]]) -> bool:
    """Whether two fills last at one time, and not merely one after the other."""
    ordered = sorted(spans)
    return any(a[1] > b[0] for a, b in pairwise(ordered))


def across(
    lines: list[Line], pieces: Mapping[str, list[Piece]], rules: MedicationRules
) -> list[Line]:
    """Adds what does not fit between lines that are taken, or may well be: duplicates, two forms of
    one drug."""
    taken = [x for x in lines if _may_be_taken(x) and x.reason != "given-on-ward"]
    added: dict[str, dict[str, set[str]]] = {}
    for at, one in enumerate(taken):
        for other in taken[at + 1 :]:
            if (code := _misfit(one, other, rules)) and code in rules.discrepancies:
                ids = {_evidence(pieces[one.key]), _evidence(pieces[other.key])}
                for key in (one.key, other.key):
                    added.setdefault(key, {}).setdefault(code, set()).update(ids)
    return [_with(line, added.get(line.key, {})) for line in lines]


def _may_be_taken(line: Line) -> bool:
    return line.status == "active" or (line.status == "unknown" and line.standing == "unconfirmed")


def _misfit(one: Line, other: Line, rules: MedicationRules) -> str:
    mine, theirs = _set(one, "ingredients", " / "), _set(other, "ingredients", " / ")
    classes = _set(one, "classes", " "), _set(other, "classes", " ")
    if mine and mine == theirs:
        together = not classes[0].isdisjoint(rules.forms_together)
        return "" if together else "route-or-form-conflict"
    if not mine.isdisjoint(theirs):
        return "duplicate-therapy"
    shared = classes[0] & classes[1]
    return "" if shared.isdisjoint(rules.exclusive_classes) else "duplicate-therapy"


def _set(line: Line, name: str, between: str) -> frozenset[str]:
    return frozenset(p for p in line.detail.get(name, "").split(between) if p)


def _evidence(pieces: list[Piece]) -> str:
    words = [p for p in pieces if p.kind in ("MedicationRequest", "MedicationStatement")]
    return (words or pieces)[0].id


def _with(line: Line, added: Mapping[str, set[str]]) -> Line:
    if not added:
        return line
    merged = {d.code: set(d.facts) for d in line.discrepancies}
    for code, ids in added.items():
        merged.setdefault(code, set()).update(ids)
    found = tuple(Discrepancy(code, tuple(sorted(ids))) for code, ids in sorted(merged.items()))
    return replace(line, discrepancies=found)
