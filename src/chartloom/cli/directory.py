"""``chartloom directory``: people and places, who said what of them, and what is to be settled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from chartloom.cli.look import JsonOption
from chartloom.cli.output import ERR, OUT, print_json
from chartloom.cli.site import SiteOption
from chartloom.domain.issues import CATALOGUE

if TYPE_CHECKING:
    from chartloom.registry.directory import Directory, Golden


def register(app: typer.Typer) -> None:
    """Adds the group ``directory``."""
    group = typer.Typer(
        name="directory",
        help="People and places of the hospital: golden records and what is to be settled.",
        no_args_is_help=True,
    )
    group.command(
        epilog="Examples:  chartloom directory show 1234567893  ·  chartloom directory show 4711"
        " --json"
    )(show)
    group.command(epilog="Example:  chartloom directory questions")(questions)
    group.command(epilog="Example:  chartloom directory unresolved")(unresolved)
    group.command(
        epilog="Example:  chartloom directory take npidata_pfile.csv --out"
        " registry/directory/nppes.csv"
    )(take)
    app.add_typer(group)


def _directory(site: Path) -> Directory:
    from chartloom.project import load_project
    from chartloom.project.directory import load_site_directory

    return load_site_directory(load_project(site))


def show(
    number: Annotated[str, typer.Argument(help="NPI, another number, or a part of a name.")],
    site: SiteOption = Path(),
    json: JsonOption = False,
) -> None:
    """One golden record: each value with who said it, by which rule, and what others said."""
    found = list(_matching(_directory(site), number))
    if json:
        print_json(found)
        return
    if not found:
        ERR.print("Nobody and no place is found under that in registry/directory/.")
        raise typer.Exit(1)
    for one in found[:20]:
        state = "" if one.active else ", ended"
        OUT.print(f"{one.kind.value} {_short(one.id)}{state}", style="bold", markup=False)
        table = Table("Attribute", "Value", "Said by", "Rule", "Others say", box=SIMPLE_HEAD)
        for name, value in one.attributes.items():
            others = "; ".join(f"{text} ({source})" for source, text in value.others)
            said = f"{value.source} {value.at}".rstrip()
            table.add_row(name, value.text, said, value.rule, others)
        OUT.print(table)
    if len(found) > 20:
        OUT.print(f"{len(found) - 20} more; say more of the name.")


def _matching(directory: Directory, text: str) -> list[Golden]:
    words = text.casefold().split()
    return [
        one
        for one in directory.golden
        if any(number.partition("|")[2] == text for number in (*one.identifiers, *one.members))
        or (
            words
            and all(
                any(word in one.text(a).casefold() for a in ("family", "given", "name"))
                for word in words
            )
        )
    ]


def questions(site: SiteOption = Path(), json: JsonOption = False) -> None:
    """What a steward has to look at: shared numbers, values that differ, loose ends."""
    directory = _directory(site)
    if json:
        print_json({"questions": directory.questions, "issues": directory.issues})
        return
    if not directory.golden:
        OUT.print("There is no directory yet. Begin with registry/directory/practitioners.csv;")
        OUT.print("its columns are in docs/howto/directory.md.")
        return
    if not directory.questions and not directory.issues:
        OUT.print(f"Nothing is to be settled in {len(directory.golden)} records.")
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("What", "Of", "Attribute", "Where"):
        table.add_column(heading, overflow="fold")
    for q in directory.questions:
        table.add_row(q.code, _short(q.id), q.attribute, ", ".join(q.where))
    for issue in directory.issues:
        table.add_row(issue.code, "", "", issue.location)
    OUT.print(table)
    for code in sorted({q.code for q in directory.questions} | {i.code for i in directory.issues}):
        OUT.print(f"{code}: {CATALOGUE[code].cure}", markup=False)


def _short(identifier: str) -> str:
    """Of an NPI, that it is one; of others, the number and the last part of their system."""
    system, _, number = identifier.partition("|")
    name = "NPI" if system.endswith("us-npi") else system.rpartition(":")[2]
    return f"{name} {number}".strip()


def unresolved(site: SiteOption = Path(), json: JsonOption = False) -> None:
    """People and places that messages named and the directory does not know."""
    from chartloom.project import load_project
    from chartloom.wiring import open_site
    from chartloom.wiring.known import named_in_messages

    directory = _directory(site)
    with open_site(load_project(site)) as opened:
        named = named_in_messages(opened)
    found = [
        {
            "type": r["resourceType"],
            "number": "|".join((i.get("system", ""), i.get("value", ""))),
            "id": r["id"],
        }
        for r in named
        if r["resourceType"] in ("Practitioner", "Organization", "Location")
        and not directory.resolves(r)
        for i in (*r.get("identifier", ()), {"value": str(r.get("name", ""))})[:1]
    ]
    if json:
        print_json(found)
        return
    if not directory.kinds:
        OUT.print("There is no directory yet, so that nobody is missed in it.")
        return
    table = Table("Kind", "Number or name", "Resource", box=SIMPLE_HEAD)
    for row in found:
        table.add_row(row["type"], row["number"], row["id"])
    OUT.print(table if found else "Everybody and every place that messages named is known.")


def take(
    file: Annotated[Path, typer.Argument(help="A file of NPPES (npidata_pfile_*.csv).")],
    out: Annotated[Path, typer.Option(help="Where the rows go.")],
    site: SiteOption = Path(),
) -> None:
    """From a file of NPPES (millions of rows) the rows of those whom the site's tables name."""
    from chartloom.registry.directory import NPI_SYSTEM, nppes_rows

    known = {
        number.partition("|")[2]
        for one in _directory(site).golden
        for number in one.identifiers
        if number.startswith(f"{NPI_SYSTEM}|")
    }
    if not known:
        ERR.print("No NPI stands in registry/directory/. Add some to practitioners.csv first.")
        raise typer.Exit(1)
    import csv

    from rich.progress import open as opened

    count = 0
    kept: set[str] = set()
    with opened(file, "r", encoding="utf-8-sig", newline="", description="Reading") as lines:
        rows = nppes_rows(file.name, lines)
        temporary = out.with_suffix(".part")
        with temporary.open("w", encoding="utf-8", newline="") as target:
            writer = None
            for _, row in rows:
                if writer is None:
                    writer = csv.DictWriter(target, list(row), lineterminator="\n")
                    writer.writeheader()
                count += 1
                if row["NPI"] in known:
                    kept.add(row["NPI"])
                    writer.writerow(row)
    temporary.replace(out)
    OUT.print(f"{len(kept)} of {len(known)} NPIs found in {count} rows; written to {out}.")
