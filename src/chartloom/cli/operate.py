"""``replay``: deriving everything again from the landing log."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from chartloom.cli.output import ERR, OUT, print_json
from chartloom.cli.site import SiteOption
from chartloom.cli.sure import be_sure


def register(app: typer.Typer) -> None:
    """Adds ``replay``."""
    app.command(epilog="Examples:  chartloom replay --verify  ·  chartloom replay --yes")(replay)


def replay(
    site: SiteOption = Path(),
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare all that is derived before and after.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Annotated[bool, typer.Option("--json", help="JSON for machines.")] = False,
) -> None:
    """Empties everything derived and derives it again from the landing log, by running workers.

    With the mappings unchanged this changes nothing, which --verify proves: it compares a digest of
    all resources, views, bundles and links. Alerts and subscriptions do not fire for replayed
    messages.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from chartloom.project import load_project
    from chartloom.wiring.desk import REPLAY, open_desk

    be_sure("Charts are incomplete while a replay runs.", yes=yes or json, json=json)
    with open_desk(load_project(site)) as desk:
        opened = desk.opened
        desk.settle(REPLAY)  # decided and on record; the work itself takes longer than a permit
        grant = opened.grant(ttl_s=86_400)
        while verify and opened.store.waiting(grant):
            time.sleep(0.2)  # a digest only means something when nothing is under way
        before = opened.store.digest(grant) if verify else ""
        began_s = time.monotonic()
        total = opened.store.rebuild(grant)
        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=ERR, disable=json) as progress:
            task = progress.add_task("Replaying", total=total)
            while waiting := opened.store.waiting(grant):
                progress.update(task, completed=max(0, total - waiting))
                time.sleep(0.2)
            progress.update(task, completed=total)
        seconds = time.monotonic() - began_s
        same = not verify or opened.store.digest(grant) == before
    if json:
        verdict = same if verify else None
        print_json({"messages": total, "seconds": round(seconds, 2), "identical": verdict})
    else:
        OUT.print(f"{total:,} messages in {seconds:.1f} s ({total / max(seconds, 1e-9):,.0f}/s).")
        if verify:
            OUT.print("[green]Identical.[/]" if same else "[red]Not identical.[/]")
    if not same:
        raise typer.Exit(1)
