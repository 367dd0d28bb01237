"""Registrations of a world's people, through a noise profile, with the truth beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from random import Random
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from chartloom.simulate.identity.people import FIRST, LAST, Human, World
from chartloom.simulate.identity.registration import SYSTEMS, Registration, to_fhir


class Noise(Protocol):
    """What goes wrong on the way from a person to a record."""

    def spoil(self, rng: Random, r: Registration, who: Human, people: list[Human]) -> set[str]:
        """Changes a registration in place; returns what it did, for reports."""


@runtime_checkable
class Abroad(Protocol):
    """A noise whose people live elsewhere, also those of whom nothing else is spoilt."""

    def settle(self, r: Registration, who: Human) -> None:
        """Changes names and home of a registration in place."""


class Labelled(msgspec.Struct, frozen=True):
    """A record with the truth. person: who it is; at: day of the registration (ISO); group: origin
    of the name; tags: twin, namesake, newborn, married, unknown, moved; overlay: this is an update
    of the same ``id`` that turned the record into somebody else."""

    id: str
    person: str
    patient: dict[str, Any]
    at: str
    group: str
    sex: str
    age: int
    tags: tuple[str, ...] = ()
    overlay: bool = False


#: How many systems know a person: weights of 1, 2, 3, 4 registrations and more.
_TIMES: Final = ((1, 2, 3, 4, 5, 6), (35, 30, 18, 9, 5, 3))


def generate(
    seed: int,
    people: int,
    noise: Noise,
    *,
    groups: Mapping[str, float] | None = None,
    twins: float = 0.03,
    overlays: float = 0.0,
) -> Iterator[Labelled]:
    """Labelled records in order of arrival. twins: share of births that are twins.

    overlays: share of records that are later written over with somebody else's data.
    """
    rows: list[tuple[str, str, Labelled]] = []
    for some in by_person(seed, people, noise, groups=groups, twins=twins):
        rows += [(x.at, x.id, x) for x in some]
    rows.sort(key=lambda row: row[:2])
    if overlays:
        rows += _overlaid(Random(f"overlays/{seed}"), [row[2] for row in rows], overlays)
    for _, _, labelled in rows:
        yield labelled


def by_person(
    seed: int,
    people: int,
    noise: Noise,
    *,
    groups: Mapping[str, float] | None = None,
    twins: float = 0.03,
) -> Iterator[list[Labelled]]:
    """The same records, person by person: for worlds whose records are more than memory holds."""
    world = World(seed, people, dict(groups) if groups else None, twins)
    rng = Random(f"registrations/{seed}")
    for human in world.people:
        yield list(_of(rng, human, world, noise))


def _of(rng: Random, human: Human, world: World, noise: Noise) -> Iterator[Labelled]:
    first = max(FIRST, human.born)
    span = (LAST - first).days
    if span < 30:
        return
    times = rng.choices(*_TIMES)[0]
    days = sorted(first + timedelta(days=rng.randrange(span)) for _ in range(times))
    newborn = human.born >= FIRST and human.mother >= 0 and rng.random() < 0.25
    if newborn:
        days[0] = human.born
    seen: dict[str, int] = {}
    for index, day in enumerate(days):
        child = (day - human.born).days < 15 * 365
        system = SYSTEMS[3] if child and rng.random() < 0.5 else rng.choice(SYSTEMS[:3])
        if system in seen and rng.random() < 0.9:
            continue  # the desk found the record: nothing new
        seen[system] = index
        yield _labelled(rng, human, world, noise, day, system, index, newborn and index == 0)


def _labelled(
    rng: Random,
    human: Human,
    world: World,
    noise: Noise,
    day: date,
    system: str,
    index: int,
    newborn: bool,
) -> Labelled:
    r = _clean(rng, human, world, day, system, index)
    tags = set(human.tags)
    person = f"p{human.index}"
    if newborn:
        _as_newborn(rng, r, human, world, day)
        if isinstance(noise, Abroad):
            given = r.given
            noise.settle(r, human)
            r.given = given
        tags.add("newborn")
    elif rng.random() < 0.002:
        person = f"u{human.index}-{index}"
        r = _unknown(rng, r)
        tags = {"unknown"}
    else:
        tags |= noise.spoil(rng, r, human, world.people)
    record_id = f"{r.system.rpartition(':')[2]}-{r.number}"
    age = (day - human.born).days // 365
    return Labelled(
        record_id,
        person,
        to_fhir(r),
        day.isoformat(),
        human.group,
        human.sex,
        age,
        tuple(sorted(tags)),
    )


def _clean(
    rng: Random, human: Human, world: World, day: date, system: str, index: int
) -> Registration:
    home = human.home_at(day)
    city, state, postal = world.places.towns[home.town]
    mobile, phones = human.mobile_at(day), []
    age = (day - human.born).days // 365
    if age < 16 and human.mother >= 0:
        mobile = world.people[human.mother].mobile_at(day)
    if mobile:
        phones.append(mobile)
    if home.landline and rng.random() < 0.6:
        phones.insert(rng.randrange(2), home.landline)
    family = human.family_at(day)
    return Registration(
        system=system,
        number=f"{SYSTEMS.index(system) + 1}{human.index:07d}{index}",
        family=family,
        given=human.given,
        middle=human.middle,
        suffix=human.suffix,
        former=human.family if family != human.family and rng.random() < 0.25 else "",
        sex=human.sex,
        birth=human.born.isoformat(),
        street=home.street,
        flat=home.flat,
        city=city,
        state=state,
        postal=postal,
        phones=phones,
        email=human.email_at(day) if age >= 16 else "",
        ssn=human.ssn,
        mother=human.maiden_of_mother,
        order=human.order if human.order and rng.random() < 0.3 else 0,
    )


def _as_newborn(rng: Random, r: Registration, human: Human, world: World, day: date) -> None:
    """A baby that has no name yet, under its mother's family name, with her number beside it."""
    mother = world.people[human.mother]
    word = "BOY" if human.sex == "M" else "GIRL"
    letter = f" {'ABC'[human.order - 1]}" if human.order else ""
    r.family, r.middle, r.suffix, r.ssn = mother.family_at(day), "", "", ""
    r.given = rng.choice(
        (f"BABY {word}{letter}", f"BB{letter}" if word == "BOY" else f"BG{letter}")
    )
    if rng.random() < 0.1:
        r.given = f"Infant{letter}"
    r.mother = mother.family.split()[0] if rng.random() < 0.6 else ""
    r.mother_number = f"{r.number[0]}{mother.index:07d}0" if rng.random() < 0.4 else ""
    r.order = human.order if human.order and rng.random() < 0.6 else 0
    r.system = "urn:sim:north-hospital" if rng.random() < 0.5 else r.system


def _unknown(rng: Random, r: Registration) -> Registration:
    """Nobody knows who it is. The truth holds it apart: no one could tell from the record."""
    family, given = rng.choice(
        (
            ("DOE", "JOHN"),
            ("DOE", "JANE"),
            ("UNKNOWN", "UNKNOWN"),
            ("TRAUMA", "ALPHA"),
            ("UNKNOWN", ""),
        )
    )
    birth = rng.choice(("1900-01-01", "", "1970-01-01"))
    return Registration(r.system, r.number, family=family, given=given, sex=r.sex, birth=birth)


def _overlaid(
    rng: Random, labelled: list[Labelled], share: float
) -> list[tuple[str, str, Labelled]]:
    rows = []
    for record in labelled:
        if rng.random() < share:
            other = labelled[rng.randrange(len(labelled))]
            if other.person == record.person or "unknown" in {*other.tags, *record.tags}:
                continue
            patient = {**other.patient, "identifier": record.patient["identifier"]}
            row = Labelled(
                record.id, other.person, patient, "2025-01-01", other.group, other.sex, other.age,
                other.tags, overlay=True,
            )  # fmt: skip
            rows.append((row.at, row.id, row))
    return rows
