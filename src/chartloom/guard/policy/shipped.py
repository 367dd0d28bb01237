"""What a site's own policies lack of those that are shipped, or have as they were shipped before.

A folder `policies/` is the site's: nothing is ever added to it by itself. A policy is told apart by
its ``@id``, and compared without comments and spacing. ``shipped.csv`` names every text that was
ever shipped under a name, so that an older one is told from one that the site wrote.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from chartloom.guard.policy.policies import builtin_texts
from chartloom.guard.policy.split import Statement, statements

#: Text that counts as it is, and what does not count: comments and spacing.
_TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"|(?://[^\n]*|\s)+', re.DOTALL)
_NAME: Final = re.compile(r'@id\(\s*"((?:\\.|[^"\\])*)"\s*\)')


class Standing(StrEnum):
    """How a site's policy of one name stands to what is shipped under it."""

    SAME = "same"
    LACKING = "lacking"  #: shipped, and not in the site's folder
    OLDER = "older"  #: as it was shipped before
    CHANGED = "changed"  #: the site's own text under a shipped name
    DECLINED = "declined"  #: lacking or older, and the site has said that it shall be
    RETIRED = "retired"  #: was shipped once, and is not any more
    OWN = "own"  #: a name that was never shipped


#: What a site has to decide about.
TO_DECIDE: Final = frozenset({Standing.LACKING, Standing.OLDER, Standing.RETIRED})


class Compared(msgspec.Struct, frozen=True):
    """One policy. file, line: where the site has it, else where it would be. theirs, ours: texts of
    the site and as shipped, ``""`` for none. digest: of what is shipped, else of the site's."""

    name: str
    standing: Standing
    file: str
    line: int = 0
    theirs: str = ""
    ours: str = ""
    digest: str = ""

    def diff(self) -> str:
        """What adopting the shipped one would change, as a unified diff."""
        lines = difflib.unified_diff(
            self.theirs.splitlines(),
            self.ours.splitlines(),
            f"{self.file} (this site)",
            f"{self.file} (shipped)",
            lineterm="",
        )
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """The same in a few words."""
        lines = self.diff().splitlines()[2:]
        return f"+{sum(x[0] == '+' for x in lines)} -{sum(x[0] == '-' for x in lines)} lines"


def digest(text: str) -> str:
    """Tells a policy's text from others, whatever its comments and spacing."""
    kept = _TOKEN.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    return hashlib.sha256(kept.strip().encode()).hexdigest()[:16]


def name_of(statement: Statement) -> str:
    """A policy's ``@id``; "" if it has none."""
    found = _NAME.search(statement.text)
    return found[1] if found else ""


@cache
def ever_shipped() -> dict[str, tuple[str, ...]]:
    """Name -> digests of all texts that were shipped under it, the newest last."""
    found: dict[str, tuple[str, ...]] = {}
    text = (resources.files("chartloom.guard.policy") / "shipped.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(io.StringIO(text)):
        found[row["name"]] = (*found.get(row["name"], ()), row["digest"])
    return found


@cache
def shipped() -> dict[str, Statement]:
    """The policies that a new site begins with, by name, with the comments before them."""
    return {
        name_of(statement): msgspec.structs.replace(statement, text=with_comments(text, statement))
        for file, text in builtin_texts().items()
        for statement in statements(file, text)
    }


def with_comments(text: str, statement: Statement) -> str:
    """A statement of a file with the lines of comment directly before it."""
    lines = text.splitlines()
    first = statement.line - 1
    while first > 0 and lines[first - 1].startswith("//"):
        first -= 1
    before = "\n".join(lines[first : statement.line - 1])
    return f"{before}\n{statement.text}" if before else statement.text


def compare(texts: Mapping[str, str], declined: Mapping[str, str] | None = None) -> list[Compared]:
    """Every policy of a site's files (name -> text) and of those shipped, by name.

    declined: name -> digest of the shipped text that the site does not want.
    """
    mine = {
        name: msgspec.structs.replace(statement, text=with_comments(texts[file], statement))
        for file in sorted(texts)
        for statement in statements(file, texts[file])
        if (name := name_of(statement))
    }
    names = sorted(mine.keys() | shipped().keys())
    return [_compared(name, mine.get(name), declined or {}) for name in names]


def _compared(name: str, site: Statement | None, declined: Mapping[str, str]) -> Compared:
    ours = shipped().get(name)
    where = site or ours
    assert where is not None
    mark = digest(ours.text if ours else where.text)
    standing = _standing(name, site, ours)
    if standing in TO_DECIDE and declined.get(name) == mark:
        standing = Standing.DECLINED
    return Compared(
        name,
        standing,
        where.file,
        site.line if site else 0,
        site.text if site else "",
        ours.text if ours else "",
        mark,
    )


def _standing(name: str, site: Statement | None, ours: Statement | None) -> Standing:
    if site is None:
        return Standing.LACKING
    known = digest(site.text) in ever_shipped().get(name, ())
    if ours is None:
        return Standing.RETIRED if known else Standing.OWN
    if digest(site.text) == digest(ours.text):
        return Standing.SAME
    return Standing.OLDER if known else Standing.CHANGED
