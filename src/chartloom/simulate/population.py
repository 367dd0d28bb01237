"""The people: ages, families, illnesses and record numbers, drawn from the seed."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from chartloom.simulate import names
from chartloom.simulate.facts import Demographics
from chartloom.simulate.rates import Rates
from chartloom.simulate.second_desk import elsewhere
from chartloom.simulate.times import DAY, YEAR, between, local

#: archetype -> (share of the population, lowest age, highest age); children with asthma come first
#: because the house is known for its paediatric emergency department.
ARCHETYPES = {
    "asthma_child": (0.26, 2, 17),
    "child": (0.09, 0, 17),
    "asthma_adult": (0.06, 18, 60),
    "diabetes": (0.14, 35, 80),
    "pregnancy": (0.07, 19, 41),
    "elderly": (0.18, 68, 95),
    "adult": (0.20, 18, 67),
}


#: Label -> (one adult of so many, at which index).
SENSITIVE: Final = {
    "HIV": (19, 4),
    "ETH": (19, 8),
    "PSY": (13, 6),
    "VIP": (61, 12),
    "EMP": (61, 17),
}


class Person(msgspec.Struct, frozen=True):
    """Somebody, as far as it never changes.

    clinic_id: number in the community clinic, "" for those who do not go there; clinic_has_mrn:
    whether the clinic also knows the house's record number; clinic_knows: what it wrote down, where
    that differs. alias_mrn: the number of an accidental
    second registration, "" for most. mother: index of the mother of a baby born in the house, -1
    otherwise; child: the other way round. sensitive: labels that are true of the person's data
    (HIV, ETH, PSY) or of the person (VIP; EMP: works here). objects: signed that researchers may
    not use the record; only who goes to the clinic can.
    """

    index: int
    mrn: str
    archetype: str
    birth_us: int
    demographics: Demographics
    clinic_id: str = ""
    clinic_has_mrn: bool = False
    clinic_knows: Demographics | None = None
    alias_mrn: str = ""
    mother: int = -1
    child: int = -1
    child_birth_us: int = 0
    sensitive: tuple[str, ...] = ()
    objects: bool = False

    @property
    def sex(self) -> str:
        """F or M."""
        return self.demographics.sex


def people(seed: int, count: int, from_us: int, rates: Rates) -> list[Person]:
    """The population; person ``i`` is the same for every ``count``.

    A mother at the end brings her baby, so that there may be one person more.
    """
    result: list[Person] = []
    while len(result) < count:
        rng = Random(f"{seed}/person/{len(result)}")
        person = _person(rng, seed, len(result), from_us, rates)
        if person.archetype != "pregnancy":
            result.append(person)
            continue
        birth_us = between(rng, from_us + 25 * DAY, from_us + 230 * DAY)
        mother = msgspec.structs.replace(person, child=person.index + 1, child_birth_us=birth_us)
        result += [mother, _baby(rng, mother, birth_us)]
    return result


def _person(rng: Random, seed: int, index: int, from_us: int, rates: Rates) -> Person:
    kinds = list(ARCHETYPES)
    kind = rng.choices(kinds, [ARCHETYPES[k][0] for k in kinds])[0]
    _, youngest, oldest = ARCHETYPES[kind]
    birth_us = from_us - between(rng, youngest * YEAR + 30 * DAY, (oldest + 1) * YEAR)
    sex = "F" if kind == "pregnancy" else rng.choice("FM")
    has_clinic = rng.random() < 0.35
    known = _demographics(rng, index, sex, birth_us, from_us, rates)
    desk = Random(f"{seed}/second-desk/{index}")
    anew = has_clinic and desk.random() < rates.other_hand
    return Person(
        index=index,
        mrn=mrn(index),
        archetype=kind,
        birth_us=birth_us,
        demographics=known,
        clinic_id=f"ASC-{700000 + index}" if has_clinic else "",
        clinic_has_mrn=has_clinic and rng.random() < 0.85 and not anew,
        clinic_knows=elsewhere(desk, known) if anew else None,
        alias_mrn=f"SIM9{index:06d}" if rng.random() < rates.duplicate_registration else "",
        sensitive=_sensitive(index, kind),
        objects=has_clinic and index % 7 == 3,
    )


def _sensitive(index: int, kind: str) -> tuple[str, ...]:
    """By index, so that small houses have some too."""
    if kind in ("asthma_child", "child", "pregnancy"):
        return ()
    return tuple(label for label, (every, at) in SENSITIVE.items() if index % every == at)


def _demographics(
    rng: Random, index: int, sex: str, birth_us: int, since_us: int, rates: Rates
) -> Demographics:
    given, family = names.given_name(rng, sex), names.family_name(rng)
    home = names.address(rng)
    age_years = (since_us - birth_us) // YEAR
    born = local(birth_us)
    birth_date = born.strftime("%Y%m%d")
    if rng.random() < rates.partial_birth_date:
        birth_date = born.strftime(rng.choice(("%Y", "%Y%m")))
    phones = tuple(names.phone(rng) for _ in range(rng.choices((0, 1, 2), (5, 70, 25))[0]))
    return Demographics(
        since_us=since_us,
        family=family,
        given=given,
        second=names.given_name(rng, sex) if rng.random() < 0.35 else "",
        sex=sex,
        birth_date=birth_date,
        street=home.street,
        city=home.city,
        state=home.state,
        postal_code=home.postal_code,
        phones=phones,
        email=names.email(given, family, index) if rng.random() < 0.5 else "",
        language=names.language(rng),
        marital="S" if age_years < 20 else rng.choice("SMMDW"),
    )


def _baby(rng: Random, mother: Person, birth_us: int) -> Person:
    index, sex = mother.index + 1, rng.choice("FM")
    demographics = msgspec.structs.replace(
        mother.demographics,
        since_us=birth_us,
        given=names.given_name(rng, sex),
        second="",
        sex=sex,
        birth_date=local(birth_us).strftime("%Y%m%d"),
        email="",
        marital="S",
    )
    return Person(
        index=index,
        mrn=mrn(index),
        archetype="newborn",
        birth_us=birth_us,
        demographics=demographics,
        mother=mother.index,
    )


def mrn(index: int) -> str:
    """The house's record number: obviously not a real one."""
    return f"SIM{index:07d}"
