"""``chartloom directory``: people and places, who said what of them, and what is to be settled."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD

from chartloom.cli import directory_words, nppes
from chartloom.cli.look import JsonOption
from chartloom.cli.output import ERR, OUT, Table, print_json
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from chartloom.registry.directory import Golden, Versions
    from chartloom.serve.directory.book import Book


def register(app: typer.Typer) -> None:
    """Adds the group ``directory``."""
    group = typer.Typer(
        name="directory",
        help="People and places of the hospital: golden records and what is to be settled.",
        no_args_is_help=True,
    )
    group.command(
        epilog="Examples:  chartloom directory show 1234567893  ·  chartloom directory show okafor"
        " --at 2025-01-01  ·  chartloom directory show 4711 --json"
    )(show)
    group.command(
        epilog="Example:  chartloom directory history 1234567893",
    )(history)
    directory_words.register(group)
    group.command(
        epilog="Example:  chartloom directory take npidata_pfile.csv --out"
        " registry/directory/nppes.csv  ·  chartloom directory take npidata_pfile_week.csv"
        " --increment --out registry/directory/nppes.csv"
    )(nppes.take)
    app.add_typer(group)


def is_up(site: Path) -> bool:
    """Whether the store of a site answers; says what is left out if it does not."""
    from chartloom.project import load_project
    from chartloom.wiring.site import open_site

    project = load_project(site)
    if (project.key_dir / "site.json").exists():
        with suppress(StoreUnavailable, ConfigurationError), open_site(project) as opened:
            opened.store.directory_versions(opened.grant())
            return True
    ERR.print(
        "The site is not up: what stewards said, and what messages name, is left out.",
        style="yellow",
    )
    return False


def tables_alone(site: Path) -> Book:
    """The directory without what the store has of it."""
    import time

    from chartloom.project import load_project
    from chartloom.project.directory import site_tables
    from chartloom.project.reconciliation import load_site_formulary
    from chartloom.registry.directory import directory_of, load_tables
    from chartloom.serve.directory.book import Book

    project = load_project(site)
    tables = load_tables(site_tables(project))
    formulary, _ = load_site_formulary(project)
    now_us = time.time_ns() // 1000
    return Book([], tables, directory_of(tables), formulary, [], now_us)


def _book(site: Path) -> tuple[Book, Versions]:
    """The directory, and the tables as they were."""
    from chartloom.project import load_project
    from chartloom.serve import needs
    from chartloom.serve.directory.book import read_book
    from chartloom.wiring.desk import open_desk
    from chartloom.wiring.doors import directory_door

    if not is_up(site):
        book = tables_alone(site)
        return book, [(book.today, book.tables)]
    with open_desk(load_project(site)) as desk:
        door, now_us = directory_door(desk.opened), desk.opened.clock.now_us()
        book = desk.ask(needs.directory("record"), read_book, door, now_us)
        need = needs.directory("versions")
        return book, desk.ask(need, door.versions, book.tables, book.today)


def show(
    number: Annotated[str, typer.Argument(help="NPI, another number, or a part of a name.")],
    site: SiteOption = Path(),
    at: Annotated[str, typer.Option(help="As it was on this day: 2025-01-01.")] = "",
    json: JsonOption = False,
) -> None:
    """One golden record: each value with who said it, by which rule, and what others said."""
    from chartloom.registry.directory import record_on
    from chartloom.serve.directory.book import matching

    _check_day(at)
    book, versions = _book(site)
    found = matching(book.directory.golden, number)
    if at:
        then = (record_on(versions, book.words, one, at)[0] for one in found)
        found = [one for one in then if one is not None]
    if json:
        print_json(found)
        return
    _must_be_found(found)
    for one in found[:20]:
        _print(one)
    if len(found) > 20:
        OUT.print(f"{len(found) - 20} more; say more of the name.")


def _must_be_found(found: Sequence[Golden]) -> None:
    if not found:
        ERR.print("Nobody and no place is found under that in registry/directory/.")
        raise typer.Exit(1)


def _print(one: Golden) -> None:
    from chartloom.serve.directory.book import short

    state = "" if one.active else ", ended"
    OUT.print(f"{one.kind.value} {short(one.id)}{state}", style="bold", markup=False)
    table = Table("Attribute", "Value", "Said by", "Rule", "Others say", box=SIMPLE_HEAD)
    for name, value in one.attributes.items():
        others = "; ".join(f"{text} ({source})" for source, text in value.others)
        said = f"{value.source} {value.at}".rstrip()
        rule = f"{value.rule} {value.by}".rstrip()
        table.add_row(name, value.text, said, rule, others)
    OUT.print(table)


def history(
    number: Annotated[str, typer.Argument(help="NPI, another number, or a part of a name.")],
    site: SiteOption = Path(),
    json: JsonOption = False,
) -> None:
    """What changed in a golden record, by whom and from which day on; the latest first."""
    from chartloom.registry.directory import changes_of
    from chartloom.serve.directory.book import matching, title_of

    book, versions = _book(site)
    found = matching(book.directory.golden, number)
    changes = {one.id: changes_of(versions, book.words, one) for one in found[:20]}
    if json:
        print_json(changes)
        return
    _must_be_found(found)
    for one in found[:20]:
        OUT.print(title_of(one), style="bold", markup=False)
        table = Table("Day", "What", "Before", "From then on", "By", box=SIMPLE_HEAD)
        for c in changes[one.id]:
            table.add_row(c.day, c.attribute, c.before, c.after, c.by or c.source)
        OUT.print(table if changes[one.id] else "Nothing changed since it is known.")


def _check_day(text: str) -> None:
    from chartloom.registry.directory import is_day

    if text and not is_day(text):
        raise ConfigurationError("This is no date.", where=text, cure="Write it as 2026-11-22.")
