"""``chartloom identity``: how good matching is, on any labelled file; training; made-up files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins

from chartloom.cli import identity_review
from chartloom.cli.output import ERR, OUT, Table, print_json
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from chartloom.registry.persons import Parameters, Told
    from chartloom.wiring.identity.evaluation import Evaluation

_FILE = Annotated[
    Path,
    typer.Argument(help="CSV with a line of names, or FHIR Patients: NDJSON, an array, a Bundle."),
]
_COLUMN = Annotated[
    list[str] | None,
    typer.Option(help="FIELD=NAME of a column that cannot be guessed, e.g. family=LNAME."),
]
_PARAMETERS = Annotated[
    Path | None, typer.Option(help="The matcher's parameters; the built-in ones otherwise.")
]


class Trainer(StrEnum):
    """Who estimates the weights."""

    OWN = "own"
    SPLINK = "splink"


def register(app: typer.Typer) -> None:
    """Adds the group ``identity``."""
    group = typer.Typer(
        name="identity",
        help="Who is one person: review pairs, measure and train the matcher.",
        no_args_is_help=True,
    )
    group.command(
        epilog="Examples:  chartloom identity evaluate labelled.csv  ·  chartloom identity evaluate"
        " patients.ndjson --truth truth.csv --report report.html  ·  chartloom identity evaluate"
        " patients.csv --pairs pairs.csv  ·  chartloom identity evaluate"
        " other.csv --column family=LNAME --learn --json"
    )(evaluate)
    group.command(
        epilog="Examples:  chartloom identity train patients.ndjson --out matcher.json  ·"
        "  chartloom identity train --reviewed --out matcher.json  ·"
        "  chartloom identity train patients.csv --trainer splink --out control.json"
    )(train)
    group.command(
        epilog="Example:  chartloom identity make labelled.ndjson --people 10000 --noise desk"
    )(make)
    group.command(epilog="Example:  chartloom identity records 1000000")(records)
    group.command(epilog="Example:  chartloom identity status")(status)
    identity_review.register(group)
    app.add_typer(group)


def evaluate(
    file: _FILE,
    truth: Annotated[
        Path | None, typer.Option(help="CSV of record id and person, if the file does not say.")
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="CSV of two record ids that are one person, if that is the truth."),
    ] = None,
    column: _COLUMN = None,
    parameters: _PARAMETERS = None,
    learn: Annotated[
        bool, typer.Option(help="First learn weights on the file itself, without its labels.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report with plots.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Precision, recall and errors of matching, against a file that knows the truth."""
    from chartloom.wiring.identity.evaluation import as_json, check_labels
    from chartloom.wiring.identity.evaluation import evaluate as run
    from chartloom.wiring.identity.labelled_file import read_standardised
    from chartloom.wiring.identity.page import page

    if truth is not None and pairs is not None:
        raise ConfigurationError(
            "There are two truths.", where="--pairs", cure="Give either --truth or --pairs."
        )
    with _progress(json) as told:
        rows, records = read_standardised(
            file, _columns(column), truth, pairs, lambda done: told("reading", done, 0)
        )
        check_labels(rows, str(file))
        known = _parameters(parameters)
        if learn:
            from chartloom.registry.persons.train import train as learned

            told("learning", 0, 0)
            known = learned(records, known, f"learned on {file.name}").parameters
        result = run(rows, known, records, told=told)
    if report is not None:
        report.write_text(page(result, f"Matching of {file.name}"), encoding="utf-8")
    if json:
        print_json(as_json(result))
        return
    _show(result)
    if report is not None:
        OUT.print(f"Plots and all classes of mistakes: {report}", highlight=False)


def train(
    out: Annotated[Path, typer.Option(help="Where to write the parameters.")],
    file: Annotated[
        Path | None, typer.Argument(help="CSV, or NDJSON of FHIR Patients, without labels.")
    ] = None,
    reviewed: Annotated[
        bool, typer.Option(help="Learn from the pairs that people decided at this site.")
    ] = False,
    site: SiteOption = Path(),
    column: _COLUMN = None,
    parameters: _PARAMETERS = None,
    name: Annotated[str, typer.Option(help="Name of the set.")] = "",
    trainer: Annotated[
        Trainer, typer.Option(help="Whose EM: ours, or Splink's on our fields and levels.")
    ] = Trainer.OWN,
) -> None:
    """Learns weights and the rarity of names from records without labels (EM), or corrects the
    weights in force by what people decided in the review queue (--reviewed).

    Nothing is in force until the file stands in the site folder as `registry/persons/*.json`.
    """
    if reviewed:
        identity_review.train(site, out, name)
        return
    if file is None:
        raise ConfigurationError(
            "There is nothing to learn from.", cure="Name a file, or use --reviewed."
        )
    from chartloom.registry.persons import dump
    from chartloom.registry.persons.train import train as learned
    from chartloom.wiring.identity.labelled_file import read_standardised
    from chartloom.wiring.identity.splink_training import train_with_splink

    _, records = read_standardised(file, _columns(column))
    learns = train_with_splink if trainer is Trainer.SPLINK else learned
    trained = learns(records, _parameters(parameters), name or file.stem)
    out.write_bytes(dump(trained.parameters))
    seen = sum(trained.pairs.values())
    ERR.print(f"{len(records):,} records, {seen:,} pairs; {out}", highlight=False)


def make(
    out: Annotated[Path, typer.Argument(help="NDJSON to write.")],
    people: Annotated[int, typer.Option(help="How many people.", min=10)] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same file.")] = 1,
    noise: Annotated[str, typer.Option(help="What goes wrong; see the documentation.")] = "desk",
) -> None:
    """Writes made-up records with the truth beside them."""
    from chartloom.domain.codec import encode
    from chartloom.simulate.identity import PROFILES, generate

    if noise not in PROFILES:
        raise ConfigurationError(
            f"There is no noise {noise!r}.", where="--noise", cure=f"One of: {', '.join(PROFILES)}."
        )
    count = 0
    with out.open("wb") as lines:
        for record in generate(seed, people, PROFILES[noise]):
            line = {
                "id": record.id,
                "person": record.person,
                "group": record.group,
                "tags": list(record.tags),
                "resource": record.patient,
            }
            lines.write(encode(line) + b"\n")
            count += 1
    ERR.print(f"{count:,} records of {people:,} people; {out}", highlight=False)


def records(
    count: Annotated[
        int, typer.Argument(help="About how many records of patients there are.", min=1_000)
    ],
    site: SiteOption = Path(),
) -> None:
    """Says how many records of patients there are, and with it how much has to agree before two
    are linked or reviewed.

    Decisions that were made before stay as they are until all of them are made anew.
    """
    from chartloom.project import load_project
    from chartloom.project.identity import declare_records, load_matching

    before = load_matching(load_project(site))
    declare_records(site, count)
    now = load_matching(load_project(site))
    ERR.print(
        f"Two who share no place, telephone or number are linked from {now.link + now.link_far:g} "
        f"bits on ({before.link + before.link_far:g} before), reviewed from "
        f"{now.review + now.review_far:g} on ({before.review + before.review_far:g}).",
        highlight=False,
    )
    if now.fingerprint != before.fingerprint:
        ERR.print("Restart the site, then run `chartloom replay`: all is decided anew.")


def status(
    site: SiteOption = Path(),
    json: Annotated[bool, typer.Option("--json", help="JSON for machines.")] = False,
) -> None:
    """How long the queue of reviews is, and how far records of before an upgrade are looked for by
    the keys of now."""
    from chartloom.project import load_project
    from chartloom.serve import needs
    from chartloom.wiring.desk import open_desk

    with open_desk(load_project(site)) as desk:
        figures = desk.ask(needs.identity_queue(), desk.opened.store.figures)
        keyed = desk.ask(needs.identity_queue(), desk.opened.store.rekeying)
    if json:
        stage = {"stage": keyed.stage} if keyed else {}
        print_json({"queue": to_builtins(figures), "keys": (to_builtins(keyed) or {}) | stage})
        return
    waiting = figures.open_count + figures.half_count + figures.disputed_count
    OUT.print(f"{figures.records:,} records; {waiting:,} reviews wait.", highlight=False)
    if keyed is not None:
        words = keyed.words
        OUT.print(f"{words[0].upper()}{words[1:]}.", highlight=False)


@contextmanager
def _progress(json: bool) -> Iterator[Told]:
    """A bar for each thing that is done; a total of 0 is not known."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=ERR, disable=json) as bar:

        def told(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total or None)
            bar.update(tasks[stage], completed=done, total=total or None)

        yield told


def _columns(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or []:
        field, equals, name = text.partition("=")
        if not equals:
            raise ConfigurationError(
                f"{text!r} is no FIELD=NAME.", where="--column", cure="For example family=LNAME."
            )
        found[field] = name
    return found


def _parameters(path: Path | None) -> Parameters:
    from chartloom.registry.persons import default_parameters, load

    if path is None:
        return default_parameters()
    if not path.exists():
        raise ConfigurationError("There is no such file.", where=str(path), cure="Check the path.")
    return load(path.read_bytes(), str(path))


def _show(result: Evaluation) -> None:
    from chartloom.wiring.identity.evaluation import VERDICTS

    r = result.report
    table = Table("", "precision", "recall", "F1", "wrong", "missed", title_justify="left")
    for name, score in (
        ("pairs linked by a decision", r.links),
        ("pairs within clusters", r.pairs),
        ("clusters that are one person", r.clusters),
    ):
        shares = [f"{x:.5f}" for x in (score.precision, score.recall, score.f1)]
        table.add_row(name, *shares, f"{score.wrong:,}", f"{score.missed:,}")
    OUT.print(table)
    OUT.print(
        f"{r.records:,} records of {r.persons:,} persons in {r.found:,} clusters; "
        f"{r.mixed:,} ({r.mixed_share:.3%}) hold more than one person.\n"
        f"{r.queue:,} reviews ({r.queue_share:.2%} of records), {r.queue_right:,} of them one "
        f"person; recall when all are answered: {r.reviewed:.5f}.\n"
        f"Parameters {result.parameters}; {result.seconds:.1f} s of CPU.",
        highlight=False,
    )
    for kind, groups in result.groups.items():
        head = ("records", "in a wrong cluster", "rate", "times the whole", "")
        rates = Table(f"by {kind}", *head, title_justify="left")
        for group, (records, wrong, rate) in groups.items():
            b = result.beside[kind][group]
            times = f"{b.ratio:.2f} ({b.low:.2f} to {b.high:.2f})"
            name = group or "not said"
            rates.add_row(
                name, f"{records:,}", f"{wrong:,}", f"{rate:.2%}", times, VERDICTS[b.verdict]
            )
        all_records, all_wrong, all_rate = result.whole
        rates.add_row("the whole", f"{all_records:,}", f"{all_wrong:,}", f"{all_rate:.2%}", "1", "")
        OUT.print(rates)
    if not any(result.classes.values()):
        OUT.print("No pair is wrong, missed or left to a review.")
        return
    mistakes = Table("mistake", "what was decided", "pairs")
    for kind, classes in result.classes.items():
        for why, n in list(classes.items())[:8]:
            mistakes.add_row(kind, why, f"{n:,}")
    OUT.print(mistakes)
