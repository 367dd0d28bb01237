"""``chartloom labels show``, ``set``, ``lift``: sensitivity labels corrected by people."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD

from chartloom.cli.output import ERR, OUT, Table, print_json, when
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from chartloom.domain.grant import Grant
    from chartloom.serve.labels import LabelDoor, Thing
    from chartloom.wiring.desk import Desk

_JSON = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
_PERSON = Annotated[str, typer.Argument(help="Record number, person id or source patient id.")]
_THING = Annotated[str, typer.Argument(help="Id of the resource, as `labels show` lists it.")]
_LABEL = Annotated[str, typer.Argument(help="PSY, ETH, HIV, SEX, SDV, VIP, EMP or R.")]
_REASON = Annotated[str, typer.Option(help="Why: a code; a wrong one lists those that fit.")]


def register(app: typer.Typer) -> None:
    """Adds the group ``labels``."""
    group = typer.Typer(no_args_is_help=True, help="Sensitivity labels: see and correct them.")
    app.add_typer(group, name="labels")
    group.command(
        epilog="Examples:  chartloom labels show  ·  chartloom labels show 123456 --json"
    )(show)
    group.command(
        "set", epilog="Example:  chartloom labels set 123456 ID HIV --reason rule-missed"
    )(set_)
    group.command(epilog="Example:  chartloom labels lift 123456 ID HIV --reason rule-wrong")(lift)


def _open(site: Path) -> AbstractContextManager[Desk]:
    from chartloom.project import load_project
    from chartloom.wiring.desk import open_desk

    return open_desk(load_project(site))


def show(
    person: Annotated[
        str, typer.Argument(help="Record number or id; without one, what waits for approval.")
    ] = "",
    site: SiteOption = Path(),
    json: _JSON = False,
) -> None:
    """What of a person is labeled and what was said about it; or what waits for a second person."""
    from chartloom.serve import needs
    from chartloom.serve.labels import things_of

    with _open(site) as desk:
        door = _door(desk)
        if not person:
            things = _waiting(desk, door)
        else:
            permit = desk.permit(needs.labels(_id(desk, person)))
            things = permit.run(things_of, door, permit.patients)
        if json:
            print_json(things)
            return
        if not things:
            OUT.print("Nothing waits for a second person.")
            return
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for heading in ("Id", "What", "Labels", "Said"):
            table.add_column(heading, no_wrap=heading == "Id")
        for t in things:
            labels = ", ".join(f"{x} (asked to lift)" if x in t.asked else x for x in t.labels)
            said = "; ".join(f"{w.said} {w.label} by {w.by} {when(w.event_us)}" for w in t.words)
            table.add_row(t.id, t.title, labels or "none", said)
        OUT.print(table)


def set_(
    person: _PERSON,
    thing: _THING,
    label: _LABEL,
    site: SiteOption = Path(),
    reason: _REASON = "",
) -> None:
    """Sets a label on something, or on the person (the id of their Patient). Counts at once."""
    _say(site, person, thing, label, "set", reason)


def lift(
    person: _PERSON,
    thing: _THING,
    label: _LABEL,
    site: SiteOption = Path(),
    reason: _REASON = "",
) -> None:
    """Asks to lift a label; or approves it, if somebody else asked before.

    It lands as a message of the internal feed `steward` and is on record.
    """
    _say(site, person, thing, label, "lift", reason)


def _say(site: Path, person: str, thing: str, label: str, said: str, reason: str) -> None:
    from chartloom.domain.label_words import REASONS, LabelSaid
    from chartloom.domain.labels import Label
    from chartloom.serve.labels import Outcome, said_of, speak

    if label not in list(Label):
        raise ConfigurationError(
            "There is no such label.", where="LABEL", cure=f"One of: {', '.join(Label)}."
        )
    saying = said_of(thing, label, said, reason)
    if saying is None:
        fitting = ", ".join(REASONS[LabelSaid(said)])
        raise ConfigurationError(
            "There is no such reason for this.", where="--reason", cure=f"One of: {fitting}."
        )
    with _open(site) as desk:
        desk.must_be_whole()
        outcome = speak(
            desk.authority, _door(desk), desk.opened.clock, desk.principal, desk.asking,
            _id(desk, person), saying,
        )  # fmt: skip
    OUT.print(
        {
            Outcome.SET: "Set.",
            Outcome.ASKED: "Asked for. The label stays until another person approves.",
            Outcome.LIFTED: "Lifted.",
            Outcome.NOTHING: "It stands so already, or you asked for it before.",
        }[outcome]
    )


def _door(desk: Desk) -> LabelDoor:
    from chartloom.wiring.doors import label_door

    return label_door(desk.opened)


def _id(desk: Desk, person: str) -> str:
    hits = desk.find(person)
    if len(hits) != 1:
        many = f"{len(hits)} persons are" if hits else "Nobody is"
        ERR.print(f"{many} found under that; name one by its id.")
        raise typer.Exit(1)
    return hits[0].person_id


def _waiting(desk: Desk, door: LabelDoor) -> list[Thing]:
    from chartloom.serve import needs
    from chartloom.serve.labels import thing_of, waiting

    options = needs.labels("").options

    def open_(patients: Sequence[str]) -> frozenset[str]:
        pairs = [(patient, patient) for patient in patients]
        return frozenset(p for p, _ in desk.authority.open_pairs(desk.principal, options, pairs))

    def read(grant: Grant) -> list[Thing]:
        states = door.charts.states(grant, [id for id, _ in found])
        return [t for t in map(thing_of, states.values()) if t.asked]

    found = waiting(desk.authority.gatherer.grant(), door, open_)
    return desk.ask(needs.labels_waiting(sorted({p for _, p in found})), read)
