"""A steward's word about the directory: fitting, on record, landed, and waited for."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Grant
from chartloom.domain.ports import Clock
from chartloom.guard.audit import Context, events
from chartloom.guard.authority import Authority
from chartloom.normalize.steward import arrival, directory_word, sayable
from chartloom.registry.directory import VALUES_DIFFER, DirectoryKind, Said, Word
from chartloom.serve.directory.book import UNKNOWN_CODES, Asked, Book
from chartloom.serve.directory.door import DirectoryDoor
from chartloom.serve.landed import settle


class Unfitting(ConfigurationError):
    """What was said does not fit the question, or the question is another by now."""


def speak(
    grant: Grant,
    authority: Authority,
    about: Context,
    door: DirectoryDoor,
    clock: Clock,
    book: Book,
    key: str,
    said: Said,
    *,
    by: str,
    text: str = "",
    until: str = "",
    note: str = "",
) -> Word:
    """Lands a word once it is on record. Raises ``Unfitting``.

    text: the value that is right, or by which number or row the record is known that it is.
    """
    asked, standing = book.find(key), book.said(key)
    if said is Said.WITHDRAW and standing is not None:
        word = Word(standing.about, said, by, clock.now_us(), note=note)
    elif asked is None or said is Said.WITHDRAW:
        raise Unfitting(
            "There is no such question, or nothing was said about it.",
            where=key,
            cure="`chartloom directory questions` and `chartloom directory said` list them.",
        )
    else:
        text = _checked(book, asked, said, text)
        seen = asked.question.seen if said is Said.KEEP else ""
        word = Word(asked.about, said, by, clock.now_us(), text, seen, until, note)
    # Of two words in one microsecond the later one counts.
    latest = max((w.said_us for w in book.words if w.about == word.about), default=-1)
    word = msgspec.structs.replace(word, said_us=max(word.said_us, latest + 1))
    if wrong := sayable(word):
        raise Unfitting(
            f"That cannot be said about this question ({wrong}).",
            where=key,
            cure="`chartloom directory decide --help` says what can be said about what.",
        )
    authority.record(events.directory_said(about, word.about.key, word.said.value, word.about.code))
    door.log.land([arrival(directory_word(word), "", word.said_us)])
    _settle(grant, door, word)
    return word


def until_of(today: str, days: int) -> str:
    """The day so many days after today."""
    return (date.fromisoformat(today) + timedelta(days=days)).isoformat()


def _checked(book: Book, asked: Asked, said: Said, text: str) -> str:
    """The text as it is landed: a value that is said, or the name of a record that there is."""
    question = asked.question
    if said is Said.KEEP and question.code == VALUES_DIFFER:
        record = book.holder(asked.about, question.id)
        value = record.attributes.get(question.attribute) if record else None
        if value is None or text not in {c.text for c in value.claims}:
            raise Unfitting(
                "No source says that value.",
                where=asked.about.key,
                cure="Keep one of those that the question shows, or correct a source's table.",
            )
    if said is Said.SAME and question.code in UNKNOWN_CODES:
        names = {text, f"|{text}"} if "|" not in text else {text}
        found = {g.members[0]: g for n in names if (g := book.holder(asked.about, n)) is not None}
        if not found:
            system, _, number = text.rpartition("|")
            one = book.directory.find(DirectoryKind(question.kind), system, number)
            found = {one.members[0]: one} if one is not None else {}
        if len(found) != 1:
            raise Unfitting(
                "No one record of the directory has that number.",
                where=asked.about.key,
                cure="Give an NPI, another number, or source|key, as `chartloom directory show` "
                "tells them.",
            )
        return next(iter(found))
    return text


def _settle(grant: Grant, door: DirectoryDoor, word: Word) -> None:
    """Waits until the word counts; it is landed, so that nothing is lost when it takes longer."""
    settle(lambda: word in door.words(grant), door.settle_s)
