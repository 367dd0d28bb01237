"""What a golden record was on an earlier day, and what changed when.

Days are those from which sources say that it is so (``at``, ``until``), those on which stewards
spoke, and those on which tables were edited. What has no date holds for as long as tables say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from chartloom.registry.directory.grouping import member_of
from chartloom.registry.directory.load import Tables
from chartloom.registry.directory.model import Golden, Identifier, Statement
from chartloom.registry.directory.survive import golden_records
from chartloom.registry.directory.words import Word, told_by

#: Days that a history looks at; older ones are left out.
_DAYS_MAX: Final = 200


#: Tables as they were: (day from which on, what they say), the oldest first.
Versions = Sequence[tuple[str, Tables]]


class Change(msgspec.Struct, frozen=True):
    """What changed on a day. attribute: also ``identifiers``, ``members``, ``active``; ``known``:
    from then on it is known at all. source: who said so. rule: by which it survived. "" for a text
    that was not said, or is no more."""

    day: str
    attribute: str
    before: str
    after: str
    source: str = ""
    rule: str = ""
    by: str = ""


def day_of(us: int) -> str:
    """The day of a moment (UTC)."""
    return datetime.fromtimestamp(us / 1e6, UTC).date().isoformat()


def tables_on(versions: Versions, day: str) -> Tables:
    """The tables that were in force on a day; before there were any, the first."""
    return [t for i, (since, t) in enumerate(versions) if i == 0 or since <= day][-1]


def record_on(
    versions: Versions, words: Iterable[Word], record: Golden, day: str
) -> tuple[Golden | None, int]:
    """A golden record as it was on a day (ISO); with how many records there were of what is one
    today. ``None``: nobody spoke of it yet."""
    tables = tables_on(versions, day)
    return _on(_concerned(tables.statements, record), tables, list(words), record, day)


def changes_of(versions: Versions, words: Iterable[Word], record: Golden) -> list[Change]:
    """What changed in a golden record, latest first."""
    concerned = [(since, t, _concerned(t.statements, record)) for since, t in versions]
    every = [s for _, _, some in concerned for s in some]
    days = {d for s in every for d in (s.at, s.until) if d} | {since for since, _ in versions[1:]}
    names = {*record.identifiers, *record.members, *(n for s in every for n in s.identifiers)}
    own = [w for w in words if names.intersection((*w.about.items, w.text))]
    days |= {day_of(w.said_us) for w in own}
    found: list[Change] = []
    before, _ = _on(concerned[0][2], concerned[0][1], own, record, "")
    for day in sorted(days)[-_DAYS_MAX:]:
        _, tables, some = [c for i, c in enumerate(concerned) if i == 0 or c[0] <= day][-1]
        after, _ = _on(some, tables, own, record, day)
        found += _between(day, before, after)
        before = after
    return found[::-1]


def _concerned(statements: Sequence[Statement], record: Golden) -> list[Statement]:
    """The statements behind a record, and those that share a number with one of them."""
    names = {*record.identifiers, *record.members}
    of_kind = [s for s in statements if s.kind is record.kind]
    while True:
        found = [s for s in of_kind if member_of(s) in names or names.intersection(s.identifiers)]
        more = {n for s in found for n in (member_of(s), *s.identifiers)} - names
        if not more:
            return found
        names |= more


def _on(
    concerned: Sequence[Statement],
    tables: Tables,
    words: Sequence[Word],
    record: Golden,
    day: str,
) -> tuple[Golden | None, int]:
    then = [
        msgspec.structs.replace(s, until="") if s.until > day else s
        for s in concerned
        if s.at <= day
    ]
    told = told_by(w for w in words if day_of(w.said_us) <= day)
    golden, _ = golden_records(then, tables.rules, told)
    parts = [g for g in golden if set(g.members) & set(record.members)]
    # Of what was several, the one that carries the number by which it is known.
    main = next((g for g in parts if _carries(g, record.id)), parts[0] if parts else None)
    return main, len(parts)


def _carries(record: Golden, name: Identifier) -> bool:
    return name in record.identifiers or name in record.members


def _between(day: str, before: Golden | None, after: Golden | None) -> list[Change]:
    found: list[Change] = []
    if before is None:
        return [Change(day, "known", "", ", ".join(after.members))] if after else []
    old, new = before.attributes, after.attributes if after else {}
    for name in sorted({*old, *new}):
        was, is_ = old.get(name), new.get(name)
        if (was.text if was else "") != (is_.text if is_ else ""):
            found.append(
                Change(
                    day, name, was.text if was else "", is_.text if is_ else "",
                    is_.source if is_ else "", is_.rule if is_ else "", is_.by if is_ else "",
                )
            )  # fmt: skip
    for name, was_all, all_now in (
        ("identifiers", before.identifiers, after.identifiers if after else ()),
        ("members", before.members, after.members if after else ()),
    ):
        gone, come = set(was_all) - set(all_now), set(all_now) - set(was_all)
        if gone or come:
            found.append(Change(day, name, ", ".join(sorted(gone)), ", ".join(sorted(come))))
    if after and before.active is not after.active:
        words = ("ended", "in force")
        found.append(Change(day, "active", words[before.active], words[after.active]))
    return found
