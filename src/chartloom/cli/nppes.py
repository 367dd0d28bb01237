"""``chartloom directory take``: of the register of NPIs, what the site needs."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chartloom.cli.output import ERR, OUT
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from _csv import Writer


def take(
    file: Annotated[Path, typer.Argument(help="A file of NPPES (npidata_pfile_*.csv).")],
    out: Annotated[Path, typer.Option(help="Where the rows go.")],
    site: SiteOption = Path(),
    increment: Annotated[
        bool,
        typer.Option(
            "--increment",
            help="Put a file of a week, or the list of deactivated NPIs, into the rows taken.",
        ),
    ] = False,
) -> None:
    """From a file of NPPES (millions of rows) the rows of those whom the site's tables name.

    With --increment, what was taken before stays, and the later row of an NPI counts: the files of
    the weeks since the full one, and the report of deactivated NPIs, saved as CSV.
    """
    from chartloom.project import load_project
    from chartloom.project.directory import load_site_directory
    from chartloom.registry.directory import NPI_SYSTEM, taken_rows

    known = {
        number.partition("|")[2]
        for one in load_site_directory(load_project(site)).golden
        for number in one.identifiers
        if number.startswith(f"{NPI_SYSTEM}|")
    }
    if not known:
        ERR.print("No NPI stands in registry/directory/. Add some to practitioners.csv first.")
        raise typer.Exit(1)
    if out.exists() and file.exists() and out.samefile(file):
        raise ConfigurationError(
            "The rows would be written over the file that they are taken from.",
            where=str(out),
            cure="Name another file with --out.",
        )
    if increment:
        with _usable(file, out):
            _merge(file, out, known)
        return

    from rich.progress import open as opened

    rows = 0
    kept: set[str] = set()
    with (
        _usable(file, out),
        opened(file, "r", encoding="utf-8-sig", newline="", description="Reading") as lines,
        _written(out) as writer,
    ):
        for at, npi, cells in taken_rows(file.name, lines, known):
            rows = at
            if cells:
                writer.writerow(cells)
            if npi:
                kept.add(npi)
    OUT.print(f"{len(kept)} of {len(known)} NPIs found in {rows:,} rows; written to {out}.")


@contextlib.contextmanager
def _usable(file: Path, out: Path) -> Iterator[None]:
    """Raises ``ConfigurationError`` where a file cannot be read, or not be written."""
    try:
        yield
    except UnicodeDecodeError as e:
        raise ConfigurationError(
            f"Byte {e.start} of a part that was read is no UTF-8.",
            where=str(file),
            cure="Files of NPPES are UTF-8: take it anew, or convert it.",
        ) from e
    except csv.Error as e:
        raise ConfigurationError(
            f"This is no CSV: {e}.", where=str(file), cure="Take the file anew."
        ) from e
    except OSError as e:
        raise ConfigurationError(
            f"{(e.strerror or 'It cannot be used').capitalize()}.",
            where=str(e.filename or out),
            cure="Name a file of NPPES that can be read, and with --out one in a folder that is"
            " there and may be written to.",
        ) from e


@contextlib.contextmanager
def _written(out: Path) -> Iterator[Writer]:
    """Rows of a file that is there whole, or as it was."""
    temporary = out.with_name(f"{out.name}.part")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as target:
            yield csv.writer(target, lineterminator="\n")
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _merge(file: Path, out: Path, known: set[str]) -> None:
    """Puts an increment into rows that were taken before."""
    from rich.progress import open as opened

    from chartloom.registry.directory import is_list_of_ended, merge_ended, merge_week, rows_held

    if not out.exists():
        raise ConfigurationError(
            "There is nothing to put an increment into.",
            where=str(out),
            cure="First take the rows of a full file: the same command without --increment.",
        )
    with out.open("r", encoding="utf-8-sig", newline="") as lines:
        header, held = rows_held(out.name, lines)
    with file.open("r", encoding="utf-8-sig", newline="") as lines:
        of_ended = is_list_of_ended([line for _, line in zip(range(5), lines, strict=False)])
    merge = merge_ended if of_ended else merge_week
    with opened(file, "r", encoding="utf-8-sig", newline="", description="Reading") as lines:
        merged = merge(header, held, file.name, lines, known)
    with _written(out) as writer:
        writer.writerow(merged.header)
        for row in merged.rows.values():
            writer.writerow([row.get(column, "") for column in merged.header])
    OUT.print(
        f"{merged.read:,} rows read: {merged.new} NPIs are new, {merged.changed} changed, "
        f"{merged.ended} deactivated; {len(merged.rows)} stand in {out}.",
        highlight=False,
    )
