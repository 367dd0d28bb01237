"""``init``, ``check``, ``up``, ``run``, ``doctor``: the site folder and its processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.text import Text

from chartloom.cli.output import ERR, OUT, Table, print_json

SiteOption = Annotated[
    Path, typer.Option("--site", help="The site folder.", envvar="CHARTLOOM_SITE")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog="Example:  chartloom init my-hospital --zone Europe/Berlin")(init)
    app.command(epilog="Examples:  chartloom check  ·  chartloom check --json")(check)
    app.command(epilog="Example:  chartloom up --site my-hospital")(up)
    app.command(epilog="Example:  chartloom run worker --site my-hospital")(run)
    app.command(epilog="Example:  chartloom console --site my-hospital")(console)
    app.command(epilog="Example:  chartloom doctor --site my-hospital")(doctor)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    name: Annotated[str, typer.Option(help="Name of the site; by default the folder's.")] = "",
    zone: Annotated[str, typer.Option(help="IANA time zone of the site.")] = "UTC",
    first_port: Annotated[int, typer.Option(help="MLLP port of the first feed.")] = 26610,
    console_port: Annotated[int, typer.Option(help="Port of the console.")] = 8420,
    tls: Annotated[
        bool, typer.Option("--tls", help="TLS on every door, from an authority of the site's own.")
    ] = False,
) -> None:
    """Makes a new site folder with one feed per kind of message."""
    from chartloom.project import write_site

    written = write_site(
        folder,
        name=name or folder.resolve().name,
        zone=zone,
        first_port=first_port,
        console_port=console_port,
        workers=max(2, min(4, os.cpu_count() or 2)),
        tls=tls,
    )
    if tls:
        from chartloom.guard import SystemClock
        from chartloom.project import load_project
        from chartloom.wiring.internal_ca import InternalCa

        written.append(InternalCa(load_project(folder), SystemClock()).init())
    for path in written:
        OUT.print(f"  {path}", highlight=False)
    OUT.print(f"\nNext:  chartloom check --site {folder}   then   chartloom up --site {folder}")


def check(
    site: SiteOption = Path(),
    json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Validates the site folder as a whole: file, line, key and cure for every finding."""
    from chartloom.project.check import check_site, notes_on

    findings, summary = check_site(site)
    notes = notes_on(site)
    if json:
        print_json({"ok": not findings, "findings": findings, "notes": notes, "summary": summary})
    elif findings:
        for finding in findings:
            place = f"{finding.file}:{finding.line}" if finding.line else finding.file
            OUT.print(f"[bold]{place}[/]  [cyan]{finding.key}[/]", highlight=False)
            OUT.print(f"    [red]{escape(finding.what)}[/] {escape(finding.cure)}", highlight=False)
        ERR.print(f"\n{len(findings)} thing(s) to mend.")
    else:
        OUT.print(f"[green]In order:[/] {summary}")
    for note in () if json else notes:
        place = f"{note.file}:{note.line}" if note.line else note.file
        OUT.print(f"[bold]{place}[/]  [cyan]{note.key}[/]", highlight=False)
        OUT.print(f"    [yellow]{escape(note.what)}[/] {escape(note.cure)}", highlight=False)
    if findings:
        raise typer.Exit(1)


def up(site: SiteOption = Path()) -> None:
    """Runs the site: embedded store, ingest, workers and console, until Ctrl-C."""
    from chartloom.project import load_project
    from chartloom.wiring import running_site

    began_s = time.monotonic()
    with running_site(load_project(site), report=_started) as running:
        OUT.print(f"[green]Up[/] after {time.monotonic() - began_s:.1f} s. Ctrl-C stops it.")
        OUT.print(f"Console  {running.console_url}", highlight=False, soft_wrap=True)
        for address in (*running.feed_addresses, *running.door_addresses):
            OUT.print(f"  {address}", highlight=False)
        running.watch_until(signal.SIGINT, signal.SIGTERM)
        OUT.print("Stopping…")


def _started(name: str) -> None:
    OUT.print(f"  {name} is ready", style="bright_black", highlight=False)


def run(
    role: Annotated[str, typer.Argument(help="ingest, worker or serve.")],
    site: SiteOption = Path(),
    name: Annotated[str, typer.Option(help="Name of this process in logs and leases.")] = "",
) -> None:
    """Runs one role alone, in the foreground, so that roles can be placed on several machines."""
    from chartloom.project import load_project
    from chartloom.wiring import run_role

    run_role(load_project(site), role, name or f"{role}-{os.getpid()}")


def console(site: SiteOption = Path()) -> None:
    """Prints a fresh link that signs the local operator in to the console of a site that is up."""
    from chartloom.project import load_project
    from chartloom.wiring import console_url

    OUT.print(console_url(load_project(site)), highlight=False, soft_wrap=True)


def doctor(
    site: SiteOption = Path(),
    json: Annotated[bool, typer.Option("--json", help="Results as JSON.")] = False,
) -> None:
    """Looks at everything that could be wrong with this machine and site, and says the cure."""
    from chartloom.wiring.doctor import examine

    results = examine(site)
    if json:
        print_json(results)
    else:
        table = Table("", "Check", "Seen", "What to do")
        for result in results:
            mark = Text("ok", style="green") if result.ok else Text("no", style="red")
            table.add_row(mark, result.check, result.seen, "" if result.ok else result.cure)
        OUT.print(table)
    if not all(r.ok for r in results):
        raise typer.Exit(1)
