"""People in households: twins, namesakes, babies; who they are at any day of their lives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import islice
from random import Random
from typing import Final

import msgspec

from chartloom.simulate.identity.nicknames import NICKNAMES
from chartloom.simulate.identity.pools import (
    GROUPS,
    Places,
    family_name,
    family_of,
    gendered,
    given_names,
    rhyming,
)

#: The years in which people are registered.
FIRST: Final = date(2010, 1, 1)
LAST: Final = date(2024, 12, 31)


class Home(msgspec.Struct, frozen=True):
    """Where a household lives from a day on."""

    since: date
    town: int
    street: str
    flat: str
    landline: str


class Human(msgspec.Struct):
    """One person's whole life, as far as registration desks see it."""

    index: int
    group: str
    sex: str
    born: date
    given: str
    middle: str
    family: str
    suffix: str = ""
    ssn: str = ""
    maiden_of_mother: str = ""
    mother: int = -1
    order: int = 0  #: in a multiple birth
    married: date | None = None
    married_family: str = ""
    homes: list[Home] = []
    mobiles: list[tuple[date, str]] = []
    emails: list[tuple[date, str]] = []
    tags: frozenset[str] = frozenset()

    def family_at(self, day: date) -> str:
        """The family name on a day."""
        if self.married is not None and day >= self.married:
            return self.married_family
        return self.family

    def home_at(self, day: date) -> Home:
        """Where the person lives on a day."""
        found = self.homes[0]
        for home in self.homes:
            if home.since <= day:
                found = home
        return found

    def email_at(self, day: date) -> str:
        """The e-mail address on a day, "" for none."""
        return _last(self.emails, day)

    def mobile_at(self, day: date) -> str:
        """The mobile number on a day, "" for none."""
        return _last(self.mobiles, day)


def _last(values: list[tuple[date, str]], day: date) -> str:
    found = ""
    for since, value in values:
        if since <= day:
            found = value
    return found


class World:
    """Households until there are ``count`` people. The same seed makes the same world."""

    def __init__(
        self, seed: int, count: int, groups: dict[str, float] | None = None, twins: float = 0.03
    ) -> None:
        self._rng = Random(f"world/{seed}")
        self._groups = groups or GROUPS
        self._twins = twins
        self.places = Places(self._rng, max(4, count // 4000))
        self._areas, self._providers = area_codes(count), providers(count)
        self.people: list[Human] = []
        while len(self.people) < count:
            self._household()

    def _household(self) -> None:
        rng = self._rng
        group = rng.choices(list(self._groups), list(self._groups.values()))[0]
        homes = self._homes()
        kind = rng.random()
        if kind < 0.28:
            self._add(self._adult(group, rng.choice("FM"), homes))
            return
        first = self._add(self._adult(group, "M", homes))
        partner_group = group if rng.random() < 0.85 else rng.choice(list(self._groups))
        second = self._adult(partner_group, "F", homes)
        second.born = _clip(first.born + timedelta(days=rng.randrange(-2500, 2500)))
        self._add(second)
        self._marry(first, second)
        if kind > 0.5:
            self._children(first, second, homes)
        if kind > 0.94:
            self._grandparent(first, homes)

    def _homes(self) -> list[Home]:
        rng = self._rng
        day, homes, near = date(1990, 1, 1), [], -1
        while day < LAST:
            town, street, flat = self.places.draw(rng, near)
            landline = _phone(rng, self._areas) if rng.random() < 0.45 else ""
            homes.append(Home(day, town, street, flat, landline))
            near = town
            day = max(day, FIRST) + timedelta(days=int(rng.expovariate(1 / 3300)) + 90)
        return homes

    def _add(self, human: Human) -> Human:
        human.index = len(self.people)
        self.people.append(human)
        return human

    def _adult(self, group: str, sex: str, homes: list[Home]) -> Human:
        rng = self._rng
        given, middle = given_names(rng, group, sex)
        family = family_name(rng, group)
        if group in ("hispanic", "portuguese") and rng.random() < 0.8:
            family = f"{family} {family_name(rng, group)}"
        if group == "slavic":
            family = gendered(family, sex)
        born = date(1930, 1, 1) + timedelta(days=rng.randrange(70 * 365))
        return self._human(group, sex, born, given, middle, family, homes)

    def _human(
        self,
        group: str,
        sex: str,
        born: date,
        given: str,
        middle: str,
        family: str,
        homes: list[Home],
    ) -> Human:
        rng, at = self._rng, self._providers
        mobiles: list[tuple[date, str]] = []
        day = max(born + timedelta(days=15 * 365), date(2000, 1, 1))
        while day < LAST and rng.random() < 0.93:
            mobiles.append((day, _phone(rng, self._areas)))
            day += timedelta(days=int(rng.expovariate(1 / 3000)) + 60)
        emails: list[tuple[date, str]] = []
        if born.year < 2007 and rng.random() < 0.6:
            emails.append((date(1990, 1, 1), _email(rng, given, family, born.year, at)))
            if rng.random() < 0.25:
                day = FIRST + timedelta(days=rng.randrange(4000))
                emails.append((day, _email(rng, given, family, born.year, at)))
        ssn = f"9{rng.randrange(100):02d}{rng.randrange(1, 50):02d}{rng.randrange(1, 10000):04d}"
        return Human(
            index=-1,
            group=group,
            sex=sex,
            born=born,
            given=given,
            middle=middle,
            family=family,
            ssn=ssn,
            maiden_of_mother=family_name(rng, group).split()[0],
            homes=homes,
            mobiles=mobiles,
            emails=emails,
        )

    def _marry(self, first: Human, second: Human) -> None:
        rng = self._rng
        if rng.random() < 0.3:
            return
        at = max(first.born, second.born) + timedelta(days=365 * 22 + rng.randrange(365 * 25))
        kind = rng.random()
        if second.group in ("chinese", "korean", "vietnamese", "arabic") and kind < 0.8:
            return
        family = first.family.split()[0] if second.group == "hispanic" else first.family
        if second.group == "hispanic":
            if kind < 0.6:
                return
            second.married_family = f"{second.family.split()[0]} de {family}"
        elif second.group == "slavic":
            second.married_family = gendered(family, "F")
        elif kind < 0.7:
            second.married_family = family
        elif kind < 0.85:
            second.married_family = f"{second.family}-{family}"
        else:
            return
        second.married = at
        if at > FIRST:
            second.tags |= {"married"}

    def _children(self, father: Human, mother: Human, homes: list[Home]) -> None:
        rng = self._rng
        for _ in range(rng.choices((1, 2, 3, 4), (30, 40, 20, 10))[0]):
            age = rng.randrange(365 * 20, 365 * 41)
            born = mother.born + timedelta(days=age)
            if born > LAST - timedelta(days=30):
                continue
            many = 2 if rng.random() < self._twins / 2 else 1
            alike = rng.random() < 0.6
            sex = rng.choice("FM")
            for order in range(1, many + 1):
                self._child(father, mother, homes, born, sex, order if many > 1 else 0)
                sex = sex if alike else rng.choice("FM")

    def _child(
        self, father: Human, mother: Human, homes: list[Home], born: date, sex: str, order: int
    ) -> None:
        rng, group = self._rng, father.group
        given, middle = given_names(rng, group, sex)
        family = family_of(rng, group, father.family, mother.family, sex)
        tags, suffix = set[str](), ""
        namesake = sex == "M" and not order and rng.random() < 0.06
        if namesake and not any("namesake" in p.tags for p in self.people[-4:]):
            given, family = father.given, father.family
            middle = father.middle if rng.random() < 0.75 else middle
            suffix, tags = "Jr", {"namesake"}
            father.suffix = father.suffix or ("Sr" if rng.random() < 0.5 else "")
            father.tags |= {"namesake"}
        siblings = [p for p in self.people[-6:] if p.mother == mother.index]
        while not namesake and any(_alike(p.given, given) for p in siblings):
            given, middle = given_names(rng, group, sex)
        if order:
            tags.add("twin")
            if (twin := self.people[-1]).order and twin.born == born:
                middle = twin.middle if rng.random() < 0.25 else middle
                if twin.sex == sex and rng.random() < 0.25:
                    given = rhyming(rng, group, sex, twin.given)
        grown = born + timedelta(days=365 * 19 + rng.randrange(2000))
        own = [h for h in homes if h.since <= grown]
        if grown < LAST:
            own = own + [h for h in self._homes() if h.since > grown][:3]
        child = self._human(group, sex, born, given, middle, family, own or homes[:1])
        child.suffix, child.order, child.mother = suffix, order, mother.index
        child.maiden_of_mother = mother.family.split()[0]
        child.tags = frozenset(tags)
        if born > date(2021, 6, 1) and rng.random() < 0.3:
            child.ssn = ""
        self._add(child)

    def _grandparent(self, father: Human, homes: list[Home]) -> None:
        old = self._adult(father.group, self._rng.choice("FM"), homes)
        old.born = _clip(father.born - timedelta(days=365 * 25 + self._rng.randrange(3000)))
        if old.sex == "M":
            old.family = father.family
        self._add(old)


def _alike(one: str, other: str) -> bool:
    """No parents call two children by forms of one name."""
    a, b = one.lower(), other.lower()
    return a == b or b in NICKNAMES.get(a, ()) or a in NICKNAMES.get(b, ())


def _clip(day: date) -> date:
    return min(max(day, date(1915, 1, 1)), date(2004, 12, 31))


#: So many people share three providers of e-mail and six area codes; more people have more of them,
#: so that strangers do not come to one number or address more often in a large world.
_OF_ONE_AREA: Final = 60_000


def area_codes(people: int) -> tuple[str, ...]:
    """As many as a world of this size needs."""
    first = ("480", "520", "602", "928", "505", "303")
    others = (str(n) for n in range(201, 1000) if str(n) not in first)
    return (*first, *islice(others, len(first) * ((people - 1) // _OF_ONE_AREA)))


def providers(people: int) -> tuple[str, ...]:
    """Domains of e-mail, likewise."""
    first = ("example.org", "example.net", "example.com")
    more = ((people - 1) // _OF_ONE_AREA) * len(first)
    return (*first, *(f"mail{n}.example.org" for n in range(more)))


def _phone(rng: Random, areas: Sequence[str]) -> str:
    """A number that cannot exist: no exchange begins with 1."""
    return f"{rng.choice(areas)}1{rng.randrange(100):02d}{rng.randrange(10000):04d}"


def _email(rng: Random, given: str, family: str, year: int, providers: Sequence[str]) -> str:
    plain = "".join(
        c for c in f"{given}.{family}".lower() if c.isascii() and (c.isalpha() or c == ".")
    )
    tail = rng.choice((str(year)[2:], str(rng.randrange(1000)), ""))
    return f"{plain}{tail}@{rng.choice(providers)}"
