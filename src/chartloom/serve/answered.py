"""Issues of a message that are answered by now: what it names is known to the directory since.

A message keeps its Issues, also when it is derived again: what it was judged by are the tables as
they were. What stewards said since is landed like any message, so that an answer stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.issues import Issue
from chartloom.domain.resource import Contribution
from chartloom.guard.facts import actor_of
from chartloom.guard.staff import Principal
from chartloom.normalize.resolving import UNRESOLVED
from chartloom.registry.directory import Said, Word
from chartloom.serve.console import Console

_KIND_OF: Final = {code: kind for kind, code in UNRESOLVED.items()}


class Answer(msgspec.Struct, frozen=True):
    """by: who said whose number it is, "" if the tables tell it by now; at_us: when, 0 then."""

    by: str = ""
    at_us: int = 0


def answers(
    grant: Grant, console: Console, contributions: Sequence[Contribution], issues: Sequence[Issue]
) -> dict[str, Answer]:
    """Code of an Issue -> how it is answered, of those to which nothing is left to answer."""
    door = console.doors.directory
    kinds = {_KIND_OF[i.code] for i in issues if i.code in _KIND_OF}
    if door is None or not kinds:
        return {}
    _, directory = door.directory(door.words(grant))
    found: dict[str, Answer] = {}
    for kind in sorted(kinds):
        named = [c.resource for c in contributions if c.directory and c.type == kind]
        if named and all(directory.resolves(resource) for resource in named):
            numbers = {
                f"{i.get('system', '')}|{i.get('value', '')}"
                for resource in named
                for i in resource.get("identifier", ())
            }
            said = [w for w in directory.told.last.values() if _is_about(w, kind, numbers)]
            last = max(said, key=lambda w: w.said_us, default=None)
            answer = Answer() if last is None else Answer(_name(console, last.by), last.said_us)
            found[UNRESOLVED[kind]] = answer
    return found


def _is_about(word: Word, kind: str, numbers: set[str]) -> bool:
    same = word.said is Said.SAME and word.about.code == UNRESOLVED[kind]
    return same and not numbers.isdisjoint(word.about.items)


def _name(console: Console, actor: str) -> str:
    staff = console.doors.staff().staff
    return next((m.name for m in staff if actor_of(Principal(m.subject)) == actor), actor)
