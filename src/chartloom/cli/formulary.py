"""``chartloom formulary``: what a drug's code or name means here, and RxNorm's files loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec
import typer
from rich.text import Text

from chartloom.cli.output import ERR, OUT, Table, print_json
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from chartloom.domain.issues import Issue
    from chartloom.registry.formulary import Formulary

_JSON = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
_RECOGNISED = frozenset({"code", "name", "part"})
_FILES = ("RXNCONSO.RRF", "RXNREL.RRF", "RXNSAT.RRF")


def register(app: typer.Typer) -> None:
    """Adds the group ``formulary``."""
    group = typer.Typer(
        name="formulary",
        help="What a drug's code or name means in this site.",
        no_args_is_help=True,
    )
    group.command(
        epilog="Examples:  chartloom formulary check  ·  chartloom formulary check --json"
    )(check)
    group.command(
        epilog='Examples:  chartloom formulary show "Toprol-XL 100 mg"'
        "  ·  chartloom formulary show --code RXNORM:860975 --code NDC:50580-449-05"
    )(show)
    group.command(epilog="Example:  chartloom formulary load ~/rxnorm/rrf")(load)
    app.add_typer(group)


def check(site: SiteOption = Path(), json: _JSON = False) -> None:
    """Reads the site's formulary: how much is in it, and which rows refer to nothing."""
    formulary, issues = _read(site)
    counts = {
        "ingredients": len(formulary.ingredients),
        "products": len(formulary.drugs),
        "ndc": formulary.ndc_count,
        "fingerprint": formulary.fingerprint,
    }
    if json:
        print_json({**counts, "issues": issues})
    else:
        for name, value in counts.items():
            OUT.print(f"{name:12} {value}", highlight=False)
        for issue in issues:
            OUT.print(f"{issue.location}: {issue.code}", highlight=False, markup=False)
    if issues:
        raise typer.Exit(1)


def show(
    text: Annotated[str, typer.Argument(help="A drug as a source names it.")] = "",
    code: Annotated[
        list[str] | None, typer.Option(help="SYSTEM:CODE, e.g. RXNORM:860975 or NDC:50580-449-05.")
    ] = None,
    form: Annotated[str, typer.Option(help="Dose form, if given apart.")] = "",
    route: Annotated[str, typer.Option(help="Route, if given apart.")] = "",
    site: SiteOption = Path(),
    json: _JSON = False,
) -> None:
    """What the formulary makes of a drug: ingredients, strengths, form, route, class."""
    from chartloom.registry.formulary import key_of

    if not text and not code:
        raise ConfigurationError("There is nothing to look up.", cure="Give a name or --code.")
    formulary = _known(site)
    codes = [key_of(*c.rpartition(":")[::2]) for c in code or ()]
    drug = formulary.resolve(codes, text, form, route)
    unknown = formulary.unresolved(codes)
    if json:
        print_json({**msgspec.structs.asdict(drug), "unresolved": unknown})
        return
    if drug.known not in _RECOGNISED:
        _say_unknown(text, unknown or tuple(code or ()))
    table = Table(show_header=False, box=None)
    shown = {
        "ingredients": ", ".join(
            " ".join(p for p in (c.ingredient, c.salt, c.strength) if p) for c in drug.components
        ),
        **{k: v for k, v in msgspec.structs.asdict(drug).items() if k != "components"},
    }
    for name, value in shown.items():
        words = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        table.add_row(Text(name, style="bright_black"), Text(words or "-"))
    OUT.print(table)
    for one in unknown:
        ERR.print(f"The formulary does not know {one}.", markup=False)


def load(
    folder: Annotated[Path, typer.Argument(help="Folder `rrf` of an RxNorm release.")],
    site: SiteOption = Path(),
) -> None:
    """Makes tables of the site from RxNorm's release files (RRF): registry/formulary/*-rxnorm.csv.

    Tables of an earlier release are replaced; your own files beside them are not touched.
    """
    from chartloom.project import load_project
    from chartloom.project.reconciliation import FORMULARY_FOLDER, load_site_formulary
    from chartloom.registry.formulary.rxnorm import as_tables, read_rxnorm

    project = load_project(site)
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"There is no {missing[0]}.",
            where=str(folder),
            cure="Give the folder `rrf` of a full RxNorm release.",
        )
    tables = as_tables(read_rxnorm(*(_lines(folder / name) for name in _FILES)))
    target = project.folder / FORMULARY_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        (target / name).write_bytes(content)
        rows = content.count(b"\n") - 1
        OUT.print(f"{FORMULARY_FOLDER}/{name}: {rows:,} rows", highlight=False)
    _, issues = load_site_formulary(project)
    OUT.print(f"{len(issues)} row(s) refer to nothing; `chartloom formulary check` names them.")


def _lines(path: Path) -> Callable[[], Iterable[str]]:
    def lines() -> Iterable[str]:
        with path.open(encoding="utf-8", newline="\n") as file:
            yield from file

    return lines


def _known(site: Path) -> Formulary:
    """The site's formulary; outside a site the built-in one."""
    from chartloom.registry.formulary import builtin_formulary

    if site == Path() and not (site / "chartloom.toml").exists():
        return builtin_formulary()
    return _read(site)[0]


def _say_unknown(text: str, codes: Iterable[str]) -> NoReturn:
    for one in codes:
        ERR.print(f"The formulary does not know {one}.", markup=False)
    if text:
        ERR.print(f"No ingredient or brand is known in: {text}", markup=False, highlight=False)
    ERR.print(
        "Names of your own stand in registry/formulary/*.csv of the site; codes of RxNorm and NDC"
        " come with: chartloom formulary load",
        highlight=False,
    )
    raise typer.Exit(1)


def _read(site: Path) -> tuple[Formulary, list[Issue]]:
    from chartloom.project import load_project
    from chartloom.project.reconciliation import load_site_formulary

    return load_site_formulary(load_project(site))
