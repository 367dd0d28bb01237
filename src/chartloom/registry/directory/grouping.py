"""Which statements are about one person or place, and which may be.

A function of the set of statements and of what stewards said: their order does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, islice
from typing import Final

import msgspec

from chartloom.registry.directory.issues import DUPLICATE_POSSIBLE, NUMBER_SHARED
from chartloom.registry.directory.model import DirectoryKind, Identifier, Question, Statement
from chartloom.registry.directory.npi import NPI_SYSTEM
from chartloom.registry.directory.words import ITEMS_MAX, NOTHING_TOLD, Told
from chartloom.registry.persons.folding import fold

#: Records of one name that are asked about pair by pair; more are namesakes, or a name of no use.
_ALIKE_MAX: Final = 5
#: Names under which one number may stand. One that more have is a filler, and tells of nobody.
_NAMES_MAX: Final = ITEMS_MAX


def member_of(s: Statement) -> Identifier:
    """What a statement is known by whatever it says: its source and the key there."""
    return f"{s.source}|{s.key}"


class _Name(msgspec.Struct, frozen=True):
    """What tells statements of one number apart: words of the name, of the family name, NPIs."""

    person: bool
    words: frozenset[str]
    family: frozenset[str]
    npis: frozenset[Identifier]


class Groups:
    """The groups of statements of one kind. own: sorted by source, key and place."""

    def __init__(self, own: Sequence[Statement], told: Told = NOTHING_TOLD) -> None:
        self._own, self._told = own, told
        self.questions: list[Question] = []
        self._root = list(range(len(own)))
        self._members: dict[int, list[int]] = {i: [i] for i in self._root}
        self._name = [_name_of(statement) for statement in own]
        #: The names within each group: of a thousand statements there are few.
        self._named: dict[int, set[_Name]] = {i: {self._name[i]} for i in self._root}
        #: Groups that a steward put together, although their names have nothing in common.
        self._told_one: set[int] = set()
        self._carriers: dict[Identifier, list[int]] = {}
        for i, statement in enumerate(own):
            for number in (*map(_scoped(statement), statement.identifiers), member_of(statement)):
                self._carriers.setdefault(number, []).append(i)
        self._join_told()
        for number in sorted(self._carriers):
            self._join_carriers(number)
        self._ask_namesakes()

    def statements(self) -> Iterator[list[Statement]]:
        """The statements of each group."""
        for root in sorted(self._members):
            yield [self._own[i] for i in sorted(self._members[root])]

    def _find(self, i: int) -> int:
        while self._root[i] != i:
            self._root[i] = self._root[self._root[i]]
            i = self._root[i]
        return i

    def _join(self, a: int, b: int) -> int:
        one, two = sorted((a, b))
        self._root[two] = one
        self._members[one] += self._members.pop(two)
        self._named[one] |= self._named.pop(two)
        if two in self._told_one:
            self._told_one.add(one)
        return one

    def _join_told(self) -> None:
        """What stewards said comes first; where two words contradict, nobody is joined."""
        kind = self._own[0].kind.value if self._own else ""
        for about, items in self._told.together:
            if about != kind:
                continue
            found = [self._carriers[item] for item in items if item in self._carriers]
            heads = sorted({self._find(i) for some in found for i in some})
            for head in heads[1:]:
                one, two = self._find(heads[0]), self._find(head)
                if one != two and not self._parted(one, two):
                    self._told_one.add(self._join(one, two))

    def _join_carriers(self, number: Identifier) -> None:
        by_name = {self._name[i]: i for i in reversed(self._carriers[number])}
        if len(by_name) > _NAMES_MAX:
            some = sorted(islice(sorted(by_name.values()), _NAMES_MAX))
            items = [member_of(self._own[i]) for i in some]
            where = [self._own[i].where for i in some]
            self._ask(NUMBER_SHARED, number, where, items, sorted({*map(self._find, some)}))
            return
        heads: list[int] = []  # groups that carry the number and are strangers to each other
        for i in self._carriers[number]:
            mine = self._find(i)
            if mine in heads:
                continue
            kin = next((h for h in heads if not self._apart(h, mine)), None)
            if kin is None:
                heads.append(mine)
                continue
            heads[heads.index(kin)] = self._join(kin, mine)
        if len(heads) > 1:
            carried = {i for h in heads for i in self._members[h] if i in self._carriers[number]}
            where = sorted(self._own[i].where for i in carried)
            items = [member_of(self._own[min(set(self._members[h]) & carried)]) for h in heads]
            self._ask(NUMBER_SHARED, number, where, items, heads)

    def _ask_namesakes(self) -> None:
        """Records that say the same of who or what they are, and share no number."""
        alike: dict[str, list[int]] = {}
        for head in sorted(self._members):
            for name in sorted({_same_name(self._own[i]) for i in self._members[head]} - {""}):
                alike.setdefault(name, []).append(head)
        asked: set[tuple[int, int]] = set()
        for heads in alike.values():
            if 1 < len(heads) <= _ALIKE_MAX:
                asked.update(combinations(heads, 2))
        for a, b in sorted(asked):
            if not self._two_npis(a, b):
                first, second = (self._own[min(self._members[h])] for h in (a, b))
                items = [member_of(first), member_of(second)]
                where = sorted((first.where, second.where))
                self._ask(DUPLICATE_POSSIBLE, items[0], where, items, [a, b])

    def _ask(
        self,
        code: str,
        id: Identifier,
        where: Sequence[str],
        items: Sequence[Identifier],
        heads: Sequence[int],
    ) -> None:
        decided = all(self._parted(a, b) for a, b in combinations(heads, 2))
        kind = self._own[0].kind.value
        text = id if code == NUMBER_SHARED else ""
        named = tuple(sorted(items))
        asked = Question(code, kind, id, "", tuple(where), named, text, decided=decided)
        self.questions.append(asked)

    def _names(self, head: int) -> list[Identifier]:
        return [member_of(self._own[i]) for i in self._members[head]]

    def _parted(self, a: int, b: int) -> bool:
        told, kind = self._told, self._own[0].kind.value
        return bool(told.apart) and told.parted(kind, self._names(a), self._names(b))

    def _apart(self, a: int, b: int) -> bool:
        if self._parted(a, b):
            return True
        one, two = self._named[a], self._named[b]
        if self._told_one & {a, b}:  # among them are several names of one
            words = [frozenset().union(*(n.words for n in names)) for names in (one, two)]
            return _strangers(*words)
        return any(_differ(x, y) for x in one for y in two)

    def _two_npis(self, a: int, b: int) -> bool:
        one, two = (
            {n for i in self._members[h] for n in self._own[i].identifiers if _is_npi(n)}
            for h in (a, b)
        )
        return bool(one) and bool(two)


def _is_npi(number: Identifier) -> bool:
    return number.startswith(f"{NPI_SYSTEM}|")


def _strangers(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether names are surely those of two people: no word in common."""
    return bool(one) and bool(other) and not one & other


def _differ(one: _Name, other: _Name) -> bool:
    """Whether a number in common does not make them one.

    Who marries keeps the NPI and the given name; any other number is some system's own, and goes
    with the family name.
    """
    if _strangers(one.words, other.words):
        return True
    if not one.person or one.npis & other.npis:
        return False
    return _strangers(one.family, other.family)


def _scoped(s: Statement) -> Callable[[Identifier], Identifier]:
    """A number of no system is known within its source only."""
    return lambda number: f"{s.source}{number}" if number.startswith("|") else number


def _folded(*texts: str) -> frozenset[str]:
    return frozenset(w for w in fold(" ".join(texts)).split() if len(w) > 1)


def _name_of(s: Statement) -> _Name:
    told = s.attributes
    npis = frozenset(n for n in s.identifiers if _is_npi(n))
    if s.kind is not DirectoryKind.PRACTITIONER:
        return _Name(False, _folded(told.get("name", "")), frozenset(), npis)
    family = told.get("family", "")
    return _Name(True, _folded(family, told.get("given", "")), _folded(family), npis)


def _person(s: Statement) -> str:
    family, given = (fold(s.attributes.get(a, "")) for a in ("family", "given"))
    return f"{family}, {given}" if family and len(given) > 1 else ""


def _organization(s: Statement) -> str:
    return fold(s.attributes.get("name", ""))


def _location(s: Statement) -> str:
    place = [fold(s.attributes.get(a, "")) for a in ("facility", "ward", "room", "bed")]
    return "\x1f".join(place) if place[1] else ""


_NAMES: Final[dict[DirectoryKind, Callable[[Statement], str]]] = {
    DirectoryKind.PRACTITIONER: _person,
    DirectoryKind.ORGANIZATION: _organization,
    DirectoryKind.LOCATION: _location,
}


def _same_name(s: Statement) -> str:
    return _NAMES[s.kind](s)
