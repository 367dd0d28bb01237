"""``chartloom identity queue``, ``show``, ``say``, ``history``: the review queue in a terminal."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD

from chartloom.cli.identity_ids import pair_named, short, whole_id
from chartloom.cli.identity_told import (
    as_json,
    asked,
    cell,
    print_held,
    print_others,
    print_words,
)
from chartloom.cli.output import ERR, OUT, Table, age, print_json, when
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from chartloom.domain.identity import Pair
    from chartloom.domain.message import Message
    from chartloom.domain.resource import FhirJson
    from chartloom.serve.identity.pairs import PairView
    from chartloom.wiring.desk import Desk

_JSON = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
_PAIR = Annotated[
    str, typer.Argument(help="ID~ID as the queue shows it, or one ID of a record turned over.")
]


class View(StrEnum):
    """Which reviews."""

    TODO = "todo"
    OPEN = "open"
    HALF = "half"
    DISPUTED = "disputed"
    CLOSED = "closed"


class Word(StrEnum):
    """What is said."""

    SAME = "same"
    DIFFERENT = "different"
    WITHDRAW = "withdraw"


def register(group: typer.Typer) -> None:
    """Adds the commands to the group ``identity``."""
    group.command(
        epilog="Examples:  chartloom identity queue  ·  chartloom identity queue --view half  ·"
        "  chartloom identity queue --reason twins-same-number --json"
    )(queue)
    group.command(epilog="Example:  chartloom identity show 62f65480~e1061a03")(show)
    group.command(
        epilog="Examples:  chartloom identity say 62f65480~e1061a03 same --reason document-seen"
        "  ·  chartloom identity say 62f65480~e1061a03 withdraw"
    )(say)
    group.command(epilog="Example:  chartloom identity history 123456")(history)


def _open(site: Path) -> AbstractContextManager[Desk]:
    from chartloom.project import load_project
    from chartloom.wiring.desk import open_desk

    return open_desk(load_project(site))


def queue(
    site: SiteOption = Path(),
    view: Annotated[View, typer.Option(help="Which reviews.")] = View.TODO,
    reason: Annotated[str, typer.Option(help="Only with this reason.")] = "",
    json: _JSON = False,
) -> None:
    """Pairs of records that somebody should look at, the heaviest first; nobody's names.

    Of several pairs of records of the same two persons the strongest stands for all.
    """
    from chartloom.serve import needs
    from chartloom.serve.identity.queue import Choice, listing

    with _open(site) as desk:
        choice = Choice(view.value, reason)
        store = desk.opened.store
        found = desk.ask(needs.identity_queue(), listing, store, choice, None, set, whole=True)
        now_us = desk.opened.clock.now_us()
        if json:
            print_json({"figures": found.figures, "reviews": [asked(r) for r in found.rows]})
            return
        f, people = found.figures, desk.opened.project.settings.identity.overlay_people
        OUT.print(
            f"{f.open_count:,} nobody looked at, {f.half_count:,} want a second person, "
            f"{f.disputed_count:,} disputed; the oldest since {age(f.oldest_us, now_us)}.",
            highlight=False,
        )
        if not found.rows:
            OUT.print("[green]Nothing like this waits.[/]")
            return
        table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for heading in ("Pair", "Reason", "Bits", "State", "Two", "More", "Since"):
            table.add_column(heading, no_wrap=heading != "Reason")
        for r in found.rows:
            one = r.pair[0] == r.pair[1]
            two = "yes" if r.two or (one and people > 1) else ""
            bits, more = "—" if one else f"{r.weight:.1f}", len(r.others)
            since = age(r.since_us, now_us)
            table.add_row(short(r.pair), r.reason, bits, r.state.value, two, str(more or ""), since)
        OUT.print(table)
        if any(r.others for r in found.rows):
            OUT.print("More: further pairs of the same two persons; a word counts for all of them.")
        if found.more:
            OUT.print("There are more; --reason shows those of one kind.")


def show(pair: _PAIR, site: SiteOption = Path(), json: _JSON = False) -> None:
    """Both records side by side, what speaks for one person, and what was said.

    What other people said stays hidden while the pair waits for you to look without knowing.
    """
    from chartloom.serve.identity.evidence_words import seen, why

    with _open(site) as desk:
        two = pair_named(desk, pair)
        view = _read(desk, two)
        if json:
            print_json(as_json(view))
            return
        OUT.print(f"[bold]{why(view.reason)[0]}[/]  {why(view.reason)[1]}", highlight=False)
        if view.review is not None:
            state = view.review.state.value + (", takes two people" if view.review.two else "")
            OUT.print(f"State: {state}", highlight=False)
        heads = ("Before", "After") if view.of_one_record else ("First", "Second")
        table = Table("", *heads, "", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for row in view.rows:
            table.add_row(row.title, cell(row.left), cell(row.right), row.state)
        OUT.print(table)
        if view.held is not None:
            print_held(view.held, desk.opened.project.settings.identity.overlay_people)
        print_others(desk, two)
        if view.decision is not None:
            OUT.print(f"{view.decision.weight:.1f} bits for one person:", highlight=False)
            for s in seen(view.decision, desk.opened.store.parameters):
                OUT.print(f"  {s.bits:+6.1f}  {s.sentence}", highlight=False, markup=False)
        print_words(view.words)
        if view.hidden:
            OUT.print(f"{view.hidden} looked at it; what was said is not shown yet.")


def say(
    pair: _PAIR,
    word: Annotated[Word, typer.Argument(help="Whether the two are one person.")],
    site: SiteOption = Path(),
    reason: Annotated[
        str, typer.Option(help="Why: a code; a wrong one lists those that fit.")
    ] = "",
    up_to: Annotated[
        int,
        typer.Option(help="Of a record turned over: the newest stopped message that `show` lists."),
    ] = 0,
) -> None:
    """Says that two records are (or are not) one person, or takes that back.

    It lands as a message of the internal feed `steward`, is on record, and counts at once. Records
    that were never compared can be joined here, too: name both with their whole ids. Of a record
    turned over, `same` is about what was stopped up to --up-to. It is applied once as many people
    said so as the site wants (`[identity] overlay_people`), and cannot be taken back after that.
    """
    from chartloom.serve import needs
    from chartloom.serve.identity import WORDS, IdentityDoor, reasons
    from chartloom.serve.identity.overlays import SHOWN_MAX
    from chartloom.serve.identity.saying import speak

    kind = WORDS[word.value]
    known = reasons()
    if reason and (reason not in known or kind not in known[reason].kinds):
        fitting = ", ".join(sorted(code for code, r in known.items() if kind in r.kinds))
        raise ConfigurationError(
            f"There is no reason {reason!r} for this.", where="--reason", cure=f"One of: {fitting}."
        )
    with _open(site) as desk:
        desk.must_be_whole()
        two, opened = pair_named(desk, pair), desk.opened
        if two[0] == two[1] and word is Word.SAME and up_to < 1:
            raise ConfigurationError(
                "It is not told which messages you looked at.",
                where="--up-to",
                cure="`chartloom identity show` lists them, with the number to give.",
            )
        permit = desk.permit(needs.identity_word(two))
        about = desk.authority.context(desk.principal, permit.purpose, desk.asking, permit.grant)
        door = IdentityDoor(
            opened.store,
            opened.store,
            lambda: opened.store.parameters,
            overlay_people=opened.project.settings.identity.overlay_people,
        )
        listed = list(opened.store.stopped(permit.grant, two[0]))[:SHOWN_MAX]
        looked = [p for p in listed if two[0] == two[1] and (not up_to or p <= up_to)]
        actor = desk.authority.gatherer.who(desk.principal).actor
        new = speak(
            permit.grant, desk.authority, about, door, opened.clock, two, kind, actor, reason,
            strangers=True, looked=looked,
        )  # fmt: skip
        review = opened.store.review(permit.grant, two)
        state = f" The review is {review.state.value}." if review else ""
        same = "You said nothing" if word is Word.WITHDRAW else "That is what you say already"
        OUT.print(f"{'Said' if new else same}.{state}", highlight=False)


def history(
    person: Annotated[
        str,
        typer.Argument(help="Record number, person id, or id of a record as the queue shows it."),
    ],
    site: SiteOption = Path(),
    json: _JSON = False,
) -> None:
    """Why the records of a person are one person, and how each came there."""
    from chartloom.serve import needs
    from chartloom.serve.identity.evidence_words import CAUSES, RULES
    from chartloom.serve.identity.history import read_history

    with _open(site) as desk:
        hits = desk.find(person) or desk.find(whole_id(desk, person))
        if len(hits) != 1:
            many = f"{len(hits)} persons are" if hits else "Nobody is"
            ERR.print(f"{many} found under that; name one by its id.")
            raise typer.Exit(1)
        permit = desk.permit(needs.identity_history(hits[0].person_id))
        actor = desk.authority.gatherer.who(desk.principal).actor
        found = permit.run(read_history, desk.opened.store, permit.patients, actor)
        if json:
            print_json(found)
            return
        OUT.print(f"{len(found.source_patients)} record(s):", highlight=False)
        for id in found.source_patients:
            OUT.print(f"  {id}", highlight=False)
        for joined in found.joined:
            if joined.word is not None:
                by = joined.word.by or "a source"
                why = f"{joined.word.kind.value}, said by {by}"
            elif joined.decision is not None:
                rule = joined.decision.rule
                why = f"{RULES.get(rule, rule)}, {joined.decision.weight:.1f} bits"
            else:
                continue
            OUT.print(f"{short(joined.pair)}: {why}", highlight=False, markup=False)
        table = Table("When", "Record", "Why", box=SIMPLE_HEAD, pad_edge=False)
        for m in found.memberships:
            table.add_row(when(m.at_us), m.source_patient[:8], CAUSES.get(m.cause, m.cause))
        OUT.print(table)
        print_words(found.words)


def _read(desk: Desk, pair: Pair) -> PairView:
    from chartloom.serve import needs
    from chartloom.serve.identity.pairs import read_pair

    opened, store = desk.opened, desk.opened.store

    def stated(message: Message) -> list[FhirJson]:
        """What a stopped message says; the mappings are compiled for that only."""
        feed, mapping = opened.load_mappings()[message.feed]
        derived = mapping.derive(message, feed, opened.guard.namespace)
        return [c.resource for c in derived.contributions]

    actor = desk.authority.gatherer.who(desk.principal).actor
    return desk.ask(
        needs.identity_pair(pair), read_pair, store, store, pair, actor, store.parameters,
        stated=stated, strangers=True,
    )  # fmt: skip


def train(site: Path, out: Path, name: str) -> None:
    """Writes the weights in force corrected by what people decided; puts nothing in force."""
    from chartloom.project.identity import MATCHING_FOLDER
    from chartloom.registry.persons import dump
    from chartloom.registry.persons.reviewed import PAIRS_MIN, relearn
    from chartloom.serve import needs
    from chartloom.serve.identity.labels import labelled

    if out.resolve().parent == (site / MATCHING_FOLDER).resolve():
        raise ConfigurationError(
            "A file there would be in force.",
            where=str(out),
            cure="Write it elsewhere, look at it, measure it with `chartloom identity evaluate`.",
        )
    with _open(site) as desk:
        start = desk.opened.store.parameters
        need = needs.identity_queue("training")
        pairs = desk.ask(need, labelled, desk.opened.store, start.fingerprint)
    try:
        found = relearn(pairs, start, name or f"{start.name}-reviewed")
    except ValueError:
        raise ConfigurationError(
            f"{len(pairs)} decided pairs teach nothing.",
            cure=f"It takes {PAIRS_MIN} or more, some of one person and some of two, decided with "
            "the parameters in force.",
        ) from None
    out.write_bytes(dump(found.parameters))
    ERR.print(
        f"{found.pairs:,} decided pairs, {found.same:,} of one person. Surprise on pairs held out: "
        f"{found.loss_after:.3f} bits a pair, {found.loss_before:.3f} before.",
        highlight=False,
    )
    table = Table("Field", "Level", "Before", "After", "Pairs", box=SIMPLE_HEAD, pad_edge=False)
    by_size = sorted(found.changes.items(), key=lambda c: -abs(c[1][1] - c[1][0]))
    for (field, level), (before, after, seen) in by_size[:12]:
        table.add_row(field, level, f"{before:+.1f}", f"{after:+.1f}", str(seen))
    ERR.print(table)
    if not found.better:
        ERR.print("They tell no better than those in force: keep these.", style="yellow")
    ERR.print(
        f"{out} is not in force. Put it into {MATCHING_FOLDER}/ of the site, then `rebuild`.",
        highlight=False,
    )
