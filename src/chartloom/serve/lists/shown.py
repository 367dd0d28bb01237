"""A reconciled list as its page shows it: words for codes, sources as columns, decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from hashlib import blake2b
from typing import Final

import msgspec

from chartloom.chart.reconcile import (
    Fact,
    Line,
    ListKind,
    ReconciledList,
    Role,
    why,
)
from chartloom.domain.decisions import STATUSES
from chartloom.domain.feed import Feed
from chartloom.serve.lists.line_words import fact_words, line_words
from chartloom.serve.tracing import evidence_href

#: Columns of sources beside each other; what more there are stand in the last one.
COLUMNS_MAX: Final = 4
DAY_US: Final = 86_400_000_000
_ELEMENTS: Final = {
    "MedicationRequest": "medicationCodeableConcept|medicationReference",
    "MedicationStatement": "medicationCodeableConcept|medicationReference",
    "MedicationDispense": "medicationCodeableConcept|medicationReference",
    "MedicationAdministration": "medicationCodeableConcept|medicationReference",
    "Observation": "valueQuantity.value|value[x]|dataAbsentReason|extension",
    "ChargeItem": "reason",
    "DocumentReference": "content",
    "Composition": "section",
    "DiagnosticReport": "presentedForm",
}
#: Kind -> (what is said, its button, its key). Keys are letters of the button's word.
CHOICES: Final[dict[ListKind, tuple[tuple[str, str, str], ...]]] = {
    ListKind.MEDICATIONS: (
        ("taking", "Continue", "c"),
        ("stopped", "Stopped", "s"),
        ("on-hold", "On hold", "h"),
        ("not-taking", "Not taking", "n"),
        ("completed", "Completed", "d"),
        ("entered-in-error", "In error", "x"),
    ),
    ListKind.ALLERGIES: (
        ("confirmed", "Confirm", "c"),
        ("refuted", "Refuted", "r"),
        ("inactive", "Inactive", "i"),
        ("entered-in-error", "In error", "x"),
    ),
    ListKind.PROBLEMS: (
        ("confirmed", "Confirm", "c"),
        ("resolved", "Resolved", "s"),
        ("inactive", "Inactive", "i"),
        ("refuted", "Refuted", "r"),
        ("entered-in-error", "In error", "x"),
    ),
    ListKind.RESULTS: (),
}
SAID_WORDS: Final = {
    "taking": "to be continued",
    "stopped": "stopped",
    "on-hold": "on hold",
    "not-taking": "not taken",
    "completed": "completed",
    "confirmed": "confirmed",
    "refuted": "refuted",
    "inactive": "inactive",
    "resolved": "resolved",
    "entered-in-error": "entered in error",
}
#: Statuses of lines that are shown at first.
_CURRENT: Final = frozenset(("active", "on-hold", "unknown"))
STATUS_WORDS: Final = {
    "unknown": "To be checked",
    "on-hold": "On hold",
    "entered-in-error": "In error",
}
#: Reasons of what is inactive because it is said of the past.
_PAST: Final = frozenset(("history-of", "past-event"))
#: What is unknown, by how it stands: (its status in a word, heading, what to do about it).
STANDINGS: Final = {
    "unconfirmed": (
        "Unconfirmed",
        "To confirm",
        "Ordered or filled, but nothing shows lately that it is taken. Ask the patient.",
    ),
    "contradicted": (
        "Contradicted",
        "Sources contradict each other",
        "Stopped in one place, still ordered or filled in another. Ask before continuing.",
    ),
    "stale": (
        "Likely stale",
        "Likely stale, never marked as stopped",
        "Still open in a source, but not taken any more as it seems.",
    ),
    "noted": (
        "Only noted",
        "Only in the text of documents",
        "No order and no list names it.",
    ),
    "planned": ("Planned", "Proposed only", "Nobody has ordered it."),
}
_HEADINGS: Final = {
    "active": ("Active", ""),
    "on-hold": ("On hold", ""),
    "unknown": ("To be checked", ""),
}


class ShownFact(msgspec.Struct, frozen=True):
    """One row of a line's evidence."""

    fact: Fact
    source: str
    says: str
    href: str
    marked: bool = False  #: it is part of something that does not fit

    @property
    def words(self) -> tuple[str, ...]:
        """What it says beside its name."""
        return fact_words(self.fact)

    @property
    def day(self) -> str:
        """The date, where no time of day was said."""
        if self.fact.at_us % DAY_US:
            return ""
        told = self.fact.detail.get("onset" if self.fact.says != "resolved" else "abated", "")
        if 4 <= len(told) <= 10:
            return told
        days = self.fact.at_us // DAY_US
        return (date(1970, 1, 1) + timedelta(days)).isoformat() if 0 < days < 10**6 else ""


class ShownLine(msgspec.Struct, frozen=True):
    """One line with everything in words. row: its id on the page, which tells nothing."""

    line: Line
    row: str
    status: str
    reason: str
    because: tuple[str, ...]
    discrepancies: tuple[tuple[str, str], ...]
    cells: tuple[tuple[str, ...], ...]
    facts: tuple[ShownFact, ...]
    detail: str
    choices: tuple[tuple[str, str, str], ...]
    seen: str
    by: str

    @property
    def heading(self) -> tuple[str, str]:
        """(heading that it stands under, what that means) where a list has several."""
        if self.line.status == "unknown" and self.line.standing in STANDINGS:
            return STANDINGS[self.line.standing][1:]
        return _HEADINGS.get(self.line.status, ("Ended", ""))

    @property
    def current(self) -> bool:
        """Whether it is shown at first."""
        return self.line.status in _CURRENT

    @property
    def check(self) -> bool:
        """Whether somebody should look at it."""
        undecided = self.line.decided is None or self.line.decided.stale
        return undecided and (bool(self.line.discrepancies) or self.line.status == "unknown")


class ShownList(msgspec.Struct, frozen=True):
    """A list. sources: (name, what it is called) of its columns."""

    kind: ListKind
    lines: tuple[ShownLine, ...]
    columns: tuple[str, ...]
    rules: str
    formulary: str

    @property
    def current(self) -> tuple[ShownLine, ...]:
        """What holds, or may hold."""
        return tuple(line for line in self.lines if line.current)

    @property
    def grouped(self) -> bool:
        """Whether its lines stand under headings."""
        return self.kind is ListKind.MEDICATIONS

    @property
    def checks(self) -> tuple[ShownLine, ...]:
        """What somebody should look at."""
        return tuple(line for line in self.lines if line.check)


def shown(made: ReconciledList, feeds: Mapping[str, Feed], secret: str) -> ShownList:
    """A list for its page. secret: of the session, for ids of rows."""
    names = _columns(made.lines)
    called = {name: _called(name, number, feeds) for number, name in enumerate(names, 1)}
    columns = names[:COLUMNS_MAX] if len(names) > COLUMNS_MAX else names
    heads = [called[name] for name in columns]
    if len(names) > COLUMNS_MAX:
        columns = names[: COLUMNS_MAX - 1]
        heads = [*heads[: COLUMNS_MAX - 1], f"{len(names) - COLUMNS_MAX + 1} more sources"]
    lines = tuple(_line(made.kind, line, names, columns, called, secret) for line in made.lines)
    return ShownList(made.kind, lines, tuple(heads), made.rules, made.formulary)


def status_words(line: Line) -> str:
    """The status of a line in a word or two."""
    if line.status == "unknown" and line.standing in STANDINGS:
        return STANDINGS[line.standing][0]
    if line.status == "inactive" and line.reason in _PAST:
        return "History of"
    return STATUS_WORDS.get(line.status, line.status.replace("-", " ").capitalize())


def row_of(key: str, secret: str) -> str:
    """The id of a line's row: the same within a session, and no word of what the line is."""
    return f"line-{blake2b(key.encode(), key=secret.encode()[:64], digest_size=6).hexdigest()}"


def seen_of(line: Line, secret: str) -> str:
    """What a line said when somebody looked at it, as a fingerprint of the session."""
    facts = sorted(f"{f.resource_id}={f.says}" for f in line.facts)
    return row_of("\x1f".join((line.key, line.status, *facts)), secret)


def _columns(lines: Iterable[Line]) -> list[str]:
    """Sources, those that say most first."""
    counts: dict[str, int] = {}
    for line in lines:
        for source in line.sources:
            counts[source] = counts.get(source, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def _called(name: str, number: int, feeds: Mapping[str, Feed]) -> str:
    feed = feeds.get(name)
    if feed is not None:
        return f"{feed.department} ({name})" if feed.department else name
    return f"Record {number}" if name else "Source not known"


def _line(
    kind: ListKind,
    line: Line,
    names: Sequence[str],
    columns: Sequence[str],
    called: Mapping[str, str],
    secret: str,
) -> ShownLine:
    marked = {id for d in line.discrepancies for id in d.facts}
    facts = tuple(
        ShownFact(
            fact,
            called.get(fact.source) or fact.source,
            why(kind, Role.SAYS, fact.says),
            evidence_href(fact.resource_id, _ELEMENTS.get(fact.resource_type, "code")),
            fact.resource_id in marked,
        )
        for fact in line.facts
    )
    cells: list[tuple[str, ...]] = [
        (_cell(kind, line, name),) if name in line.sources else () for name in columns
    ]
    rest = [name for name in names if name not in columns]
    if rest:
        cells.append(
            tuple(f"{called[n]}: {_cell(kind, line, n)}" for n in rest if n in line.sources)
        )
    return ShownLine(
        line,
        row_of(line.key, secret),
        status_words(line),
        why(kind, Role.REASON, line.reason),
        tuple(why(kind, Role.BECAUSE, code) for code in line.because),
        tuple((d.code, why(kind, Role.DISCREPANCY, d.code)) for d in line.discrepancies),
        tuple(cells),
        facts,
        line_words(kind, line),
        tuple(c for c in CHOICES[kind] if _sensible(kind, line, c[0])),
        seen_of(line, secret),
        line.decided.by.removeprefix("user:") if line.decided else "",
    )


def _cell(kind: ListKind, line: Line, name: str) -> str:
    return why(kind, Role.SAYS, line.sources[name])


def _sensible(kind: ListKind, line: Line, said: str) -> bool:
    """What is decided already is not offered again."""
    decided = line.decided
    if decided is not None and not decided.stale and decided.said == said:
        return False
    if line.detail.get("substance") == "none":  # "no known allergies" is said, not refuted
        return said in ("confirmed", "inactive")
    return said in STATUSES[kind]
