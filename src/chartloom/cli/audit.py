"""``audit``: who did what, verified and told. Every look at the log is on record as well."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD

from chartloom.cli.output import ERR, OUT, Table, print_json, when
from chartloom.cli.site import SiteOption
from chartloom.domain.audit import HEAD_EVERY_S
from chartloom.domain.issues import CATALOGUE

if TYPE_CHECKING:
    from chartloom.guard.audit import Verdict
    from chartloom.wiring.auditing import Auditor

JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
DaysOption = Annotated[int, typer.Option(help="How many days back.", min=1, max=36_500)]
PersonArgument = Annotated[
    str, typer.Argument(help="Record number, person id or source patient id.")
]
_DAY_US = 86_400_000_000
_SHOWN_MAX = 50


def register(app: typer.Typer) -> None:
    """Adds ``audit`` with its commands."""
    audit = typer.Typer(no_args_is_help=True, help="The audit log: verify it and ask it.")
    audit.command(
        "verify",
        epilog="Examples:  chartloom audit verify"
        "  ·  chartloom audit verify --heads /mnt/elsewhere/audit-heads.jsonl --json",
    )(verify_log)
    audit.command(
        "who-saw", epilog="Examples:  chartloom audit who-saw 123456 --days 30  ·  ... --json"
    )(who_saw)
    audit.command(epilog="Examples:  chartloom audit report --days 7  ·  ... --json")(report)
    audit.command(epilog="Example:  chartloom audit disclosures 123456 --days 2190")(disclosures)
    audit.command(epilog="Example:  chartloom audit export > audit.ndjson")(export)
    app.add_typer(audit, name="audit")


def verify_log(
    site: SiteOption = Path(),
    heads: Annotated[
        list[Path] | None,
        typer.Option(help="A copy of the signed heads kept elsewhere; may be repeated."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Finds every change of the log: edits, gaps, moves, cuts, and clocks turned back.

    The log cannot show that it was rewritten as a whole by somebody who has the signing key; copies
    of the heads, kept where nobody here can write, can; the one of `\\[audit] heads_copy` is looked
    at without being named. Heads are signed every ten seconds, so that the newest events wait for
    the next one; older ones without a head are a finding. Exit code 1 if anything was found.
    """
    for path in heads or ():
        if not path.is_file():
            raise typer.BadParameter(f"There is no file {path}.")
    with _auditor(site) as auditor:
        verdict = auditor.verify(tuple(heads or ()))
    if json:
        print_json({"sound": verdict.sound, "verdict": verdict})
    else:
        for issue in verdict.findings[:_SHOWN_MAX]:
            known = CATALOGUE[issue.code]
            OUT.print(f"[red]{issue.code}[/] {issue.location}: {known.title}", highlight=False)
        if len(verdict.findings) > _SHOWN_MAX:
            OUT.print(f"and {len(verdict.findings) - _SHOWN_MAX} more")
        state = "[green]sound[/]" if verdict.sound else "[bold red]not sound[/]"
        OUT.print(
            f"The log is {state}: {verdict.size:,} events, {verdict.attested:,} of them held by a"
            " signed head."
        )
        if verdict.waiting:
            OUT.print(_waiting(verdict))
    if not verdict.sound:
        raise typer.Exit(1)


def _waiting(verdict: Verdict) -> str:
    """Of events that no head holds yet: when the next one is due."""
    due_s = verdict.signed_us / 1e6 + HEAD_EVERY_S - time.time()
    soon = f"the next is due in {due_s:.0f} s" if due_s > 0.5 else "the next is due now"
    return f"{verdict.waiting:,} events are not yet held by a signed head; {soon}."


def who_saw(
    person: PersonArgument,
    site: SiteOption = Path(),
    days: DaysOption = 365,
    json: JsonOption = False,
) -> None:
    """Who saw a person's record, or tried to, for which purpose, and how often."""
    with _auditor(site) as auditor:
        found = auditor.who_saw(_records(auditor, person), _since(days))
    if json:
        print_json(found)
        return
    table = _table(
        "Actor", "Purpose", "Times", "Refreshed", "Denied", "Last (UTC)", "How", right=(2, 3, 4)
    )
    for v in found:
        actor = f"{v.actor} for {v.behalf}" if v.behalf else v.actor
        how = ", ".join(v.kinds)
        counts = (str(v.times), str(v.refreshed), str(v.denied))
        table.add_row(actor, v.purpose, *counts, when(v.last_us)[:16], how)
    OUT.print(table if found else "Nobody, in this time.")


def report(site: SiteOption = Path(), days: DaysOption = 7, json: JsonOption = False) -> None:
    """What a privacy officer should look at: own family, VIPs, broken glass, unusual volume."""
    with _auditor(site) as auditor:
        found = auditor.report(_since(days))
    if json:
        print_json(found)
        return
    table = _table("Concern", "Actor", "Patient", "Times", "Last (UTC)", right=(3,))
    for f in found:
        last = f.unusual.day if f.unusual else when(f.last_us)[:16]
        table.add_row(f.concern.value, f.actor, f.patient, str(f.times), last)
    OUT.print(table if found else "Nothing to look at, in this time.")


def disclosures(
    person: PersonArgument,
    site: SiteOption = Path(),
    days: DaysOption = 2_190,
    json: JsonOption = False,
) -> None:
    """To whom a person's data was given outside treatment and operations (45 CFR 164.528)."""
    with _auditor(site) as auditor:
        found = auditor.disclosures(_records(auditor, person), _since(days))
    if json:
        print_json(found)
        return
    table = _table("First (UTC)", "Last (UTC)", "Times", "To", "What", "Why", right=(2,))
    for d in found:
        dates = (when(d.first_us)[:10], when(d.last_us)[:10])
        table.add_row(*dates, str(d.times), ", ".join(d.recipients), d.what, d.reason)
    OUT.print(table if found else "None, in this time.")


def export(
    site: SiteOption = Path(),
    after: Annotated[int, typer.Option(help="Only events above this number.", min=0)] = 0,
) -> None:
    """Writes the events to standard output, one JSON line each, with the hashes of the chain."""
    from chartloom.wiring.auditing import exported

    with _auditor(site) as auditor:
        for event in auditor.export(after):
            sys.stdout.buffer.write(exported(event) + b"\n")
        sys.stdout.flush()


def _auditor(site: Path) -> Auditor:
    from chartloom.project import load_project
    from chartloom.wiring.auditing import Auditor

    return Auditor(load_project(site))


def _records(auditor: Auditor, person: str) -> tuple[str, ...]:
    found = auditor.find(person)
    if found:
        return found
    # Somebody who was shredded is not found any more, but the log still speaks of the id.
    if len(person) == 36 and person.count("-") == 4:
        return (person,)
    ERR.print("Nobody is found under that, or it is more than one person.")
    raise typer.Exit(1)


def _since(days: int) -> int:
    return int(time.time() * 1e6) - days * _DAY_US


def _table(*headings: str, right: tuple[int, ...] = ()) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i in right else "left", overflow="fold")
    return table
