"""Golden records: which statements are about one, and whose value survives, attribute by attribute.

A function of the set of statements and rules: their order does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from chartloom.registry.directory.issues import NUMBER_SHARED, VALUES_DIFFER
from chartloom.registry.directory.model import (
    DirectoryKind,
    Golden,
    Identifier,
    Question,
    Statement,
    Value,
)
from chartloom.registry.directory.npi import NPI_SYSTEM
from chartloom.registry.persons.folding import fold

RULES: Final = ("source", "newest", "longest")


class Rule(msgspec.Struct, frozen=True):
    """How a value survives. rule: ``source`` (first of ``sources`` that says it), ``newest`` or
    ``longest``; sources also settle ties."""

    rule: str
    sources: tuple[str, ...] = ()


#: (kind, attribute) -> rule; attribute ``*``: all others.
Rules = Mapping[tuple[DirectoryKind, str], Rule]
_DEFAULT: Final = Rule("newest")


def golden_records(
    statements: Sequence[Statement], rules: Rules
) -> tuple[list[Golden], list[Question]]:
    """All golden records, by kind and id, and what a steward has to look at."""
    questions: list[Question] = []
    made: list[Golden] = []
    for kind in DirectoryKind:
        own = sorted(
            (s for s in statements if s.kind is kind), key=lambda s: (s.source, s.key, s.where)
        )
        made += [_golden(kind, group, rules, questions) for group in _groups(own, questions)]
    return made, sorted(set(questions))


def _groups(own: Sequence[Statement], questions: list[Question]) -> list[list[Statement]]:
    """Statements that share an identifier, unless their names are those of two people."""
    root = list(range(len(own)))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = root[i]
        return i

    members: dict[int, list[int]] = {i: [i] for i in root}
    carriers: dict[Identifier, list[int]] = {}
    for i, statement in enumerate(own):
        for number in (*statement.identifiers, f"{statement.source}|{statement.key}"):
            carriers.setdefault(number, []).append(i)
    for number in sorted(carriers):
        heads: list[int] = []  # groups that carry the number and are strangers to each other
        for i in carriers[number]:
            mine = find(i)
            if mine in heads:
                continue
            kin = next((h for h in heads if not _apart(own, members[h], members[mine])), None)
            if kin is None:
                heads.append(mine)
                continue
            one, two = sorted((kin, mine))
            root[two] = one
            members[one] += members.pop(two)
            heads[heads.index(kin)] = one
        if len(heads) > 1:
            carried = [i for h in heads for i in members[h] if i in carriers[number]]
            where = tuple(sorted(own[i].where for i in carried))
            questions.append(Question(NUMBER_SHARED, own[0].kind.value, number, "", where))
    return [[own[i] for i in sorted(members[r])] for r in sorted(members)]


def _apart(own: Sequence[Statement], one: Sequence[int], other: Sequence[int]) -> bool:
    return any(_strangers(own[a], own[b]) for a in one for b in other)


def _strangers(a: Statement, b: Statement) -> bool:
    """Whether two statements are surely about two people: no word of their names in common."""
    if a.kind is not DirectoryKind.PRACTITIONER:
        return False
    one, other = _words(a), _words(b)
    return bool(one) and bool(other) and not one & other


def _words(s: Statement) -> set[str]:
    text = f"{s.attributes.get('family', '')} {s.attributes.get('given', '')}"
    return {w for w in fold(text).split() if len(w) > 1}


def _golden(
    kind: DirectoryKind, group: Sequence[Statement], rules: Rules, questions: list[Question]
) -> Golden:
    identifiers = tuple(sorted({n for s in group for n in s.identifiers}, key=_first_npi))
    id = identifiers[0] if identifiers else f"{group[0].source}|{group[0].key}"
    attributes: dict[str, Value] = {}
    for name in sorted({name for s in group for name in s.attributes}):
        said = [s for s in group if s.attributes.get(name)]
        if said:
            rule = rules.get((kind, name)) or rules.get((kind, "*")) or _DEFAULT
            attributes[name], unsure = _survivor(name, said, rule)
            if unsure:
                where = tuple(sorted(s.where for s in said))
                questions.append(Question(VALUES_DIFFER, kind.value, id, name, where))
    ended = [s.until for s in group if s.until]
    newest = max((s.at for s in group if not s.until), default="")
    active = not ended or newest > max(ended)
    members = tuple(sorted(f"{s.source}|{s.key}" for s in group))
    return Golden(id, kind, identifiers, attributes, members, active)


def _first_npi(number: Identifier) -> tuple[bool, str]:
    return not number.startswith(NPI_SYSTEM), number


def _survivor(name: str, said: Sequence[Statement], rule: Rule) -> tuple[Value, bool]:
    """Whose value survives, and whether nothing but the alphabet decided between different ones."""

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

    best = max(said, key=lambda s: (rank(s), s.attributes[name], s.source))
    text = best.attributes[name]
    rest = {(s.source, s.attributes[name]) for s in said if not _same(s.attributes[name], text)}
    rivals = [s for s in said if rank(s) == rank(best)]
    unsure = any(not _same(s.attributes[name], text) for s in rivals)
    return Value(text, best.source, best.at, rule.rule, tuple(sorted(rest))), unsure


def _same(a: str, b: str) -> bool:
    return a == b or fold(a) == fold(b)
