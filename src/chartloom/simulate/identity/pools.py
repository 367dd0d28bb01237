"""Names, streets and towns to draw from, with the shapes that names have in each origin."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from random import Random
from typing import Final

from rapidfuzz.distance import OSA


def _pool(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: Group -> share of the population in the usual mix.
GROUPS: Final = {
    "anglo": 0.42,
    "hispanic": 0.19,
    "chinese": 0.05,
    "korean": 0.03,
    "vietnamese": 0.04,
    "southasian": 0.07,
    "arabic": 0.05,
    "african": 0.05,
    "slavic": 0.04,
    "germanic": 0.04,
    "portuguese": 0.02,
}
#: Beginnings and ends of the many family names that few people have.
_RARE: Final = {
    "anglo": (
        "Ash Black Brad Brook Cald Chat Cran Dal East Fair Glen Had Hart Hol Kings Lang Lin Mar "
        "Mel "
        "Nor Oak Pem Rad Red Rock Shel Stan Stock Thorn Under Wal Wex Whit Win Wood York",
        "beck bourne bridge bury by combe cott croft dale den field ford gate ham hurst land ley "
        "low man mere more ridge shaw stead ton well wick wood worth",
    ),
    "slavic": (
        "Adam Bar Bogd Bor Chern Dan Dob Fed Gav Grab Hrab Jan Jas Kal Kar Kov Kras Kub Lis Luk "
        "Mak "
        "Mal Mir Pav Pol Rad Rom Rud Sav Sem Stan Vas Vit Yak Zar",
        "chenko czak czyk enko evic ewicz iak icki inski ko kov ovic ovski owicz owski uk",
    ),
    "germanic": (
        "Acker Alten Bach Berg Birken Blumen Braun Brunn Buch Dorn Eber Eichen Engel Feld Frei "
        "Gold "
        "Grün Hagen Heil Hohen Kirch Königs Linden Mühl Ober Rosen Sand Stein Wald Weiden",
        "bach bauer baum berg berger born brecht dorf eck feld haus heim hof holz lein mann meier "
        "reich schmidt stein thal wald weg",
    ),
    "southasian": (
        "Bala Chandra Dev Gopal Hari Jaya Kali Krishna Lakshmi Maha Nara Padma Prabha Rama Ravi "
        "Sarva Shiva Soma Sri Surya Uma Vasu Venkata Vijaya",
        "chandran charya dasan kar krishnan kumar murthy nathan puram raj raman sekaran swamy vani",
    ),
    "african": (
        "Abi Ade Ago Aki Anya Chi Eke Enu Ife Ike Iwu Kelechi Mba Mbo Ndi Nka Nwa Oba Ogu Oke Olu "
        "Ona Ude Uzo",
        "agu baje bi chukwu dele femi gbo kwe laja leye mba nna nwa rinde tayo toye wale",
    ),
}
_STREETS: Final = _pool(
    "Maple Oak Cedar Pine Elm Walnut Chestnut Birch Willow Sycamore Magnolia Juniper Aspen Laurel "
    "Main Church Mill River Lake Hill Park Spring Valley Meadow Forest Sunset Ridge Prairie Canyon "
    "Washington Lincoln Jefferson Madison Franklin Jackson Monroe Adams Harrison Grant Sherman "
    "Canal Harbor Bridge Station Market Orchard Garden Quarry Foundry Mission Pioneer Frontier "
    "Kingfisher Heron Osprey Falcon Sparrow Larkspur Bluebell Foxglove Sage Clover Heather Ivy "
    "Whispering-Pines Old-Mill Stone-Creek Silver-Lake Eagle-Ridge Cherry-Hill Rolling-Meadow "
    "King Queen Bishop Abbey Tower Castle Granite Marble Copper Amber Crystal Pearl Opal"
)
_KINDS: Final = _pool("Street Avenue Road Drive Lane Court Boulevard Place Terrace Circle Way")
_TOWN_HEADS: Final = _pool(
    "Ash Bell Clear Dry East Fair Glen Green High Iron Lake Mill New North Oak Red Rock Salt Sand "
    "South Spring Stone West White Willow"
)
_TOWN_ENDS: Final = _pool(
    "brook bury dale field ford haven mont port ridge side ton vale ville water wood"
)


@cache
def pool(group: str, kind: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """(names, cumulative weights by rank) of a group; kind: family, female, male."""
    text = (files("chartloom.simulate.identity") / "names.csv").read_text(encoding="utf-8")
    rows = csv.reader(line for line in text.splitlines() if not line.startswith("#"))
    names = next(tuple(r[2].split()) for r in rows if r[:2] == [group, kind])
    total, cumulative = 0.0, []
    for rank in range(len(names)):
        total += 1 / (rank + 4) ** 0.9
        cumulative.append(total)
    return names, tuple(cumulative)


def _draw(rng: Random, group: str, kind: str) -> str:
    names, cumulative = pool(group, kind)
    return rng.choices(names, cum_weights=cumulative)[0].replace(
        "-", " " if kind == "family" else "-"
    )


def family_name(rng: Random, group: str) -> str:
    """One family name; a third of some groups' are put together and rare."""
    if group in _RARE and rng.random() < 0.35:
        heads, ends = _RARE[group]
        return rng.choice(heads.split()) + rng.choice(ends.split())
    return _draw(rng, group, "family")


def given_names(rng: Random, group: str, sex: str) -> tuple[str, str]:
    """(given name, middle name or ""), in the shape of the group."""
    kind = "female" if sex == "F" else "male"
    if group == "chinese" or group == "korean":
        first, second = _draw(rng, group, kind), _draw(rng, group, kind)
        return (first + second.lower() if rng.random() < 0.9 else first), ""
    given = _draw(rng, group, kind)
    if group == "vietnamese":
        usual = "Thi" if sex == "F" and rng.random() < 0.5 else _draw(rng, group, kind)
        return given, usual
    if group == "hispanic" and sex == "F" and rng.random() < 0.12:
        return (
            f"Maria {rng.choice(('del Carmen', 'de los Angeles', 'Luisa', 'Elena', 'Teresa'))}",
            "",
        )
    middle = _draw(rng, group, kind) if rng.random() < 0.75 else ""
    return given, "" if middle == given else middle


def rhyming(rng: Random, group: str, sex: str, given: str) -> str:
    """A name as parents choose it beside another: one or two letters away, or made up so."""
    names, _ = pool(group, "female" if sex == "F" else "male")
    others = [n for n in names if n[:4] != given[:4]]
    near = [n for n in others if OSA.distance(n, given, score_cutoff=2) <= 2]
    if near and rng.random() < 0.6:
        return rng.choice(near)
    first = rng.choice([c for c in "BDJKLMRT" if c != given[0]])
    return first + (given[1:] if given[0] not in "AEIOU" else given.lower())


def family_of(rng: Random, group: str, father: str, mother: str, sex: str) -> str:
    """A child's family name out of its parents'."""
    if group in ("hispanic", "portuguese"):
        one, other = father.split()[0], mother.split()[0]
        return f"{one} {other}" if group == "hispanic" else f"{other} {one}"
    if group == "slavic":
        return gendered(father, sex)
    return father


def gendered(family: str, sex: str) -> str:
    """Slavic endings: Kowalski and Kowalska, Petrov and Petrova."""
    for male, female in (
        ("ski", "ska"),
        ("cki", "cka"),
        ("ov", "ova"),
        ("ev", "eva"),
        ("in", "ina"),
    ):
        if sex == "F" and family.endswith(male):
            return family[: -len(male)] + female
        if sex == "M" and family.endswith(female):
            return family[: -len(female)] + male
    return family


class Places:
    """The towns of one world: (city, state, postal code) with streets that many have."""

    def __init__(self, rng: Random, count: int) -> None:
        self.towns: list[tuple[str, str, str]] = []
        for number in range(count):
            name = rng.choice(_TOWN_HEADS) + rng.choice(_TOWN_ENDS)
            self.towns.append((name, rng.choice(("AZ", "NM", "CO")), f"{85000 + number * 3}"))

    def draw(self, rng: Random, near: int = -1) -> tuple[int, str, str]:
        """(index of the town, street with house number, flat or "")."""
        town = near if near >= 0 and rng.random() < 0.7 else rng.randrange(len(self.towns))
        street = f"{rng.choice(_STREETS).replace('-', ' ')} {rng.choice(_KINDS)}"
        if rng.random() < 0.15:
            street = f"{rng.choice(('North', 'South', 'East', 'West'))} {street}"
        flat = f"Apt {rng.randrange(1, 400)}" if rng.random() < 0.3 else ""
        return town, f"{rng.randrange(1, 9900)} {street}", flat
