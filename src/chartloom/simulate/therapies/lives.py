"""Lives with drugs: prescribed, filled, changed, stopped here and not there, or just given up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

import msgspec

from chartloom.simulate.therapies.model import Drug, Habits, Happening, Life, TrueTherapy, drugs
from chartloom.simulate.times import DAY, HOUR, MINUTE, between

_YEAR_DAYS = 365.25
#: How long before now a person's history begins, at most.
HISTORY_DAYS = 900


def lives(seed: int, count: int, habits: Habits, now_us: int) -> Iterator[Life]:
    """``count`` people; the same arguments give the same lives."""
    for person in range(count):
        yield Weaver(Random(f"{seed}/{habits.name}/{person}"), person, habits, now_us).life()


def _counted(said: Iterable[Happening]) -> Iterator[Happening]:
    """Of each fill as many pieces as its days need at the dose that was ordered by then."""
    doses: dict[str, float] = {}
    for one in said:
        key = one.drug.key
        if one.what in ("order", "change"):
            doses[key] = float(one.dose)
        if one.what == "fill":
            usual = float(one.drug.dose)
            times = doses.get(key, usual) / usual
            pieces = one.days_meant * one.drug.per_day * one.drug.pieces * times
            one = msgspec.structs.replace(one, quantity=max(1, round(pieces)))
        yield one


class Weaver:
    """One life as it happens. gap_days: by how much this person's fills are late, in the mean."""

    def __init__(self, rng: Random, person: int, habits: Habits, now_us: int) -> None:
        self.rng, self.person, self.habits, self.now_us = rng, person, habits, now_us
        self.said: list[Happening] = []
        self.truth: list[TrueTherapy] = []
        self.asked: list[tuple[Drug, int, int]] = []
        self.count = 0
        self.seen = rng.random() < habits.fills_seen
        shares = [share for share, _ in habits.gap_days]
        self.gap_days = rng.choices([days for _, days in habits.gap_days], shares)[0]

    def life(self) -> Life:
        pool = {kind: [d for d in drugs() if d.kind == kind] for kind in ("long", "prn", "course")}
        wanted = self.rng.randint(*self.habits.therapies)
        for drug in self.rng.sample(pool["long"], wanted):
            self._long(drug, self._ago(20, HISTORY_DAYS))
        if self.rng.random() < 0.35:
            self._as_needed(self.rng.choice(pool["prn"]), self._ago(10, 500))
        often = int(self.habits.courses * 2 + self.rng.random())
        for drug in self.rng.sample(pool["course"], min(often, len(pool["course"]))):
            self._course(drug, self._ago(0, 600))
        if self.rng.random() < self.habits.stays * 2:
            self._stay(self._ago(0, 500))
        self._visits()
        said = sorted(self.said, key=lambda h: (h.at_us, h.number, h.own))
        kept = tuple(_counted(h for h in said if h.at_us <= self.now_us))
        return Life(self.person, kept, tuple(self.truth))

    # -- what people take for long

    def _long(self, drug: Drug, start_us: int) -> None:
        rng, habits = self.rng, self.habits
        outside = rng.random() < habits.outside
        source = "outside" if outside else rng.choice(("house", "house", "clinic"))
        if rng.random() < habits.never_filled and self.now_us - start_us < 500 * DAY:
            self._order(drug, source, start_us)
            self.truth.append(TrueTherapy(drug.key, "long", start_us, start_us, "never-filled"))
            return
        until_us, why = self._fate(start_us)
        order = self._order(drug, source, start_us)
        second = self._second(drug, source, start_us, until_us)
        self._fills(drug, order, start_us + between(rng, HOUR, 4 * DAY), until_us, why)
        order = self._renewals(drug, order, until_us)
        if why == "explicitly":
            self._stop(order, until_us)
            if second is not None and rng.random() < habits.told:
                self._stop(second, until_us + between(rng, DAY, 20 * DAY))
        elif why == "held":
            self._say(msgspec.structs.replace(order, at_us=until_us, what="hold"))
        self.asked.append((drug, start_us, until_us))
        self.truth.append(TrueTherapy(drug.key, "long", start_us, until_us, why, outside))

    def _fate(self, start_us: int) -> tuple[int, str]:
        """When and how it ends; (0, "") if it has not yet."""
        habits = self.habits
        rates = (
            ("explicitly", habits.explicit_stop),
            ("silently", habits.silent_stop),
            ("held", habits.hold),
        )
        ends = [
            (start_us + int(self.rng.expovariate(rate / _YEAR_DAYS) * DAY), why)
            for why, rate in rates
            if rate
        ]
        end_us, why = min(ends)
        return (end_us, why) if end_us <= self.now_us else (0, "")

    def _order(self, drug: Drug, source: str, at_us: int, end_us: int = 0) -> Happening:
        self.count += 1
        number = f"T{self.person:06d}{self.count:04d}"
        order = Happening(
            at_us, source, "order", drug, drug.names[0], number,
            dose=drug.dose, since_us=at_us, end_us=end_us,
        )  # fmt: skip
        self._say(order)
        return order

    def _second(self, drug: Drug, source: str, start_us: int, until_us: int) -> Happening | None:
        """Another source takes the therapy over as well, under its own number and words."""
        if self.rng.random() >= self.habits.second:
            return None
        other = "clinic" if source != "clinic" else "house"
        at_us = start_us + between(self.rng, 5 * DAY, 150 * DAY)
        if 0 < until_us <= at_us:
            return None
        order = self._order(msgspec.structs.replace(drug, names=self._named(drug)), other, at_us)
        return order if at_us <= self.now_us else None

    def _named(self, drug: Drug) -> tuple[str, ...]:
        return (self.rng.choice(drug.names),)

    def _renewals(self, drug: Drug, order: Happening, until_us: int) -> Happening:
        """A new order a year, and one for another dose; the old one is closed, or not."""
        at_us = order.at_us
        end_us = until_us or self.now_us
        while True:
            rate = self.habits.change + 1.0
            at_us += int(max(40.0, self.rng.gauss(360 / rate, 40)) * DAY)
            if at_us >= end_us:
                return order
            dose = order.dose
            if self.rng.random() < self.habits.change / rate:
                dose = f"{float(order.dose) * self.rng.choice((0.5, 2.0)):g}"
                if order.source == "house":
                    order = msgspec.structs.replace(order, dose=dose, at_us=at_us, what="change")
                    self._say(order)
                    continue
            new = self._order(msgspec.structs.replace(drug, dose=dose), order.source, at_us)
            if self.rng.random() >= self.habits.left_open:
                self._say(msgspec.structs.replace(order, at_us=at_us + MINUTE, what="complete"))
            order = new

    def _fills(self, drug: Drug, order: Happening, first_us: int, until_us: int, why: str) -> None:
        days = self.rng.choice(drug.days)
        at_us = first_us
        more = 0
        if why == "explicitly" and self.rng.random() < self.habits.autofill:
            more = self.rng.choice((1, 1, 2))
        while at_us <= self.now_us:
            if until_us and at_us > until_us:
                if not more:
                    return
                more -= 1
            self._fill(drug, order, at_us, days)
            at_us += days * DAY + self._gap()

    def _gap(self) -> int:
        if self.rng.random() < self.habits.early:
            return -between(self.rng, 0, 6 * DAY)
        return int(self.rng.expovariate(1 / self.gap_days) * DAY)

    def _fill(self, drug: Drug, order: Happening, at_us: int, days: int) -> None:
        if not self.seen:
            return
        other = self.rng.random() < self.habits.generic
        name = self.rng.choice(drug.names) if other else drug.names[0]
        said = days if self.rng.random() < self.habits.days_said else 0
        self.count += 1
        self._say(
            Happening(
                at_us, "retail", "fill", drug, name, "" if other else order.number,
                own=f"F{self.person:06d}{self.count:04d}", days=said, days_meant=days,
            )
        )  # fmt: skip

    def _stop(self, order: Happening, at_us: int) -> None:
        if at_us <= self.now_us and order.source != "outside":
            self._say(msgspec.structs.replace(order, at_us=at_us, what="stop"))

    def _visits(self) -> None:
        """At some visits somebody asks for everything that is taken; sometimes one of the answers
        is left out or old."""
        at_us = self.now_us - HISTORY_DAYS * DAY
        while True:
            at_us += int(self.rng.expovariate(self.habits.lists / _YEAR_DAYS) * DAY)
            if at_us > self.now_us:
                break
            self._asked(at_us)
        if self.habits.asked:
            self._asked(self.now_us - DAY)

    def _asked(self, at_us: int) -> None:
        for drug, start_us, until_us in self.asked:
            if start_us < at_us and (what := self._answer(until_us, at_us)):
                self._list(drug, at_us, what)

    def _answer(self, until_us: int, at_us: int) -> str:
        chance = self.rng.random()
        if not 0 < until_us <= at_us:
            return "list" if chance < 0.9 else ""
        if at_us - until_us < 60 * DAY and chance < 0.08:
            return "list"
        return "unlist" if chance > 0.85 else ""

    def _list(self, drug: Drug, at_us: int, what: str) -> None:
        self.count += 1
        own = f"L{self.person:06d}{self.count:04d}"
        name = self.rng.choice(drug.names)
        self._say(Happening(at_us, "portal", what, drug, name, own, own=own, dose=drug.dose))

    # -- the rest

    def _as_needed(self, drug: Drug, start_us: int) -> None:
        until_us, why = self._fate(start_us)
        order = self._order(drug, self.rng.choice(("house", "clinic")), start_us)
        at_us = start_us + between(self.rng, HOUR, 2 * DAY)
        while at_us <= (until_us or self.now_us):
            self._fill(drug, order, at_us, drug.days[0])
            at_us += int((20 + self.rng.expovariate(1 / 50)) * DAY)
        if why == "explicitly":
            self._stop(order, until_us)
        elif why == "held":
            self._say(msgspec.structs.replace(order, at_us=until_us, what="hold"))
        self.asked.append((drug, start_us, until_us))
        self.truth.append(TrueTherapy(drug.key, "prn", start_us, until_us, why))

    def _course(self, drug: Drug, start_us: int) -> None:
        days = drug.days[0] + self.rng.choice((0, 0, 2))
        until_us = start_us + days * DAY
        bounded = self.rng.random() >= self.habits.left_open / 2
        source = self.rng.choice(("house", "clinic"))
        order = self._order(drug, source, start_us, until_us if bounded else 0)
        if self.rng.random() >= self.habits.never_filled:
            self._fill(drug, order, start_us + between(self.rng, MINUTE, 5 * HOUR), days)
        self.truth.append(TrueTherapy(drug.key, "course", start_us, until_us, "course"))

    def _stay(self, start_us: int) -> None:
        """Drugs of a ward; some orders are never closed."""
        until_us = start_us + between(self.rng, DAY, 6 * DAY)
        ward = [d for d in drugs() if d.kind == "ward"]
        for drug in self.rng.sample(ward, 2):
            order = self._order(drug, "house", start_us)
            at_us = start_us + HOUR
            while at_us < until_us:
                self.count += 1
                own = f"G{self.person:06d}{self.count:04d}"
                self._say(msgspec.structs.replace(order, at_us=at_us, what="give", own=own))
                at_us += int(24 / drug.per_day) * HOUR
            if self.rng.random() >= self.habits.left_open:
                self._stop(order, until_us)
            self.truth.append(TrueTherapy(drug.key, "ward", start_us, until_us, "ward"))

    def _ago(self, least: int, most: int) -> int:
        return self.now_us - between(self.rng, least * DAY, most * DAY)

    def _say(self, happening: Happening) -> None:
        if happening.source != "outside":
            self.said.append(happening)
