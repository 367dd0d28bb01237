"""Golden records: whose value survives, attribute by attribute.

A function of the set of statements, rules and words of stewards: their order does not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from chartloom.registry.directory.grouping import Groups, member_of
from chartloom.registry.directory.issues import VALUES_DIFFER
from chartloom.registry.directory.model import (
    Claim,
    DirectoryKind,
    Golden,
    Identifier,
    Question,
    Statement,
    Value,
)
from chartloom.registry.directory.npi import NPI_SYSTEM
from chartloom.registry.directory.nppes import NPPES
from chartloom.registry.directory.words import NOTHING_TOLD, Told, Word, seen_of
from chartloom.registry.persons.folding import fold

RULES: Final = ("source", "newest", "longest")
#: The rule of a value that a steward chose; no table can name it.
STEWARD: Final = "steward"


class Rule(msgspec.Struct, frozen=True):
    """How a value survives. rule: ``source`` (first of ``sources`` that says it), ``newest`` or
    ``longest``; sources also settle ties."""

    rule: str
    sources: tuple[str, ...] = ()


#: (kind, attribute) -> rule; attribute ``*``: all others.
Rules = Mapping[tuple[DirectoryKind, str], Rule]
_DEFAULT: Final = Rule("newest")


def rule_of(rules: Rules, kind: DirectoryKind, attribute: str) -> Rule:
    """The rule for an attribute."""
    return rules.get((kind, attribute)) or rules.get((kind, "*")) or _DEFAULT


def golden_records(
    statements: Sequence[Statement], rules: Rules, told: Told = NOTHING_TOLD
) -> tuple[list[Golden], list[Question]]:
    """All golden records, by kind and id, and what a steward has to look at."""
    questions: list[Question] = []
    made: list[Golden] = []
    for kind in DirectoryKind:
        own = sorted(
            (s for s in statements if s.kind is kind), key=lambda s: (s.source, s.key, s.where)
        )
        groups = Groups(own, told)
        questions += groups.questions
        found = list(groups.statements())
        carried = Counter(n for group in found for n in {n for s in group for n in s.identifiers})
        shared = {n for n, count in carried.items() if count > 1 or n.startswith("|")}
        made += [_golden(kind, group, rules, told, questions, shared) for group in found]
    return made, sorted(set(questions))


def _golden(
    kind: DirectoryKind,
    group: Sequence[Statement],
    rules: Rules,
    told: Told,
    questions: list[Question],
    shared: set[Identifier],
) -> Golden:
    """shared: numbers by which no record can be told from another."""
    said_of = {n for s in group for n in (*s.identifiers, member_of(s))}
    numbers = {n for s in group for n in s.identifiers}
    if told.aliases:
        numbers |= {n for name in said_of for n in told.aliases.get((kind.value, name), ())}
    identifiers = tuple(sorted(numbers, key=_first_npi))
    unique = (n for n in identifiers if n not in shared)
    id = next(unique, member_of(group[0]))
    attributes: dict[str, Value] = {}
    for name in sorted({name for s in group for name in s.attributes}):
        said = [s for s in group if s.attributes.get(name)]
        if not said:
            continue
        kept = _kept(told, kind, name, said_of)
        value = _survivor(name, said, rule_of(rules, kind, name), kept)
        attributes[name] = value
        if value.unsure:
            where = tuple(sorted(s.where for s in said))
            seen = seen_of(s.attributes[name] for s in said)
            decided = value.rule == STEWARD and kept is not None and kept.seen == seen
            asked = Question(VALUES_DIFFER, kind.value, id, name, where, (id,), value.text, seen)
            questions.append(msgspec.structs.replace(asked, decided=decided))
    ended = [s.until for s in group if s.until]
    newest = max((s.at for s in group if not s.until), default="")
    active = not ended or newest > max(ended)
    members = tuple(sorted({member_of(s) for s in group}))
    npi_ended = max((s.until for s in group if s.source == NPPES), default="")
    return Golden(id, kind, identifiers, attributes, members, active, npi_ended)


def _first_npi(number: Identifier) -> tuple[bool, str]:
    return not number.startswith(NPI_SYSTEM), number


def _kept(told: Told, kind: DirectoryKind, name: str, items: set[Identifier]) -> Word | None:
    """What a steward chose for this attribute of this record; of several the latest."""
    if not told.kept:
        return None
    found = [told.kept[w] for i in items if (w := (kind.value, name, i)) in told.kept]
    return max(found, key=lambda w: (w.said_us, w.by, w.text), default=None)


def _survivor(name: str, said: Sequence[Statement], rule: Rule, kept: Word | None) -> Value:
    """Whose value survives, and whether nothing but the alphabet decided between different ones.

    What a steward chose survives for as long as a source says it.
    """

    def preference(s: Statement) -> tuple[int, int]:
        known = s.source in rule.sources
        return (known, -rule.sources.index(s.source) if known else 0)

    def rank(s: Statement) -> tuple[object, ...]:
        text = s.attributes[name]
        if rule.rule == "source":
            return (*preference(s), s.at)
        if rule.rule == "longest":
            return (len(text), *preference(s), s.at)
        return (s.at, *preference(s))

    in_order = sorted(said, key=lambda s: (rank(s), s.attributes[name], s.source), reverse=True)
    best = in_order[0]
    rivals = [s for s in said if rank(s) == rank(best)]
    unsure = any(not _same(s.attributes[name], best.attributes[name]) for s in rivals)
    chosen = [s for s in in_order if kept is not None and _same(s.attributes[name], kept.text)]
    by, said_us, word = "", 0, rule.rule
    if kept is not None and chosen:
        best, word, by, said_us = chosen[0], STEWARD, kept.by, kept.said_us
        unsure = unsure or any(not _same(s.attributes[name], kept.text) for s in said)
    text = best.attributes[name]
    rest = {(s.source, s.attributes[name]) for s in said if not _same(s.attributes[name], text)}
    claims = tuple(
        Claim(s.source, s.at, s.attributes[name], s.where, _same(s.attributes[name], text))
        for s in (best, *(s for s in in_order if s is not best))
    )
    others = tuple(sorted(rest))
    return Value(text, best.source, best.at, word, others, claims, by, said_us, unsure)


def _same(a: str, b: str) -> bool:
    return a == b or fold(a) == fold(b)
