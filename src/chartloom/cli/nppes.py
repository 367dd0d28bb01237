"""``chartloom directory take``: of the register of NPIs, what the site needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chartloom.cli.output import ERR, OUT
from chartloom.cli.site import SiteOption


def take(
    file: Annotated[Path, typer.Argument(help="A file of NPPES (npidata_pfile_*.csv).")],
    out: Annotated[Path, typer.Option(help="Where the rows go.")],
    site: SiteOption = Path(),
) -> None:
    """From a file of NPPES (millions of rows) the rows of those whom the site's tables name."""
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
    import csv

    from rich.progress import open as opened

    rows = 0
    kept: set[str] = set()
    with opened(file, "r", encoding="utf-8-sig", newline="", description="Reading") as lines:
        temporary = out.with_suffix(".part")
        with temporary.open("w", encoding="utf-8", newline="") as target:
            writer = csv.writer(target, lineterminator="\n")
            for at, npi, cells in taken_rows(file.name, lines, known):
                rows = at
                if cells:
                    writer.writerow(cells)
                if npi:
                    kept.add(npi)
    temporary.replace(out)
    OUT.print(f"{len(kept)} of {len(known)} NPIs found in {rows:,} rows; written to {out}.")
