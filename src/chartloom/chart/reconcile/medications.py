"""One list of medications from orders, doses given, fills and lists, each line with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from chartloom.chart.reconcile.conflicts import across, within
from chartloom.chart.reconcile.decisions import apply_decisions
from chartloom.chart.reconcile.lines import (
    Confidence,
    Discrepancy,
    Line,
    ListKind,
    ReconciledList,
    Said,
)
from chartloom.chart.reconcile.pieces import Entry, Piece, entries_of
from chartloom.chart.reconcile.rules import Rules
from chartloom.chart.reconcile.rules_medications import MedicationRules
from chartloom.chart.reconcile.therapies import therapies
from chartloom.chart.reconcile.verdict import Around, Verdict, judge
from chartloom.chart.summary import ChartSummary
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section
from chartloom.domain.issues import Issue
from chartloom.registry.formulary import CODE_UNRESOLVED, Formulary

_LEVELS = (Confidence.LOW, Confidence.MODERATE, Confidence.HIGH)
_STATUS_ORDER = ("active", "on-hold", "unknown", "stopped", "completed")
#: What is said of a source that says several things, the first that it says.
_LOUDEST = (
    "order-active", "order-on-hold", "listed", "order-stopped", "listed-stopped",
    "listed-not-taken", "not-to-do", "order-completed", "listed-completed", "order-cancelled",
    "listed-on-hold", "order-unknown", "listed-unknown", "order-proposed", "filled", "given",
)  # fmt: skip


def medications(
    chart: ChartSummary,
    formulary: Formulary,
    rules: Rules,
    now_us: int,
    said: Sequence[Said] = (),
    feeds: Mapping[str, str] | None = None,
) -> ReconciledList:
    """The reconciled medications of a person. Pure; never raises on any chart.

    now_us: the moment it is made for. said: decisions of clinicians, of any kind of list. feeds:
    resource id -> the feed that spoke of it last, for the columns; without it, source patients.
    """
    table = rules.medications
    entries = entries_of(chart, formulary, feeds or {})
    around = _around(chart, entries, now_us)
    groups = therapies(entries)
    verdicts: dict[str, tuple[list[Piece], Verdict]] = {}
    for key, group in groups.items():
        pieces = _ordered(group)
        verdict = judge(pieces, _classes(pieces), table, around)
        within(verdict, pieces, table)
        _agreement(verdict, pieces)
        verdicts[key] = pieces, verdict
    lines = [_line(key, *verdicts[key], table) for key in verdicts]
    lines = across(lines, {k: v[0] for k, v in verdicts.items()}, table)
    mine = [s for s in said if s.kind is ListKind.MEDICATIONS]
    lines = apply_decisions(lines, mine, now_us, table.decision_days)
    return ReconciledList(
        ListKind.MEDICATIONS,
        tuple(sorted(lines, key=_shown_order)),
        rules.fingerprint,
        formulary.fingerprint,
        now_us,
        _issues(entries, formulary),
    )


def _around(chart: ChartSummary, entries: list[Entry], now_us: int) -> Around:
    section = chart.section(Section.MEDICATIONS)
    fills = [p for e in entries for p in e.pieces if p.says == "filled"]
    deceased = [p.get("deceased") for p in chart.patients]
    died_us = max((to_us(d) or now_us for d in deceased if d), default=0)
    return Around(
        now_us=now_us,
        fill_sources=frozenset(x for p in fills for x in (p.source, p.fact.source_patient) if x),
        died_us=died_us,
        truncated=section.truncated,
    )


def _ordered(group: list[Entry]) -> list[Piece]:
    """Newest first; ties by id, so that the order of the chart does not matter."""
    return sorted((p for e in group for p in e.pieces), key=lambda p: (-p.at_us, p.id))


def _classes(pieces: list[Piece]) -> tuple[str, ...]:
    return tuple(sorted({c for p in pieces for c in p.drug.classes}))


def _agreement(verdict: Verdict, pieces: list[Piece]) -> None:
    active = {p.source for p in pieces if p.says in ("order-active", "listed")}
    if len(active) > 1 and "sources-disagree" not in verdict.because:
        verdict.because.add("several-sources-agree")


def _line(key: str, pieces: list[Piece], verdict: Verdict, rules: MedicationRules) -> Line:
    reason = rules.reasons[verdict.reason]
    level = ("low", "moderate", "high").index(reason.confidence)
    level += sum(rules.because.get(code, 0) for code in verdict.because)
    shown = next(iter(verdict.live), None) or _spokesman(pieces)
    return Line(
        key=key,
        text=shown.text or shown.drug.name or key.partition("|")[0],
        status=reason.status,
        reason=verdict.reason,
        confidence=_LEVELS[min(max(level, 0), 2)],
        because=tuple(sorted(verdict.because)),
        sources=_sources(pieces),
        facts=tuple(p.fact for p in pieces),
        discrepancies=tuple(
            Discrepancy(code, tuple(sorted({p.id for p in misfit})))
            for code, misfit in sorted(verdict.misfits.items())
            if code in rules.discrepancies
        ),
        detail=_detail(shown, verdict),
    )


def _spokesman(pieces: list[Piece]) -> Piece:
    """Who names the line: the newest order or listing, else the newest of all."""
    words = [p for p in pieces if p.kind in ("MedicationRequest", "MedicationStatement")]
    return (words or pieces)[0]


def _sources(pieces: list[Piece]) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in sorted({p.source for p in pieces}):
        says = {p.says for p in pieces if p.source == source}
        found[source] = next((s for s in _LOUDEST if s in says), min(says))
    return found


def _detail(shown: Piece, verdict: Verdict) -> dict[str, str]:
    drug = shown.drug
    supply = verdict.supply
    found = {
        "ingredients": " / ".join(drug.ingredients),
        "salts": " / ".join(c.salt for c in drug.components if c.salt),
        "strength": drug.strength,
        "form": drug.form,
        "release": drug.release,
        "route": drug.route,
        "brand": drug.brand,
        "classes": " ".join(drug.classes),
        "dose": shown.fact.detail.get("text") or shown.fact.detail.get("dose", ""),
        "known": drug.known.value,
        "last_fill": _date(supply.last_us) if supply else "",
        "covered_until": _date(supply.covered_us) if supply else "",
        "believed_until": _date(supply.believed_us) if supply else "",
    }
    return {k: v for k, v in found.items() if v}


def _date(at_us: int) -> str:
    """The day in UTC; "" beyond what a calendar holds."""
    try:
        return datetime.fromtimestamp(at_us // 1_000_000, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return ""


def _shown_order(line: Line) -> tuple[int, str]:
    known = line.status in _STATUS_ORDER
    return (_STATUS_ORDER.index(line.status) if known else len(_STATUS_ORDER), line.key)


def _issues(entries: list[Entry], formulary: Formulary) -> tuple[Issue, ...]:
    codes = sorted({c for e in entries for c in formulary.unresolved(e.codes)})
    return tuple(Issue(CODE_UNRESOLVED, detail=code) for code in codes)
