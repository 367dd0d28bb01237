"""Merges and unmerges of chance that end where they began, through the real worker and store.

A household is a few records of one registry. One sequence: sources merge, link and unlink its
records, people say and withdraw, all in a random order of arrival and some of it twice; at the end
(of the times of the messages, not of their arrival) every source has said again what it said at
first, and every person has withdrawn. Then persons, open reviews and the bytes of all sections are
what they were.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.hl7_examples import message, oru, pid, segment
from tests.support.site import Site

from chartloom.domain.codec import encode
from chartloom.domain.feed import Feed
from chartloom.domain.identity import IdentityReview, ReviewState
from chartloom.domain.ids import source_patient_id
from chartloom.domain.message import Arrival, Format
from chartloom.domain.resource import LinkKind
from chartloom.normalize.steward import arrival, word

FEED = Feed("adt", "it", "it", "mllp", Format.HL7V2)
AUTHORS = ("user:ada", "user:ben", "user:cem")
_START_S = 1_767_225_600  # 2026-01-01T00:00Z
_LATEST = "20261231000000"  # of what is said of the persons themselves
_DRAWN = "20261230000000"
_GIVEN = ("ANNA", "BERTHOLD", "CILLA", "DARIUS", "EDELTRAUD", "FYODOR")
_READ_AT_ONCE = 400


@dataclass
class Household:
    """Records of one household. said: pairs of numbers that a source spoke of -> what it said first
    (A24 or A37); asked: pairs that only people speak of."""

    numbers: tuple[str, ...]
    persons: tuple[dict[int, str], ...]
    said: dict[tuple[int, int], str] = field(default_factory=dict)
    asked: tuple[tuple[int, int], ...] = ()


def household(rng: random.Random, n: int) -> Household:
    """One of: strangers; two records of one person by number; twins with one national number."""
    size, kind = rng.randint(2, 5), rng.choice(("strangers", "strangers", "same", "twins"))
    numbers = tuple(f"H{n}R{i}" for i in range(size))
    persons = []
    for i in range(size):
        family = f"FAM{_letters(n)}{_letters(i)}"
        born = f"19{rng.randint(30, 99)}{rng.randint(1, 12):02d}{rng.randint(2, 28):02d}"
        persons.append({5: f"{family}^{_GIVEN[i]}", 7: born, 8: "F" if i % 2 else "M"})
    if kind != "strangers":
        persons[1] = dict(persons[0])
        both = f"{_national(n)}^^^USSSA^SS"
        for i in (0, 1):
            persons[i][3] = f"{numbers[i]}^^^HOSP^MR~{both}"
    if kind == "twins":
        persons[1][5] = persons[0][5].replace(_GIVEN[0], "WOLFRAM")
    pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
    rng.shuffle(pairs)
    asked = [(0, 1), *(p for p in pairs[: size - 1] if p != (0, 1))]
    told = [p for p in pairs if p not in asked][:3]
    said = {p: rng.choice(("A24", "A37")) for p in told} if kind != "twins" else {}
    return Household(numbers, tuple(persons), said, tuple(asked))


def _letters(n: int) -> str:
    """A number as letters, so that names differ much."""
    digest = hashlib.sha256(str(n).encode()).hexdigest()[:7]
    return digest.translate(str.maketrans("0123456789abcdef", "BCDFGHJKLMNPRSTV"))


def _national(n: int) -> str:
    """A number that nobody else has, and that no placeholder looks like."""
    return f"{100 + n % 799:03d}{10 + n // 799 % 89:02d}{1000 + n * 37 % 8999:04d}"


class Merging:
    """A site with households, and sequences over them."""

    def __init__(self, site: Site, seed: int, count: int) -> None:
        self.site, self.rng = site, random.Random(seed)
        self.houses = [household(self.rng, n) for n in range(count)]
        self._control, self._second = 0, 0
        self.messages = 0
        self._land([a for house in self.houses for a in self._first(house)])

    def id_of(self, number: str) -> str:
        """The source patient id of a record number."""
        return source_patient_id(self.site.namespace, FEED.patient_namespace, "HOSP", number)

    @property
    def patients(self) -> list[str]:
        """All source patients."""
        return [self.id_of(n) for house in self.houses for n in house.numbers]

    # What is sent

    def _at(self) -> str:
        """The next second: no two things are said at one."""
        self._second += 1
        return _stamp(self._second)

    def _adt(self, event: str, house: Household, a: int, b: int, at: str) -> Arrival:
        self._control += 1
        evn = segment("EVN", {1: event, 2: at})
        first = pid(house.numbers[a], house.persons[a])
        if event == "A40":
            second = f"MRG|{house.numbers[b]}^^^HOSP^MR"
        else:
            second = pid(house.numbers[b], house.persons[b])
        body = message(f"ADT^{event}", f"C{self._control}", at, evn, first, second)
        return self._arrival(body, f"C{self._control}", house.numbers[a])

    def _arrival(self, body: bytes, control_id: str, number: str) -> Arrival:
        digest = hashlib.sha256(body).digest()
        now_us = self.site.clock.now_us()
        return Arrival("adt", body, now_us, digest, control_id, "ADT", self.id_of(number))

    def _word(self, house: Household, by: str, kind: LinkKind, a: int, b: int) -> Arrival:
        self._second += 1
        said_us = (_START_S + self._second) * 1_000_000
        ids = self.id_of(house.numbers[a]), self.id_of(house.numbers[b])
        body = word(kind, *ids, by=by, reason="other", said_us=said_us)
        return arrival(body, ids[0], self.site.clock.now_us())

    def _first(self, house: Household) -> Iterator[Arrival]:
        for i, (number, who) in enumerate(zip(house.numbers, house.persons, strict=True)):
            control = f"F{number}"
            evn = segment("EVN", {1: "A08", 2: _LATEST})
            body = message("ADT^A08", control, _LATEST, evn, pid(number, who))
            yield self._arrival(body, control, number)
            if i < 2:
                result = (("2823-3^Potassium^LN", f"{3 + i}.5", "N"),)
                body = oru(f"O{number}", _DRAWN, result, drawn=_DRAWN, number=number)
                name = f"{who[5]}||{who[7]}|{who[8]}".encode()
                body = body.replace(b"DOE^JANE||19700101|F", name)
                yield self._arrival(body, f"O{number}", number)
        for (a, b), event in house.said.items():
            yield self._adt(event, house, a, b, self._at())

    def sequence(self, house: Household) -> tuple[list[Arrival], list[Arrival]]:
        """What is said, and what takes it back; by their times in this order."""
        rng, said, standing = self.rng, list[Arrival](), set[tuple[str, int, int]]()
        for _ in range(rng.randint(1, 8)):
            if house.said and rng.random() < 0.4:
                a, b = rng.choice(list(house.said))
                a, b = rng.choice(((a, b), (b, a)))
                event = rng.choice(("A40", "A40", "A24", "A37"))
                said.append(self._adt(event, house, a, b, self._at()))
                continue
            a, b = rng.choice(house.asked)
            by = rng.choice(AUTHORS)
            kind = rng.choice((LinkKind.LINK, LinkKind.LINK, LinkKind.MERGE, LinkKind.UNLINK))
            said.append(self._word(house, by, kind, *rng.choice(((a, b), (b, a)))))
            standing.add((by, a, b))
        back = [self._adt(event, house, *pair, self._at()) for pair, event in house.said.items()]
        for by, a, b in sorted(standing, key=lambda _: rng.random()):
            back.append(self._word(house, by, LinkKind.WITHDRAW, a, b))
        return said, back

    def round(self) -> tuple[Any, Any]:
        """One sequence for each household; what there was halfway, and what there is then.

        Of half of the households all is shuffled, so that much is taken back before it was said.
        """
        first, second = list[Arrival](), list[Arrival]()
        for house in self.houses:
            said, back = self.sequence(house)
            if self.rng.random() < 0.5:
                both = [*said, *back]
                self.rng.shuffle(both)
                cut = self.rng.randint(0, len(both))
                said, back = both[:cut], both[cut:]
            first += self._some_twice(said)
            second += self._some_twice(back)
        for part in (first, second):
            self.rng.shuffle(part)
        self._land(first)
        halfway = self.everything()
        self._land(second)
        return halfway, self.everything()

    def _some_twice(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Some arrive twice: a sender tries again, or sends the same with a new number."""
        found = list(arrivals)
        for one in arrivals:
            if self.rng.random() < 0.2:
                body = one.body
                if one.feed == "adt" and self.rng.random() < 0.5:
                    old, new = one.control_id, f"{one.control_id}B"
                    body = body.replace(f"|{old}|".encode(), f"|{new}|".encode())
                    found.append(self._arrival_again(one, body, new))
                else:
                    found.append(one)
        return found

    def _arrival_again(self, one: Arrival, body: bytes, control_id: str) -> Arrival:
        digest = hashlib.sha256(body).digest()
        return Arrival(
            one.feed, body, one.received_at_us, digest, control_id, "ADT", one.source_patient
        )

    def _land(self, arrivals: Sequence[Arrival]) -> None:
        for i in range(0, len(arrivals), 500):
            self.site.store.land(arrivals[i : i + 500])
            self.site.apply()
        self.messages += len(arrivals)

    # What there is

    def everything(self) -> dict[str, Any]:
        """Per record: its person, its open reviews, and its sections' bytes."""
        store, grant, patients = self.site.store, self.site.grant(), self.patients
        found: dict[str, Any] = {p: (store.person(grant, p).person_id, [], []) for p in patients}
        for review in self._reviews():
            row = (review.pair, review.reason, review.state, review.two, review.weight)
            for patient in set(review.pair):
                found[patient][1].append(row)
        for i in range(0, len(patients), _READ_AT_ONCE):
            for view in store.sections(grant, patients[i : i + _READ_AT_ONCE]):
                body = encode([view.key, view.total, view.entries])
                found[view.key.source_patient][2].append(body)
        for _, reviews, sections in found.values():
            reviews.sort()
            sections.sort()
        return found

    def _reviews(self) -> Iterator[IdentityReview]:
        store, grant = self.site.store, self.site.grant()
        for state in (ReviewState.OPEN, ReviewState.HALF, ReviewState.DISPUTED):
            after = None
            while page := store.reviews(grant, state=state, after=after, limit=200):
                yield from page
                after = page[-1].pair

    def differing(self, before: dict[str, Any], after: dict[str, Any]) -> list[Household]:
        """The households of which anything is not the same."""
        return [
            house
            for house in self.houses
            if any(before[i] != after[i] for i in map(self.id_of, house.numbers))
        ]


def _stamp(second: int) -> str:
    """The time of a message, in January 2026."""
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    day, hour = divmod(hour, 24)
    return f"202601{day + 1:02d}{hour:02d}{minute:02d}{second:02d}"
