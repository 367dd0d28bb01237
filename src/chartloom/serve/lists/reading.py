"""The reconciled lists of a chart, read under a grant: what it does not show is not reconciled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from chartloom.chart import ChartSummary
from chartloom.chart.reconcile import (
    Decision,
    ListKind,
    ReconciledList,
    cross,
    decisions_of,
    reconcile_allergies,
    reconcile_medications,
    reconcile_problems,
    reconcile_results,
)
from chartloom.domain.chart import Section
from chartloom.domain.grant import Grant
from chartloom.domain.store import SearchHit
from chartloom.serve.console import Console

#: Sections whose documents may list something.
_TEXTS: Final = (Section.DOCUMENTS, Section.REPORTS)
#: Sections whose entries a list speaks of.
_SECTIONS: Final = {
    ListKind.MEDICATIONS: (Section.MEDICATIONS, *_TEXTS),
    ListKind.ALLERGIES: (Section.ALLERGIES, Section.MEDICATIONS, *_TEXTS),
    ListKind.PROBLEMS: (Section.PROBLEMS, Section.MEDICATIONS, Section.CHARGES, *_TEXTS),
    ListKind.RESULTS: (),
}
#: Lists that are looked at together: an allergy speaks against a medication.
_CROSSING: Final = frozenset((ListKind.MEDICATIONS, ListKind.ALLERGIES))


class Lists(msgspec.Struct, frozen=True):
    """Lists of one chart, by kind, with the decisions that they were made with."""

    of: dict[ListKind, ReconciledList]
    decisions: tuple[Decision, ...] = ()


def read_lists(
    grant: Grant,
    console: Console,
    hit: SearchHit,
    chart: ChartSummary,
    kinds: Collection[ListKind],
    *,
    sources: bool = True,
) -> Lists:
    """Some lists of a chart. sources: whether it shall be told which feed said what."""
    wanted: set[Section] = set()
    if chart.section(Section.DECISIONS).entries:
        wanted.add(Section.DECISIONS)
    if sources:
        wanted.update(section for kind in kinds for section in _SECTIONS[kind])
    speakers: dict[str, str] = {}
    if wanted:
        speakers |= console.store.speakers(grant, hit.source_patients, sorted(wanted))
    if sources and set(kinds) - {ListKind.MEDICATIONS}:
        speakers |= _measuring(grant, console, hit, chart)
    decisions = decisions_of(chart, speakers)
    now_us = chart.made_at_us
    crossing = not _CROSSING.isdisjoint(kinds)
    made = {
        kind: _list(kind, console, chart, now_us, speakers, decisions)
        for kind in dict.fromkeys((*kinds, *(_CROSSING if crossing else ())))
    }
    if crossing:
        tables = console.doors.lists
        drugs, allergies = made[ListKind.MEDICATIONS], made[ListKind.ALLERGIES]
        crossed = cross(drugs, allergies, tables.formulary(), tables.rules())
        made[ListKind.MEDICATIONS], made[ListKind.ALLERGIES] = crossed
    return Lists({kind: made[kind] for kind in kinds}, decisions)


def _measuring(
    grant: Grant, console: Console, hit: SearchHit, chart: ChartSummary
) -> dict[str, str]:
    """Which feeds the results come from: of every series and record the newest one is asked for."""
    section = chart.section(Section.RESULTS)
    heads: dict[tuple[str, str], list[str]] = {}
    for entry in section.entries:
        for point in entry.get("points", ()):
            owner = section.owner(point["id"])
            heads.setdefault((entry["series"], owner), []).append(point["id"])
    if not heads:
        return {}
    newest = [ids[0] for ids in heads.values()]
    told = console.store.speakers(grant, hit.source_patients, (Section.RESULTS,), newest)
    return {id: told[ids[0]] for ids in heads.values() if ids[0] in told for id in ids}


def _list(
    kind: ListKind,
    console: Console,
    chart: ChartSummary,
    now_us: int,
    speakers: Mapping[str, str],
    decisions: Sequence[Decision],
) -> ReconciledList:
    tables = console.doors.lists
    rules = tables.rules()
    if kind is ListKind.MEDICATIONS:
        return reconcile_medications(
            chart, tables.formulary(), rules, now_us, speakers=speakers, decisions=decisions
        )
    if kind is ListKind.ALLERGIES:
        return reconcile_allergies(
            chart, rules, now_us,
            formulary=tables.formulary(), speakers=speakers, decisions=decisions,
        )  # fmt: skip
    if kind is ListKind.PROBLEMS:
        return reconcile_problems(chart, rules, now_us, speakers=speakers, decisions=decisions)
    return reconcile_results(chart, rules, now_us, speakers=speakers)
