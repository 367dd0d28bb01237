"""The directory in words and rows: rules, questions, changes, and the tree of places."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from chartloom.registry.directory import (
    DUPLICATE_POSSIBLE,
    LOCATION_UNRESOLVED,
    NPI_CHECK_DIGIT,
    NUMBER_SHARED,
    ORGANIZATION_UNRESOLVED,
    PART_UNKNOWN,
    PRACTITIONER_UNRESOLVED,
    STEWARD,
    VALUES_DIFFER,
    Directory,
    DirectoryKind,
    Golden,
    Rule,
    Said,
    Value,
    Word,
)
from chartloom.registry.formulary import CODE_UNRESOLVED
from chartloom.serve.directory.book import Asked, short, title_of

KINDS: Final = {
    DirectoryKind.PRACTITIONER: ("practitioners", "Practitioner", "Practitioners"),
    DirectoryKind.ORGANIZATION: ("organizations", "Organisation", "Organisations"),
    DirectoryKind.LOCATION: ("places", "Place", "Places"),
}
KIND_WORDS: Final = {
    "Practitioner": "practitioner", "Organization": "organisation", "Location": "place",
    "Drug": "drug",
}  # fmt: skip
ATTRIBUTES: Final = {
    "family": "Family name", "given": "Given name", "prefix": "Prefix", "suffix": "Suffix",
    "credential": "Credential", "taxonomy": "Specialty (NUCC)", "phone": "Telephone",
    "email": "E-mail", "organization": "Organisation", "department": "Department", "name": "Name",
    "kind": "Kind", "part_of": "Part of", "address": "Address", "facility": "Facility",
    "ward": "Ward", "room": "Room", "bed": "Bed", "npi": "NPI", "identifiers": "Numbers",
    "members": "Rows behind it", "active": "In force", "known": "Known from then on",
}  # fmt: skip
#: Of a question: its name, and what it asks.
ASKS: Final = {
    NUMBER_SHARED: (
        "One number, two names",
        "Several rows carry the same number, and their names have no word in common. Are they one?",
    ),
    DUPLICATE_POSSIBLE: (
        "Possible duplicate",
        "These records say the same of who or what they are, and share no number. Are they one?",
    ),
    VALUES_DIFFER: (
        "Sources differ",
        "No rule says which source is right. What you choose stands until a source says something "
        "new.",
    ),
    NPI_CHECK_DIGIT: (
        "NPI that cannot be",
        "The number does not fit its check digit, so it identifies nobody. Correct it in the table "
        "of its source; the question goes away by itself.",
    ),
    PART_UNKNOWN: (
        "Part of nothing",
        "It is part of something that is not in the directory, or of itself. Add the other, or "
        "correct the column part_of.",
    ),
    PRACTITIONER_UNRESOLVED: (
        "Unknown practitioner",
        "Messages name somebody by a number that the directory does not have. Whose is it?",
    ),
    ORGANIZATION_UNRESOLVED: (
        "Unknown organisation",
        "Messages name an organisation that the directory does not have. Which one is it?",
    ),
    LOCATION_UNRESOLVED: (
        "Unknown place",
        "Messages name a place that the directory does not have. Which one is it?",
    ),
    CODE_UNRESOLVED: (
        "Unknown drug code",
        "Messages give a drug by a code that the formulary should know and does not. Add it to "
        "registry/formulary/; the question goes away by itself.",
    ),
}  # fmt: skip
#: How long something is put off, in days.
PUT_OFF: Final = {7: "a week", 30: "a month", 90: "three months", 365: "a year"}

_TABLES: Final = {
    "Practitioner": ("practitioners.csv", "source,key,identifiers,family,given"),
    "Organization": ("organizations.csv", "source,key,identifiers,name"),
    "Location": ("locations.csv", "source,key,identifiers,ward,kind"),
}


def place_of(attribute: str) -> int:
    """Where an attribute stands among the others."""
    order = list(ATTRIBUTES)
    return order.index(attribute) if attribute in order else len(order)


def rule_words(rule: Rule, value: Value) -> str:
    """Why a value survived, in a sentence."""
    if value.rule == STEWARD:
        return "Chosen by a steward."
    order = ", then ".join(rule.sources)
    if rule.rule == "source":
        if value.source in rule.sources:
            return f"The first source of this order that says it: {order}."
        return f"None of the preferred sources ({order}) says it; of the others the newest."
    what = "The newest statement" if rule.rule == "newest" else "The longest text"
    return f"{what}; of equals the first of: {order}." if order else f"{what}."


def said_words(word: Word) -> str:
    """What a steward said, in a few words that follow a name."""
    if word.said is Said.KEEP:
        return f"kept \u201c{word.text}\u201d"
    if word.said is Said.IGNORE:
        return f"put it off until {word.until}"
    if word.said is Said.WITHDRAW:
        return "took back what was said"
    if word.said is Said.SAME:
        return f"said it is {short(word.text)}" if word.text else "said: the same"
    return "said: not the same"


def subject_of(asked: Asked, records: Sequence[Golden | None]) -> str:
    """Whom or what a question is about."""
    question = asked.question
    if question.code in (NUMBER_SHARED, DUPLICATE_POSSIBLE, VALUES_DIFFER, PART_UNKNOWN):
        names = dict.fromkeys(title_of(r) for r in records if r is not None)
        return " / ".join(names) or short(question.id)
    if question.code == NPI_CHECK_DIGIT:
        names = dict.fromkeys(title_of(r) for r in records if r is not None)
        return " / ".join(names) or short(question.id)
    return f"{question.text} ({short(question.id)})" if question.text else short(question.id)


def row_to_add(asked: Asked) -> tuple[str, str]:
    """The table to which something unknown could be added, and the row; "" if there is none."""
    question = asked.question
    system, _, value = question.id.partition("|")
    if question.code == CODE_UNRESOLVED:
        name = system.removeprefix("urn:id:")
        return "registry/formulary/products.csv", f"system,code,name\n{_csv(name, value, '')}"
    if question.kind not in _TABLES:
        return "", ""
    table, header = _TABLES[question.kind]
    number = question.id if system else ""
    if question.kind == "Practitioner":
        given, _, family = question.text.rpartition(" ")
        cells = _csv("feeds", value, number, family, given)
    elif question.kind == "Location":
        cells = _csv("feeds", value, number, value, "ward")
    else:
        cells = _csv("feeds", value, number, question.text)
    return f"registry/directory/{table}", f"{header}\n{cells}"


def _csv(*cells: str) -> str:
    quoted = (f'"{c.replace(chr(34), chr(34) * 2)}"' if set(c) & set(',"') else c for c in cells)
    return ",".join(quoted)


class Place(msgspec.Struct, frozen=True):
    """A place or organisation in the tree, with what is part of it."""

    record: Golden
    below: tuple[Place, ...] = ()

    @property
    def count(self) -> int:
        """How many are in it, itself left out."""
        return sum(1 + p.count for p in self.below)


def tree_of(directory: Directory, kind: DirectoryKind) -> tuple[Place, ...]:
    """The places of the hospital as a tree: what is part of nothing, or of itself, is on top."""
    own = [g for g in directory.golden if g.kind is kind]
    above = {g.id: path[1] for g in own if len(path := directory.path(g)) > 1}
    below: dict[str, list[Golden]] = {}
    for g in own:
        if g.id in above:
            below.setdefault(above[g.id].id, []).append(g)

    def place(record: Golden, seen: frozenset[str]) -> Place:
        inside = [b for b in below.get(record.id, ()) if b.id not in seen]
        return Place(record, tuple(place(b, seen | {b.id}) for b in _sorted(inside)))

    tops = [g for g in own if g.id not in above or _in_a_ring(directory, g)]
    return tuple(place(t, frozenset({t.id})) for t in _sorted(tops))


def _in_a_ring(directory: Directory, record: Golden) -> bool:
    """Whether following ``part_of`` leads back to it."""
    return len(directory.path(directory.path(record)[-1])) > 1


def _sorted(records: Iterable[Golden]) -> list[Golden]:
    return sorted(records, key=lambda g: (title_of(g).casefold(), g.id))
