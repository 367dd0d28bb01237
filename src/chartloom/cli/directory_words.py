"""``chartloom directory questions``, ``unresolved``, ``decide``, ``said``: what stewards do."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD

from chartloom.cli.look import JsonOption
from chartloom.cli.output import OUT, Table, print_json, when
from chartloom.cli.site import SiteOption
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.issues import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chartloom.registry.directory import Word
    from chartloom.serve.directory import DirectoryDoor
    from chartloom.serve.directory.book import Asked, Book
    from chartloom.wiring.desk import Desk

#: For how many days something is put off, unless it is told.
_DAYS = 30


class View(StrEnum):
    """Which questions."""

    OPEN = "open"
    LATER = "later"
    DECIDED = "decided"


class Answer(StrEnum):
    """What is said."""

    SAME = "same"
    DIFFERENT = "different"
    KEEP = "keep"
    IGNORE = "ignore"
    WITHDRAW = "withdraw"


def register(group: typer.Typer) -> None:
    """Adds the commands to the group ``directory``."""
    group.command(
        epilog="Examples:  chartloom directory questions  ·  chartloom directory questions --view"
        " later --json"
    )(questions)
    group.command(
        epilog="Examples:  chartloom directory unresolved  ·  chartloom directory unresolved --feed"
        " adt --json"
    )(unresolved)
    group.command(
        epilog="Examples:  chartloom directory decide 1160ddc3 same  ·  chartloom directory decide"
        " f15f5062 keep --value 555-0102  ·  chartloom directory decide 7f7f60ea same --record"
        " 1234567893  ·  chartloom directory decide 009aba17 ignore --until 2027-01-31"
    )(decide)
    group.command(epilog="Examples:  chartloom directory said  ·  chartloom directory said --json")(
        said
    )


@contextmanager
def _open(site: Path) -> Iterator[tuple[Desk, DirectoryDoor]]:
    from chartloom.project import load_project
    from chartloom.wiring.desk import open_desk
    from chartloom.wiring.doors import directory_door

    with open_desk(load_project(site)) as desk:
        yield desk, directory_door(desk.opened)


def _book(desk: Desk, door: DirectoryDoor, part: str) -> Book:
    from chartloom.serve import needs
    from chartloom.serve.directory.book import read_book

    now_us = desk.opened.clock.now_us()
    return desk.ask(needs.directory_questions(part), read_book, door, now_us)


def _book_of(site: Path, part: str) -> Book:
    """The directory; of a site that is not up by its tables alone."""
    from chartloom.cli.directory import is_up, tables_alone

    if not is_up(site):
        return tables_alone(site)
    with _open(site) as (desk, door):
        return _book(desk, door, part)


def questions(
    site: SiteOption = Path(),
    view: Annotated[View, typer.Option(help="Which questions.")] = View.OPEN,
    json: JsonOption = False,
) -> None:
    """What a steward has to look at: shared numbers, possible duplicates, values that differ."""
    from chartloom.serve.directory.book import UNKNOWN_CODES

    book = _book_of(site, "questions")
    found = [a for a in book.asked if a.state.value == view.value]
    if json:
        print_json([_as_json(a) for a in found])
        return
    if not book.directory.golden and not found:
        OUT.print("There is no directory yet. Begin with registry/directory/practitioners.csv;")
        OUT.print("its columns are in docs/howto/directory.md.")
        return
    own = [a for a in found if a.question.code not in UNKNOWN_CODES]
    if own:
        _print(own, book)
    elif view is View.OPEN:
        OUT.print(f"The tables leave nothing open in {len(book.directory.golden)} records.")
    if unknown := len(found) - len(own):
        OUT.print(f"{unknown} that messages name and nobody knows: chartloom directory unresolved")
    for code in sorted({a.question.code for a in own}):
        OUT.print(f"{code}: {CATALOGUE[code].cure}", markup=False)


def _print(found: Sequence[Asked], book: Book) -> None:
    from chartloom.serve.directory.shown import subject_of

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("Key", "What", "Of", "Attribute", "Where"):
        table.add_column(heading, overflow="fold")
    for a in found:
        q = a.question
        of = subject_of(a, [book.holder(a.about, item) for item in a.about.items])
        table.add_row(a.about.key[:8], q.code, of, q.attribute, ", ".join(q.where))
    OUT.print(table)


def unresolved(
    site: SiteOption = Path(),
    feed: Annotated[str, typer.Option(help="Only what the messages of this feed name.")] = "",
    json: JsonOption = False,
) -> None:
    """People, places and drugs that messages named and the tables do not know, by feed."""
    from chartloom.serve.directory.book import UNKNOWN_CODES
    from chartloom.serve.directory.shown import KIND_WORDS

    with _open(site) as (desk, door):
        book = _book(desk, door, "unresolved")
        found = [
            a
            for a in book.open()
            if a.question.code in UNKNOWN_CODES and (not feed or feed in {s.feed for s in a.seen})
        ]
        examples = _examples(desk, found)
    if json:
        print_json([_as_json(a, examples) for a in found])
        return
    if not found:
        OUT.print("Everybody, every place and every drug that messages named is known.")
        if not book.directory.kinds:
            OUT.print("There is no directory yet, so that nobody is missed in it.")
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("Key", "Kind", "Number", "Name", "Feed", "Messages", "Example"):
        table.add_column(heading, overflow="fold")
    for a in found:
        q = a.question
        for s in a.seen:
            at = str(s.last_position) if s.last_position in examples else ""
            kind = KIND_WORDS[q.kind]
            table.add_row(a.about.key[:8], kind, q.id, q.text, s.feed, f"{s.count:,}", at)
    OUT.print(table)


def _examples(desk: Desk, found: Sequence[Asked]) -> frozenset[int]:
    """Messages that may be named to the operator."""
    from chartloom.wiring.desk import message

    positions = sorted({s.last_position for a in found for s in a.seen})
    return desk.authority.listable(desk.principal, message(1).options, positions)


def decide(
    key: Annotated[str, typer.Argument(help="Of the question; 4 digits or more of it.")],
    answer: Annotated[Answer, typer.Argument(help="What you say.")],
    site: SiteOption = Path(),
    value: Annotated[str, typer.Option(help="For `keep`: which of the values is right.")] = "",
    record: Annotated[
        str, typer.Option(help="For `same` of an unknown number: whose it is (NPI, source|key).")
    ] = "",
    until: Annotated[str, typer.Option(help="For `ignore`: the day to ask again.")] = "",
    note: Annotated[str, typer.Option(help="Why, for those who come after.")] = "",
    json: JsonOption = False,
) -> None:
    """Answers a question. It lands as a message of the internal feed `steward`, is on record,
    counts at once, and survives a rebuild. `withdraw` takes back what was said.

    Shared numbers and possible duplicates: `same`, `different`. Values that differ: `keep`. Unknown
    numbers: `same` with --record. Everything: `ignore` until a day.
    """
    from chartloom.registry.directory import Said
    from chartloom.serve import needs
    from chartloom.serve.directory.saying import speak, until_of
    from chartloom.serve.directory.shown import said_words

    if bool(value) is not (answer is Answer.KEEP):
        raise ConfigurationError("A value goes with `keep`, and only with it.", cure="Add --value.")
    with _open(site) as (desk, door):
        permit = desk.permit(needs.DIRECTORY_WORD)
        grant, authority = permit.grant, desk.authority
        about = authority.context(desk.principal, permit.purpose, desk.asking, grant)
        book = _book(desk, door, "question")
        if answer is Answer.IGNORE and not until:
            until = until_of(book.today, _DAYS)
        by = authority.gatherer.who(desk.principal).actor
        word = speak(
            grant, authority, about, door, desk.opened.clock, book, key, Said(answer.value),
            by=by, text=value or record, until=until, note=note,
        )  # fmt: skip
    if json:
        print_json(_word_json(word))
        return
    OUT.print(f"{word.about.code}: you {said_words(word)}.", markup=False)
    OUT.print(f"To take it back: chartloom directory decide {word.about.key[:8]} withdraw")


def said(site: SiteOption = Path(), json: JsonOption = False) -> None:
    """Every word of stewards about the directory, by whom and when; the latest first."""
    from chartloom.serve.directory.book import short
    from chartloom.serve.directory.shown import said_words

    with _open(site) as (desk, door):
        book = _book(desk, door, "said")
    counts = set(book.directory.told.last.values())
    if json:
        print_json([{**_word_json(w), "counts": w in counts} for w in book.words])
        return
    if not book.words:
        OUT.print("Nobody said anything yet. See: chartloom directory questions")
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("When", "Who", "Key", "About", "Said", "Counts"):
        table.add_column(heading, overflow="fold")
    for w in book.words:
        about = f"{w.about.code}: {', '.join(map(short, w.about.items))}"
        text = f"{said_words(w)}. {w.note}" if w.note else said_words(w)
        state = "yes" if w in counts else ""
        table.add_row(when(w.said_us), w.by, w.about.key[:8], about, text, state)
    OUT.print(table)


def _word_json(word: Word) -> dict[str, Any]:
    about = word.about
    return {
        "key": about.key,
        "code": about.code,
        "kind": about.kind,
        "attribute": about.attribute,
        "items": about.items,
        "said": word.said,
        "text": word.text,
        "until": word.until,
        "by": word.by,
        "atUs": word.said_us,
        "note": word.note,
    }


def _as_json(asked: Asked, examples: frozenset[int] = frozenset()) -> dict[str, Any]:
    q = asked.question
    return {
        "key": asked.about.key,
        "code": q.code,
        "kind": q.kind,
        "id": q.id,
        "attribute": q.attribute,
        "items": q.items,
        "text": q.text,
        "where": q.where,
        "state": asked.state,
        "word": _word_json(asked.word) if asked.word else None,
        "seen": [
            {
                "feed": s.feed,
                "count": s.count,
                "example": s.last_position if s.last_position in examples else None,
            }
            for s in asked.seen
        ],
    }
