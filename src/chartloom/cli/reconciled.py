"""Reconciled lists in the terminal: one line per thing, with its reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.text import Text

from chartloom.chart import ChartSummary
from chartloom.chart.reconcile import (
    Line,
    ListKind,
    ReconciledList,
    Role,
    cross,
    decisions_of,
    reconcile_allergies,
    reconcile_medications,
    reconcile_problems,
    reconcile_results,
    why,
)
from chartloom.cli.output import OUT, Table, print_json, when
from chartloom.domain.chart import Section
from chartloom.domain.codec import decode, encode
from chartloom.project import Project

#: Of what stands in these, lists tell which feed said it.
SPOKEN_SECTIONS: Final = (
    Section.PROBLEMS,
    Section.MEDICATIONS,
    Section.ALLERGIES,
    Section.RESULTS,
    Section.CHARGES,
    Section.DECISIONS,
    Section.DOCUMENTS,
)

_STYLES = {"active": "bold", "unknown": "yellow"}


def show_lists(
    project: Project,
    chart: ChartSummary,
    speakers: Mapping[str, str],
    json: bool,
    *,
    complete: bool = True,
) -> None:
    """All lists of a chart, by the site's rules and formulary, under what clinicians decided."""
    from chartloom.project.reconciliation import load_reconciliation_rules, load_site_formulary

    rules, now_us = load_reconciliation_rules(project), chart.made_at_us
    formulary, _ = load_site_formulary(project)
    decisions = decisions_of(chart, speakers)
    drugs = reconcile_medications(
        chart, formulary, rules, now_us, speakers=speakers, decisions=decisions
    )
    allergies = reconcile_allergies(
        chart, rules, now_us, formulary=formulary, speakers=speakers, decisions=decisions
    )
    lists = [
        *cross(drugs, allergies, formulary, rules),
        reconcile_problems(chart, rules, now_us, speakers=speakers, decisions=decisions),
    ]
    if json:
        lists.append(reconcile_results(chart, rules, now_us, speakers=speakers))
        print_json({"complete": complete} | {found.kind.value: list_json(found) for found in lists})
        return
    for found in lists:
        print_list(found)


def list_json(found: ReconciledList) -> dict[str, Any]:
    """The list for machines: codes, and beside them the sentences that people read."""
    plain: dict[str, Any] = decode(encode(found))
    for line, shown in zip(found.lines, plain["lines"], strict=True):
        shown["why"] = _sentences(found.kind, line)
    return plain


def print_list(found: ReconciledList) -> None:
    """The list for people."""
    table = Table(
        title=f"{found.kind.value.capitalize()}, reconciled {when(found.made_at_us)}",
        title_justify="left",
        expand=True,
    )
    table.add_column("What", ratio=3)
    table.add_column("Status", no_wrap=True)
    table.add_column("Why", ratio=5)
    table.add_column("Sources", ratio=3, style="bright_black")
    for line in found.lines:
        sources = (
            f"{source[:12]}: {why(found.kind, Role.SAYS, says)}"
            for source, says in line.sources.items()
        )
        table.add_row(
            Text(line.text),
            Text(line.standing or line.status, style=_STYLES.get(line.status, "bright_black")),
            Text("\n".join(_told(found.kind, line))),
            Text("\n".join(sources)),
        )
    OUT.print(table)
    OUT.print(f"Rules {found.rules[:12]}, formulary {found.formulary[:12]}.", style="bright_black")
    for issue in found.issues:
        OUT.print(f"{issue.severity.value}: {issue.code} {issue.detail}", markup=False)


def _told(kind: ListKind, line: Line) -> list[str]:
    told = [f"{why(kind, Role.REASON, line.reason)} (confidence {line.confidence.value})"]
    if line.decided is not None:
        told.append(f"Decided by {line.decided.by}, {when(line.decided.at_us)}.")
    return told + [f"! {why(kind, Role.DISCREPANCY, d.code)}" for d in line.discrepancies]


def _sentences(kind: ListKind, line: Line) -> dict[str, Any]:
    return {
        "reason": why(kind, Role.REASON, line.reason),
        "because": {code: why(kind, Role.BECAUSE, code) for code in line.because},
        "discrepancies": {d.code: why(kind, Role.DISCREPANCY, d.code) for d in line.discrepancies},
        "sources": {s: why(kind, Role.SAYS, says) for s, says in line.sources.items()},
    }
