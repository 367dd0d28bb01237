"""Nouns of simulated therapies: what happens, what is true, and how messy a place is."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class Drug(msgspec.Struct, frozen=True):
    """A row of ``drugs.csv``."""

    key: str
    kind: str
    dose: str
    unit: str
    per_day: float
    pieces: float
    days: tuple[int, ...]
    route: str
    names: tuple[str, ...]


class Habits(msgspec.Struct, frozen=True):
    """How people and systems behave. Rates are a year's, shares are probabilities.

    gap_days: mean days by which a fill is late, of three kinds of people and their shares.
    never_filled: of first prescriptions. outside: prescribed where nobody reports from.
    fills_seen: of pharmacies that report. days_said: of fills that say their days' supply.
    second: another source holds the therapy too; told: it hears of a stop. autofill: after a stop.
    left_open: renewed, replaced or ended orders that nobody closes. generic: fills under another
    name than ordered. lists: visits a year at which a person is asked for everything they take.
    asked: the last of them was yesterday. early: fills before the end.
    """

    name: str
    therapies: tuple[int, int] = (1, 6)
    explicit_stop: float = 0.15
    silent_stop: float = 0.2
    hold: float = 0.03
    change: float = 0.15
    gap_days: tuple[tuple[float, float], ...] = ((0.55, 2.0), (0.3, 7.0), (0.15, 20.0))
    early: float = 0.25
    asked: bool = False
    never_filled: float = 0.12
    outside: float = 0.02
    fills_seen: float = 0.95
    days_said: float = 0.9
    second: float = 0.2
    told: float = 0.5
    autofill: float = 0.2
    left_open: float = 0.3
    generic: float = 0.5
    lists: float = 0.5
    courses: float = 1.2
    stays: float = 0.2


_FRAGMENTED: Final = Habits(
    "fragmented",
    explicit_stop=0.2,
    silent_stop=0.3,
    gap_days=((0.35, 3.0), (0.4, 9.0), (0.25, 25.0)),
    never_filled=0.2,
    outside=0.06,
    fills_seen=0.85,
    days_said=0.6,
    second=0.45,
    told=0.25,
    autofill=0.35,
    left_open=0.6,
    generic=0.8,
)
#: Profiles. Rules were tuned on the first four, later on single seeds of all. The last two are for
#: many drugs, and a fragmented life on the day after a visit.
HABITS: Final[dict[str, Habits]] = {
    h.name: h
    for h in (
        Habits("usual"),
        Habits(
            "orderly",
            explicit_stop=0.2,
            silent_stop=0.08,
            gap_days=((0.85, 1.5), (0.15, 5.0)),
            never_filled=0.05,
            days_said=1.0,
            fills_seen=1.0,
            second=0.1,
            told=0.9,
            autofill=0.05,
            left_open=0.1,
        ),
        _FRAGMENTED,
        Habits("sparse", fills_seen=0.3, days_said=0.4, lists=1.0, second=0.35, left_open=0.5),
        Habits(
            "crowded",
            therapies=(3, 9),
            explicit_stop=0.25,
            silent_stop=0.15,
            hold=0.06,
            change=0.3,
            gap_days=((0.5, 2.5), (0.35, 6.0), (0.15, 15.0)),
            never_filled=0.15,
            outside=0.04,
            fills_seen=0.7,
            days_said=0.75,
            second=0.3,
            told=0.4,
            autofill=0.4,
            left_open=0.4,
            generic=0.7,
            lists=0.8,
            courses=2.0,
            stays=0.5,
        ),
        msgspec.structs.replace(_FRAGMENTED, name="asked", asked=True),
    )
}


class Happening(msgspec.Struct, frozen=True):
    """Something that a source says at a time.

    what: ``order``, ``change``, ``stop``, ``hold``, ``complete``, ``fill``, ``list``, ``give``.
    number: of the order; own: of the fill, dose or listing itself. name: as this source writes the
    drug. end_us: of a course that says its end. days: supply of a fill, 0 if it does not say;
    days_meant: what it is made for.
    """

    at_us: int
    source: str
    what: str
    drug: Drug
    name: str
    number: str
    own: str = ""
    dose: str = ""
    since_us: int = 0
    end_us: int = 0
    days: int = 0
    quantity: int = 0
    days_meant: int = 0


class TrueTherapy(msgspec.Struct, frozen=True):
    """What is so: since when and until when it is really taken (0: still). why: how it ended.

    ``never-filled``, ``explicitly``, ``silently``, ``held``, ``course``, ``ward`` or "".
    """

    key: str
    kind: str
    since_us: int
    until_us: int
    why: str
    outside: bool = False

    def active(self, at_us: int) -> bool:
        """Whether it is taken at a time."""
        return self.since_us <= at_us and not 0 < self.until_us <= at_us


class Life(msgspec.Struct, frozen=True):
    """One person's therapies: everything that was said, in order of time, and the truth."""

    person: int
    happenings: tuple[Happening, ...]
    truth: tuple[TrueTherapy, ...]


@cache
def drugs() -> tuple[Drug, ...]:
    """The catalogue."""
    text = (files("chartloom.simulate.therapies") / "drugs.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(
        Drug(
            row["key"],
            row["kind"],
            row["dose"],
            row["unit"],
            float(row["per_day"]),
            float(row["pieces"]),
            tuple(int(d) for d in row["days"].split()),
            row["route"],
            tuple(name.strip() for name in row["names"].split(";")),
        )
        for row in csv.DictReader(lines)
    )
