"""``keys``: the keys of patients, and the key that wraps them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD

from chartloom.cli.output import ERR, OUT, Table, print_json
from chartloom.cli.site import SiteOption
from chartloom.cli.sure import be_sure
from chartloom.guard.shredding import DECISIONS, Reason

if TYPE_CHECKING:
    from chartloom.guard.keys import Rotation
    from chartloom.wiring.keeping import KeyKeeper

JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines.")]


def register(app: typer.Typer) -> None:
    """Adds ``keys`` with its commands."""
    keys = typer.Typer(
        no_args_is_help=True, help="The keys of patients: look, rotate, retire, shred."
    )
    keys.command(epilog="Examples:  chartloom keys status  ·  chartloom keys status --json")(status)
    keys.command(epilog="Examples:  chartloom keys rotate  ·  chartloom keys rotate --retire")(
        rotate
    )
    keys.command(epilog="Example:  chartloom keys retire")(retire)
    keys.command(
        epilog="Examples:  chartloom keys shred 123456 --reason patient-request"
        "  ·  chartloom keys shred --approved 5b1c… --yes --json"
    )(shred)
    keys.command(epilog="Examples:  chartloom keys requests  ·  chartloom keys requests --json")(
        requests
    )
    keys.command(
        epilog="Examples:  chartloom keys decide 5b1c… approve"
        "  ·  chartloom keys decide 5b1c… withdraw"
    )(decide)
    app.add_typer(keys, name="keys")


def status(site: SiteOption = Path(), json: JsonOption = False) -> None:
    """Where the key-encryption key is, and how many keys each of its generations wraps."""
    with _keeper(site) as keeper:
        found = keeper.status()
    if json:
        print_json(found)
        return
    OUT.print(f"Key-encryption key: {found.kind}, {found.where}", highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("Generation", justify="right")
    table.add_column("Keys", justify="right")
    table.add_column("State")
    for generation, count in sorted(found.counts.items()):
        newest = generation == found.generation
        state = "wraps new keys" if newest else ("retire it" if not count else "rotate")
        table.add_row(str(generation), f"{count:,}", state)
    OUT.print(table)
    OUT.print(f"Destroyed: {found.destroyed:,}")


def rotate(
    site: SiteOption = Path(),
    retire_old: Annotated[
        bool, typer.Option("--retire", help="Destroy the old generations afterwards.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Make no new generation: go on with the newest.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Makes a new generation and wraps every key with it, while messages and readers go on.

    What was interrupted goes on with --resume. Bodies are not sealed anew: their keys stay.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _keeper(site) as keeper, Progress(*columns, console=ERR, disable=json) as progress:
        task = progress.add_task("Wrapping keys", total=None)

        def show(done: Rotation) -> None:
            total = done.rewrapped + done.left
            progress.update(task, completed=done.rewrapped, total=total)

        done = keeper.rotate(show, new_generation=not resume)
        retired = keeper.retire() if retire_old else ()
    if json:
        print_json({"rotation": done, "retired": retired})
        return
    OUT.print(f"[green]Generation {done.generation}[/] wraps all {done.rewrapped:,} keys.")
    _say_retired(retired, asked=retire_old)


def retire(
    site: SiteOption = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Destroys the generations that wrap nothing any more.

    Wrapped keys in older backups open nothing from then on, which is how shredding reaches backups;
    those backups as a whole cannot be read any more either.
    """
    be_sure("Backups made before the last rotation become unreadable.", yes=yes, json=json)
    with _keeper(site) as keeper:
        retired = keeper.retire()
    if json:
        print_json({"retired": retired})
    else:
        _say_retired(retired, asked=True)


def _say_retired(retired: tuple[int, ...], *, asked: bool) -> None:
    if retired:
        OUT.print("Destroyed: " + ", ".join(f"generation {g}" for g in retired))
    elif asked:
        OUT.print("There is no generation to retire.")
    else:
        OUT.print("Older generations are still there: chartloom keys retire")


def shred(
    person: Annotated[
        str, typer.Argument(help="Record number, person id or source patient id.")
    ] = "",
    reason: Annotated[Reason | None, typer.Option(help="Why; goes on record.")] = None,
    approved: Annotated[str, typer.Option(help="Carry out the request of this id.")] = "",
    site: SiteOption = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: JsonOption = False,
) -> None:
    """Makes everything about a person unreadable for good, wherever copies lie: with a second
    person.

    First it is asked for, with a reason. Somebody else approves it, in the console or with
    `chartloom keys decide`; then --approved carries it out. The person's keys are destroyed, and
    all that was derived is removed. The messages stay in the log as bytes that nobody can open; so
    do later ones, until their source stops sending them.
    """
    if bool(person) == bool(approved) or (bool(person) != (reason is not None)):
        raise typer.BadParameter("Name a person and --reason, or --approved with a request.")
    with _keeper(site) as keeper:
        if approved:
            _carry_out(keeper, approved, yes=yes, json=json)
            return
        records = keeper.find(person)
        if not records or reason is None:
            ERR.print("Nobody is found under that, or it is more than one person.")
            raise typer.Exit(1)
        made = keeper.ask_to_shred(records[0], reason)
    if json:
        print_json(made)
        return
    OUT.print(f"Asked for: {made.id}, {len(made.source_patients)} record(s) of sources.")
    OUT.print("Somebody else approves it: in the console, at Destruction of keys.")
    OUT.print(f"Then: chartloom keys shred --approved {made.id}", highlight=False)


def _carry_out(keeper: KeyKeeper, id: str, *, yes: bool, json: bool) -> None:
    be_sure("Nothing brings this person's data back.", yes=yes, json=json)
    done, removed = keeper.shred(id)
    if json:
        print_json({"records": done.source_patients, "removed": removed})
        return
    OUT.print(f"[green]Shredded:[/] {len(done.source_patients)} record(s); removed rows by table:")
    for table, count in sorted(removed.items()):
        OUT.print(f"  {table:16} {count:>8,}", highlight=False)
    OUT.print("Copies of the keys in backups go with: chartloom keys rotate --retire")


def requests(site: SiteOption = Path(), json: JsonOption = False) -> None:
    """The destructions of keys that were asked for, and what became of them."""
    with _keeper(site) as keeper:
        found = keeper.shreddings()
    if json:
        print_json(found)
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("Request", "Records", "Reason", "Asked by", "State", "Decided by"):
        table.add_column(heading, overflow="fold")
    for r in found:
        said = (r.id, str(len(r.source_patients)), r.reason, r.requested_by, r.state.value)
        table.add_row(*said, r.decided_by)
    OUT.print(table if found else "Nothing was asked for.")


def decide(
    request: Annotated[str, typer.Argument(help="Id of the request.")],
    decision: Annotated[str, typer.Argument(help="approve, refuse or withdraw.")],
    site: SiteOption = Path(),
    json: JsonOption = False,
) -> None:
    """Approves or refuses what somebody else asked for, or withdraws what one asked for oneself.

    Nobody approves a request of their own.
    """
    if decision not in DECISIONS:
        raise typer.BadParameter(f"Say one of: {', '.join(DECISIONS)}.")
    with _keeper(site) as keeper:
        decided = keeper.decide(request, decision)
    if json:
        print_json(decided)
    else:
        OUT.print(f"{decided.id}: {decided.state.value}", highlight=False)


def _keeper(site: Path) -> KeyKeeper:
    from chartloom.project import load_project
    from chartloom.wiring.keeping import KeyKeeper

    return KeyKeeper(load_project(site))
