"""One list of medications from orders, doses given, fills and lists, each line with its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from chartloom.chart.reconcile.belief import Followed, Habit, habit_of
from chartloom.chart.reconcile.conflicts import across, within
from chartloom.chart.reconcile.decided import Decision, decide, later_or_unseen
from chartloom.chart.reconcile.enumerated import Enumerated, lists_of
from chartloom.chart.reconcile.future import without_future
from chartloom.chart.reconcile.heard import (
    DAY_US,
    columns,
    confidence,
    ordered,
    stripped,
)
from chartloom.chart.reconcile.in_documents import named_drugs
from chartloom.chart.reconcile.lines import (
    Decided,
    Discrepancy,
    Fact,
    Line,
    ListKind,
    ReconciledList,
)
from chartloom.chart.reconcile.pieces import Entry, Piece, entries_of
from chartloom.chart.reconcile.rules import Rules
from chartloom.chart.reconcile.rules_medications import MedicationRules
from chartloom.chart.reconcile.spoken import Around
from chartloom.chart.reconcile.supply import Supply, supply_of
from chartloom.chart.reconcile.therapies import therapies
from chartloom.chart.reconcile.verdict import Verdict, judge
from chartloom.chart.summary import ChartSummary
from chartloom.chart.times import day_of, to_us
from chartloom.domain.chart import Section
from chartloom.domain.issues import Issue
from chartloom.registry.formulary import CODE_UNRESOLVED, Formulary

_STATUS_ORDER = ("active", "on-hold", "unknown", "stopped", "completed")
_STANDING_ORDER = ("unconfirmed", "contradicted", "stale", "noted", "planned")
#: What a source's column shows of the several things that it says: the first of these.
_LOUDEST = (
    "order-active", "order-on-hold", "listed", "order-stopped", "listed-stopped",
    "listed-not-taken", "not-to-do", "order-completed", "listed-completed", "order-cancelled",
    "listed-on-hold", "order-unknown", "listed-unknown", "order-proposed", "filled", "given",
    "noted-stopped", "noted",
)  # fmt: skip
_RANK = {says: rank for rank, says in enumerate(_LOUDEST)}
#: What contradicts a decision when it comes later, by the status that was decided.
_AGAINST_ACTIVE = frozenset(
    ("order-stopped", "order-cancelled", "order-completed", "order-on-hold", "listed-stopped",
     "listed-completed", "listed-not-taken", "listed-on-hold", "not-to-do")
)  # fmt: skip
_AGAINST_ENDED = frozenset(("order-active", "listed", "filled", "given"))


def reconcile_medications(
    chart: ChartSummary,
    formulary: Formulary,
    rules: Rules,
    now_us: int,
    *,
    speakers: Mapping[str, str] | None = None,
    decisions: Sequence[Decision] = (),
) -> ReconciledList:
    """The reconciled medications of a person. Pure; never raises on any chart.

    now_us: the moment it is made for. speakers: resource id -> the feed that spoke of it last;
    where it is not known, the source patient. decisions: of clinicians, about any kind of list.
    """
    table = rules.medications
    chart = without_future(chart, now_us)
    entries = entries_of(chart, formulary, speakers or {})
    groups = {key: _ordered(group) for key, group in therapies(entries).items()}
    supplies = {key: _supply(pieces, table) for key, pieces in groups.items()}
    followed = (Followed(groups[k], _classes(groups[k]), supplies[k]) for k in groups)
    habit = habit_of(followed, table, now_us)
    lists = lists_of(groups, table, named_drugs(chart, formulary))
    around = _around(chart, entries, habit, lists, now_us)
    verdicts: dict[str, tuple[list[Piece], Verdict]] = {}
    for key, pieces in groups.items():
        verdict = judge(key, pieces, _classes(pieces), supplies[key], table, around)
        within(verdict, pieces, table)
        _agreement(verdict, pieces)
        verdicts[key] = pieces, verdict
    lines = [_line(key, *verdicts[key], table) for key in verdicts]
    lines = across(lines, {k: v[0] for k, v in verdicts.items()}, table)
    lines = _decided(lines, decisions, now_us - table.decision_days * DAY_US)
    return ReconciledList(
        ListKind.MEDICATIONS,
        tuple(sorted(lines, key=_shown_order)),
        rules.fingerprint,
        formulary.fingerprint,
        now_us,
        _issues(entries, formulary),
    )


def _supply(pieces: list[Piece], rules: MedicationRules) -> Supply | None:
    orders = {p.id: p for p in pieces if p.kind == "MedicationRequest"}
    fills = [p for p in pieces if p.says == "filled"]
    return supply_of(fills, orders, _classes(pieces), rules)


def _around(
    chart: ChartSummary,
    entries: list[Entry],
    habit: Habit,
    lists: tuple[Enumerated, ...],
    now_us: int,
) -> Around:
    section = chart.section(Section.MEDICATIONS)
    fills = [p for e in entries for p in e.pieces if p.says == "filled"]
    home = [p.at_us for e in entries for p in e.pieces if p.discharge]
    deceased = [p.get("deceased") for p in chart.patients]
    died_us = max((to_us(d) or now_us for d in deceased if d), default=0)
    return Around(
        now_us=now_us,
        filled_us=max((p.at_us for p in fills), default=0),
        died_us=died_us,
        discharge_us=max(home, default=0),
        truncated=section.truncated,
        habit=habit,
        lists=lists,
    )


def _ordered(group: list[Entry]) -> list[Piece]:
    """Newest first; ties by id, so that the order of the chart does not matter."""
    return sorted((p for e in group for p in e.pieces), key=lambda p: (-p.at_us, p.id))


def _classes(pieces: list[Piece]) -> tuple[str, ...]:
    return tuple(sorted({c for p in pieces for c in p.drug.classes}))


def _agreement(verdict: Verdict, pieces: list[Piece]) -> None:
    active = {p.source for p in pieces if p.says in ("order-active", "listed") and not p.document}
    if len(active) > 1 and "sources-disagree" not in verdict.because:
        verdict.because.add("several-sources-agree")


def _line(key: str, pieces: list[Piece], verdict: Verdict, rules: MedicationRules) -> Line:
    reason = rules.reasons[verdict.reason]
    shown = max(verdict.live, key=_dosed, default=None) or _spokesman(pieces)
    return Line(
        key=key,
        text=shown.text or shown.drug.name or key.partition("|")[0],
        status=reason.status,
        reason=verdict.reason,
        confidence=confidence(reason.confidence, verdict.because, rules.because),
        because=tuple(sorted(verdict.because)),
        sources=columns((p.fact for p in pieces), _RANK),
        facts=tuple(ordered(p.fact for p in pieces)),
        discrepancies=tuple(
            Discrepancy(code, tuple(sorted({p.id for p in misfit})))
            for code, misfit in sorted(verdict.misfits.items())
            if code in rules.discrepancies
        ),
        detail=_detail(shown, pieces, verdict),
        standing=reason.standing,
    )


def _spokesman(pieces: list[Piece]) -> Piece:
    """Who names the line: the newest order or listing, else the newest of all."""
    words = [p for p in pieces if p.kind in ("MedicationRequest", "MedicationStatement")]
    return (words or pieces)[0]


def _dosed(piece: Piece) -> tuple[int, str]:
    """Of orders that hold, the one whose dose was said last names the line."""
    return (piece.dosed_us, piece.id)


def _directions(piece: Piece) -> str:
    return piece.directions or piece.fact.detail.get("dose", "")


def _others(shown: Piece, verdict: Verdict) -> str:
    """Where doses differ, what the others say, the newest first: nobody shall read only one."""
    others = sorted(verdict.misfits.get("dose-conflict", ()), key=_dosed, reverse=True)
    said = dict.fromkeys(_directions(p) or p.drug.strength for p in others if p is not shown)
    return "; ".join(s for s in said if s and s != _directions(shown))


def _detail(shown: Piece, pieces: Sequence[Piece], verdict: Verdict) -> dict[str, str]:
    drug = shown.drug
    supply = verdict.supply
    dose = _directions(shown) or next((d for p in pieces if (d := _directions(p))), "")
    return stripped(
        {
            "ingredients": " / ".join(drug.ingredients),
            "salts": " / ".join(c.salt for c in drug.components if c.salt),
            "strength": drug.strength,
            "form": drug.form,
            "release": drug.release,
            "route": drug.route,
            "brand": drug.brand,
            "classes": " ".join(drug.classes),
            "dose": dose,
            "other_doses": _others(shown, verdict),
            "known": drug.known.value,
            "last_fill": day_of(supply.last_us) if supply else "",
            "covered_until": day_of(supply.covered_us) if supply else "",
            "believed_until": day_of(supply.believed_us) if supply else "",
        }
    )


def _decided(lines: list[Line], decisions: Sequence[Decision], since_us: int) -> list[Line]:
    """The lines under what clinicians decided. "Active" does not hold for ever on their word."""
    mine = [d for d in decisions if d.kind is ListKind.MEDICATIONS]
    old = {d.key: d for d in mine if d.said == "taking" and d.at_us < since_us}
    kept = [d for d in mine if d.key not in old]
    return [
        _long_ago(x, old[x.key]) if x.key in old else x
        for x in decide(ListKind.MEDICATIONS, lines, kept, _contradicts)
    ]


def _long_ago(line: Line, decision: Decision) -> Line:
    decided = Decided(decision.by, decision.at_us, decision.said, 0, stale=True)
    because = tuple(sorted({*line.because, "decided-long-ago"}))
    return replace(line, decided=decided, because=because)


def _contradicts(line: Line, decision: Decision, status: str) -> list[Fact]:
    """What says otherwise than a decision and came after it or was not seen. A fill makes nothing
    active, yet after a stop it is something that whoever decided should see; before it, it is
    history."""
    against = _AGAINST_ACTIVE if status == "active" else _AGAINST_ENDED
    return later_or_unseen(line, decision, against, dated=("filled", "given"))


def _shown_order(line: Line) -> tuple[int, int, str]:
    return (_rank(line.status, _STATUS_ORDER), _rank(line.standing, _STANDING_ORDER), line.key)


def _rank(code: str, order: tuple[str, ...]) -> int:
    return order.index(code) if code in order else len(order)


def _issues(entries: list[Entry], formulary: Formulary) -> tuple[Issue, ...]:
    codes = sorted({c for e in entries for c in formulary.unresolved(e.codes)})
    return tuple(Issue(CODE_UNRESOLVED, detail=code) for code in codes)
