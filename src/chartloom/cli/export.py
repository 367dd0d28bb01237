"""``export``: a de-identified or limited data set, under an approved data use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from chartloom.cli.output import ERR, OUT, Table, print_json
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from chartloom.wiring.export import ExportReport

_DROPPED_SHOWN = 30


def register(app: typer.Typer) -> None:
    """Adds ``export``."""
    app.command(
        epilog="Examples:  chartloom export --use 4f1c… --user a.analyst --dry-run"
        "  ·  chartloom export out/ --use 4f1c… --user a.analyst --persons cohort.txt"
    )(export)


def export(
    folder: Annotated[Path | None, typer.Argument(help="New folder to write.")] = None,
    use: Annotated[str, typer.Option(help="Id of the approved data use.")] = "",
    user: Annotated[str, typer.Option(help="Subject in staff.toml who gets the data.")] = "",
    persons: Annotated[
        Path | None,
        typer.Option(help="File with one person id per line, if not all that are approved."),
    ] = None,
    profile: Annotated[
        Literal["safe_harbor", "shifted", "limited"] | None,
        typer.Option(help="A narrower one than is approved."),
    ] = None,
    k: Annotated[
        int | None, typer.Option(help="Fewest persons who look alike: more than approved.", min=1)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only counts: what would leave, and what would not.")
    ] = False,
    site: SiteOption = Path(),
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Writes a data set without anything that identifies: one NDJSON file per resource type.

    Only the elements that the data use names, and of those only what the allow-list of the profile
    lets out; never free text. Of whom, by which profile and how few may look alike is as approved;
    options make it narrower, never wider. Persons who would stand out (fewer than k alike) are left
    out; if nobody is left, nothing is written. The export is on record before its first byte: done
    by whoever runs this (operator:<uid>), for --user.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from chartloom.guard.authority import AccessDenied
    from chartloom.guard.deid import Profile
    from chartloom.project import load_project
    from chartloom.wiring.exports import open_exports

    if not use or not user or (folder is None) != dry_run:
        raise ConfigurationError(
            "Say what to export: --use and --user; a folder, or --dry-run.",
            cure="See `chartloom export --help`.",
        )
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=ERR, disable=json) as progress:
        task = progress.add_task("Deciding")

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        with open_exports(load_project(site), show) as exports:
            try:
                report = exports.exporter.export(
                    exports.principal(user), use, _ids(persons) if persons else None, folder,
                    profile=Profile(profile) if profile else None, k=k,
                )  # fmt: skip
            except AccessDenied as error:
                raise _not_in_force(user) from error
    if json:
        print_json(report)
    elif report.persons:
        _show(report, folder)
    else:
        ERR.print(nobody_left(report), highlight=False)
    if not report.persons:
        raise typer.Exit(1)


def _not_in_force(user: str) -> ConfigurationError:
    return ConfigurationError(
        f"No data use of that id is in force for {user}.",
        where="--use",
        cure="A data use names who gets the data, is approved by somebody else, and ends on its"
        " last day. It is on the console's page Data uses of those whom it names.",
    )


def nobody_left(report: ExportReport) -> str:
    """Why no data set was written, and what would help."""
    if not report.asked:
        return "Nothing was written: the data use is of nobody."
    why = [f"Nothing was written: of {report.asked:,} person(s) asked for, nobody is left."]
    if report.denied:
        why.append(f"Not permitted (policy, consent) or not there: {report.denied:,}.")
    if report.suppressed:
        why.append(
            f"Would stand out among fewer than k = {report.k_wanted:,} alike: "
            f"{report.suppressed:,}."
            " Persons are alike by what leaves of gender, year of birth, place and death. Ask for a"
            " data use with fewer of these (without Patient.birthDate and Patient.address, say), of"
            " more persons, or with a smaller k, where whoever approves agrees."
        )
    return "\n".join(why)


def _ids(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigurationError(
            "The list of persons cannot be read.", where=str(file), cure="One id per line, UTF-8."
        ) from e
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def _show(report: ExportReport, folder: Path | None) -> None:
    table = Table("Type", "Leaves", "Withheld")
    for kind in sorted({*report.resources, *report.withheld}):
        out, held = report.resources.get(kind, 0), report.withheld.get(kind, 0)
        table.add_row(kind, f"{out:,}", f"{held:,}")
    OUT.print(table)
    alike = Table("Persons", "Asked for", "Not permitted", "Would stand out", "k", "Groups")
    alike.add_row(
        *(f"{n:,}" for n in (report.persons, report.asked, report.denied, report.suppressed)),
        f"{report.k} (before: {report.smallest_before})",
        f"{report.classes:,}",
    )
    OUT.print(alike)
    most = sorted(report.dropped.items(), key=lambda item: -item[1])[:_DROPPED_SHOWN]
    if most:
        OUT.print("Dropped: " + ", ".join(f"{name} ({n:,})" for name, n in most), highlight=False)
    OUT.print("Nothing was written." if folder is None else f"Written: {folder}", highlight=False)
