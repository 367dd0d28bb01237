"""People and mistakes as an outsider would make them up: names, addresses and domains by Faker, in
households with twins and with sons called after their fathers, copied with the usual slips.

Nothing of the simulator is used, and no rule of the matcher was written looking at it; two were
mended when it was first measured (``docs/explanations/identity.md``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

TODAY = date(2025, 6, 1)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NICKNAMES = {
    "William": "Bill Will Billy",
    "Robert": "Bob Rob",
    "James": "Jim Jimmy",
    "John": "Jack Johnny",
    "Elizabeth": "Liz Beth Betty",
    "Margaret": "Peggy Meg",
    "Michael": "Mike",
    "Jennifer": "Jen Jenny",
    "Katherine": "Kate Kathy",
    "Thomas": "Tom",
    "Richard": "Rick Dick",
    "Patricia": "Pat Tricia",
    "Joseph": "Joe",
    "Christopher": "Chris",
    "Daniel": "Dan",
    "Matthew": "Matt",
    "Anthony": "Tony",
    "Susan": "Sue",
    "Stephanie": "Steph",
    "Nicholas": "Nick",
    "Samantha": "Sam",
    "Benjamin": "Ben",
    "Rebecca": "Becky",
    "Timothy": "Tim",
    "Kimberly": "Kim",
}


@dataclass
class Someone:
    """A person as he or she is."""

    family: str
    given: str
    second: str
    sex: str
    born: date
    home: dict[str, str]
    phone: str
    number: str
    email: str
    suffix: str = ""
    maiden: str = ""


@dataclass
class Outsider:
    """``Outsider(1, ("en_US",)).rows(30_000)``: rows of a labelled file, in an order that says
    nothing. Needs the package ``faker`` (extra ``identity``)."""

    seed: int
    locales: tuple[str, ...]
    fake: Any = field(init=False)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        from faker import Faker

        self.fake, self.rng = Faker(list(self.locales)), random.Random(self.seed)
        Faker.seed(self.seed)

    def rows(self, people: int) -> list[dict[str, str]]:
        """About 1.75 records a person, in one to four copies each."""
        found: list[dict[str, str]] = []
        for number, someone in enumerate(self.people(people)):
            copies = self.rng.choices((1, 2, 3, 4), (0.5, 0.3, 0.13, 0.07))[0]
            for _ in range(copies):
                row = {"rec_id": f"r{len(found)}", "person": f"p{number}"}
                found.append(row | self._copied(someone))
        self.rng.shuffle(found)
        return found

    def people(self, count: int) -> Iterator[Someone]:
        """Household by household."""
        made = 0
        while made < count:
            for someone in self._household():
                yield someone
                made += 1

    def _household(self) -> list[Someone]:
        rng, fake = self.rng, self.fake
        family, home, landline = fake.last_name(), self._home(), self._phone()
        father = self._person(family, "M", self._born(20, 90), home, landline)
        found = [father]
        if rng.random() < 0.65:
            name = family if rng.random() < 0.75 else fake.last_name()
            born = father.born + timedelta(days=rng.randint(-2500, 2500))
            mother = self._person(name, "F", born, home, landline)
            mother.maiden = fake.last_name()
            found.append(mother)
        for _ in range(rng.choice((0, 0, 1, 1, 2, 2, 3))):
            born = father.born + timedelta(days=rng.randint(20 * 365, 40 * 365))
            if born > TODAY:
                continue
            sex = rng.choice("MF")
            child = self._person(family, sex, born, home, landline)
            found.append(child)
            if sex == "M" and rng.random() < 0.06:
                child.given, child.suffix = father.given, "Jr"
                father.suffix = "Sr" if rng.random() < 0.5 else ""
            if rng.random() < 0.03:
                other = rng.choice((sex, sex, "F" if sex == "M" else "M"))
                twin = self._person(family, other, born, home, landline)
                while twin.given == child.given:
                    twin.given = self._given(other)
                found.append(twin)
        return found

    def _person(
        self, family: str, sex: str, born: date, home: dict[str, str], landline: str
    ) -> Someone:
        rng = self.rng
        given = self._given(sex)
        return Someone(
            family,
            given,
            self._given(sex) if rng.random() < 0.8 else "",
            sex,
            born,
            home,
            self._phone() if rng.random() < 0.6 else landline,
            f"{rng.randint(100, 899)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
            f"{given}.{family}{rng.randint(1, 999)}@example.com".lower()
            if rng.random() < 0.6
            else "",
        )

    def _given(self, sex: str) -> str:
        return str(self.fake.first_name_male() if sex == "M" else self.fake.first_name_female())

    def _born(self, low: int, high: int) -> date:
        return TODAY - timedelta(days=self.rng.randint(low * 365, high * 365))

    def _home(self) -> dict[str, str]:
        fake = self.fake
        return {"street": fake.street_address(), "city": fake.city(), "zip": fake.postcode()}

    def _phone(self) -> str:
        rng = self.rng
        return f"({rng.randint(201, 989)}) {rng.randint(200, 999)}-{rng.randint(0, 9999):04d}"

    def _copied(self, who: Someone) -> dict[str, str]:
        chance = self.rng.random
        row = {
            "given_name": who.given,
            "middle_name": who.second,
            "surname": who.family,
            "suffix": who.suffix if chance() < 0.6 else "",
            "sex": who.sex,
            "dob": who.born.isoformat(),
            **who.home,
            "phone": who.phone,
            "email": who.email if chance() < 0.7 else "",
            "ssn": who.number if chance() < 0.6 else "",
        }
        if chance() < 0.1 and who.given in NICKNAMES:
            row["given_name"] = self.rng.choice(NICKNAMES[who.given].split())
        if who.maiden and chance() < 0.12:
            row["surname"] = who.maiden
        if chance() < 0.4:
            row["middle_name"] = row["middle_name"][:1]
        elif chance() < 0.3:
            row["middle_name"] = ""
        if chance() < 0.1:
            row |= self._home()
        if chance() < 0.12:
            row["phone"] = self._phone()
        self._slip(row)
        return row

    def _slip(self, row: dict[str, str]) -> None:
        rng, chance = self.rng, self.rng.random
        for name in ("given_name", "surname", "street", "city"):
            if chance() < 0.04:
                row[name] = self._mistyped(row[name])
        year, month, day = row["dob"].split("-")
        if chance() < 0.015:
            day = f"{rng.randint(1, 28):02d}"
        if chance() < 0.006 and day <= "12":
            month, day = day, month
        if chance() < 0.003:
            year = str(int(year) + rng.choice((-1, 1, 10, -10)))
        row["dob"] = f"{year}-{month}-{day}"
        if row["ssn"] and chance() < 0.02:
            at = rng.randrange(len(row["ssn"]))
            row["ssn"] = row["ssn"][:at] + rng.choice("0123456789") + row["ssn"][at + 1 :]
        if chance() < 0.004:
            row["given_name"], row["surname"] = row["surname"], row["given_name"]
        for name in ("given_name", "sex", "street", "city", "zip", "phone", "dob"):
            if chance() < (0.0075 if name in ("given_name", "dob") else 0.03):
                row[name] = ""

    def _mistyped(self, text: str) -> str:
        """A letter put in, left out, changed, or two changed over, anywhere."""
        if len(text) < 3:
            return text
        rng = self.rng
        at, kind = rng.randrange(len(text)), rng.randrange(4)
        if kind == 0:
            return text[:at] + rng.choice(LETTERS) + text[at:]
        if kind == 1:
            return text[:at] + text[at + 1 :]
        if kind == 2:
            return text[:at] + rng.choice(LETTERS) + text[at + 1 :]
        at = min(at, len(text) - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
