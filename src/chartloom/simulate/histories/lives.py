"""Lives with problems and allergies, told by sources that do not know of each other."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final

from chartloom.simulate.histories import write as w
from chartloom.simulate.histories.model import (
    ACUTE,
    CHRONIC,
    SUBSTANCES,
    Disease,
    Habits,
    History,
    Sent,
    Substance,
    Truth,
)

DAY: Final = 86_400_000_000
#: For how long the sources have been telling.
TOLD_DAYS: Final = 900
_FHIR: Final = ("clinic", "practice")
#: Table 0438. Whoever refutes an allergy takes the entry back as erroneous.
_STATUS: Final = {"active": "C", "resolved": "I", "refuted": "E", "erroneous": "E"}
_TYPES: Final = {"medication": "DA", "food": "FA", "environment": "EA"}


def lives(seed: int, count: int, habits: Habits, now_us: int) -> Iterator[History]:
    """So many persons; the same arguments give the same bytes. now_us: when the truth is asked."""
    for person in range(count):
        yield _Life(Random(f"{seed}/{habits.name}/{person}"), person, habits, now_us).live()


class _Life:
    def __init__(self, rng: Random, person: int, habits: Habits, now_us: int) -> None:
        self.rng, self.person, self.habits, self.now_us = rng, person, habits, now_us
        self.start_us = now_us - TOLD_DAYS * DAY
        self.sent: list[Sent] = []
        self.problems: set[str] = set()
        self.allergies: set[str] = set()
        self.entered: frozenset[str] = frozenset()
        self.number = 0

    def live(self) -> History:
        rng, habits = self.rng, self.habits
        self._v2("ADT^A28", self.start_us)
        for source in _FHIR:
            if rng.random() < 0.7:
                self.sent.append(self._bundle(source, self.start_us))
        had = rng.sample(CHRONIC, rng.choice((0, 1, 1, 2, 2, 3, 4)))
        for disease in had:
            self._chronic(disease)
        for _ in range(self._times(habits.acute)):
            self._acute(rng.choice(ACUTE))
        others = [d for d in CHRONIC if d not in had]
        for _ in range(self._times(habits.tested)):
            self._tested(rng.choice(others))
        self._allergic()
        self.sent.sort(key=lambda one: (one.at_us, one.feed, one.body))
        truth = Truth(frozenset(self.problems), frozenset(self.allergies))
        return History(self.person, tuple(self.sent), truth)

    # What is sent

    def _times(self, mean: float) -> int:
        return sum(self.rng.random() < mean / 6 for _ in range(6))

    def _at(self, from_us: int = 0, to_us: int = 0) -> int:
        first, last = from_us or self.start_us + DAY, to_us or self.now_us - DAY
        return self.rng.randrange(first, max(last, first + 1)) // 1_000_000 * 1_000_000

    def _id(self, *parts: str) -> str:
        return "-".join(("h", str(self.person), *parts)).replace(":", ".")[:60]

    def _v2(self, kind: str, at_us: int, *segments: str, visit: str = "") -> None:
        self.number += 1
        body = w.v2(self.person, kind, at_us, self.number, *segments, visit=visit)
        self.sent.append(Sent("billing" if kind.startswith("DFT") else "house", at_us, body))

    def _bundle(self, source: str, at_us: int, *resources: dict[str, object]) -> Sent:
        return Sent(source, at_us, w.bundle(source, self.person, at_us, *resources))

    def _visit(
        self, disease: Disease, at_us: int, kind: str = "F", patient_class: str = "O"
    ) -> str:
        """A visit to the house with this diagnosis; its number."""
        self.number += 1
        number = f"V{self.person}-{self.number}"
        code, words = self.rng.choice(disease.codes)
        diagnosis = w.dg1(code, words, kind, at_us)
        self._v2("ADT^A03" if patient_class == "I" else "ADT^A04", at_us, diagnosis,
                 visit=f"{patient_class}^{number}")  # fmt: skip
        return number

    def _bill(self, disease: Disease, at_us: int, number: str = "") -> None:
        code, words = self.rng.choice(disease.codes)
        self.number += 1
        visit = f"O^{number or f'V{self.person}-{self.number}'}"
        charge = w.ft1(f"C{self.person}-{self.number}", at_us, code, words)
        self._v2("DFT^P03", at_us + DAY, charge, w.dg1(code, words, "F"), visit=visit)

    def _listing(
        self, source: str, disease: Disease, status: str, since_us: int, at_us: int
    ) -> None:
        code, words = disease.codes[0]
        one = w.condition(self._id(source, disease.key), code, words, status, since_us)
        self.sent.append(self._bundle(source, at_us, one))

    # Problems

    def _chronic(self, disease: Disease) -> None:
        rng, habits = self.rng, self.habits
        since_us = self._at(self.start_us + DAY, self.now_us - 60 * DAY)
        ends_us = self._at(since_us + 30 * DAY) if rng.random() < habits.resolves else 0
        if not ends_us:
            self.problems.add(disease.key)
        last_us = ends_us or self.now_us - DAY
        if rng.random() < habits.billed_only:
            for _ in range(rng.choice((1, 2, 4))):
                self._bill(disease, self._at(since_us, last_us))
        else:
            self._told(disease, since_us, last_us, ends_us)
        if disease.drug and rng.random() < habits.treated:
            one = w.prescription(self._id("rx", disease.key), disease.drug, since_us + DAY)
            self.sent.append(self._bundle(rng.choice(_FHIR), since_us + DAY, one))
        self._measure(disease, since_us, last_us, ill=True)

    def _told(self, disease: Disease, since_us: int, last_us: int, ends_us: int) -> None:
        rng, habits = self.rng, self.habits
        listing = [s for s in _FHIR if rng.random() < habits.listed]
        if not listing and rng.random() < habits.listed:
            code, words = disease.codes[0]
            self._v2("ADT^A31", since_us + DAY, w.dg1(code, words, "W", since_us))
        for source in listing:
            told_us = self._at(since_us, min(since_us + 120 * DAY, last_us))
            self._listing(source, disease, "active", told_us, told_us)
            if ends_us and rng.random() < habits.closed:
                self._listing(source, disease, "resolved", told_us, ends_us + DAY)
        for _ in range(rng.choice((0, 1, 1, 2, 3)) if listing else rng.choice((1, 2, 3, 4))):
            at_us = self._at(since_us, last_us)
            inpatient = "I" if rng.random() < 0.1 else "O"
            number = self._visit(disease, at_us, patient_class=inpatient)
            if rng.random() < 0.8:
                self._bill(disease, at_us, number)

    def _measure(self, disease: Disease, from_us: int, to_us: int, *, ill: bool) -> None:
        if disease.lab is None or self.rng.random() > self.habits.measured:
            return
        loinc, unit, high, normal = disease.lab
        for n in range(self.rng.choice((1, 2, 3))):
            value = (high if ill else normal) * self.rng.uniform(0.96, 1.04)
            id, at_us = self._id("lab", disease.key, str(n)), self._at(from_us, to_us)
            one = w.observation(id, loinc, unit, round(value, 1), at_us, disease.key)
            self.sent.append(self._bundle("clinic", at_us, one))

    def _acute(self, disease: Disease) -> None:
        at_us = self._at()
        if at_us + self.rng.randint(*disease.lasts) * DAY > self.now_us:
            self.problems.add(disease.key)
        number = self._visit(disease, at_us)
        if self.rng.random() < 0.8:
            self._bill(disease, at_us, number)
        if self.rng.random() < 0.15:
            self._listing("clinic", disease, "active", at_us, at_us + DAY)

    def _tested(self, disease: Disease) -> None:
        """Looked for and not found: the code stands on the bill of the test all the same."""
        rng, habits = self.rng, self.habits
        at_us = self._at()
        if rng.random() < habits.suspected:
            self._visit(disease, at_us, "W")
        times = rng.choice((2, 3)) if rng.random() < habits.repeated else 1
        for n in range(times):
            self._bill(disease, min(at_us + n * 9 * DAY, self.now_us - 2 * DAY))
        if rng.random() < 0.1:
            self._listing("practice", disease, "active", at_us, at_us + DAY)
            if rng.random() < 0.6:
                self._listing("practice", disease, "refuted", at_us, self._at(at_us + 2 * DAY))
        self._measure(disease, at_us, self.now_us - DAY, ill=False)

    # Allergies

    def _allergic(self) -> None:
        rng, habits = self.rng, self.habits
        pool = rng.sample(SUBSTANCES, 4)
        count = rng.choice((0, 0, 1, 1, 2, 3))
        has = bool(count)
        self.entered = frozenset(s.key for s in pool[:count])
        for substance in pool[:count]:
            self._allergy(substance, true=rng.random() > habits.mislabelled)
        if rng.random() < habits.asked:
            early = rng.random() < 0.5
            if not has or early or rng.random() < habits.careless * 3:
                at_us = (
                    self.start_us + DAY if early or not has else self._at(self.now_us - 90 * DAY)
                )
                none = w.iam(self.person, ("L", "NKA", "No known allergies"), "MA", "C", at_us)
                self._v2("ADT^A60", at_us, none)

    def _allergy(self, substance: Substance, *, true: bool) -> None:
        rng, habits = self.rng, self.habits
        since_us = self._at(self.start_us + 2 * DAY, self.now_us - 100 * DAY)
        told = [s for s in ("house", *_FHIR) if rng.random() < 0.55] or ["house"]
        first_us = {s: self._at(since_us, since_us + 90 * DAY) for s in told}
        written = {s: rng.choice(substance.written) for s in told}
        for source in told:
            self._say(
                source, substance, written[source], "active", first_us[source], first_us[source]
            )
        self._slip(substance)
        outgrown = true and rng.random() < habits.outgrown
        if true and not outgrown:
            self.allergies.add(substance.key)
            return
        if rng.random() < habits.cleared:
            at_us = self._at(max(first_us.values()) + DAY, self.now_us - 2 * DAY)
            who = rng.choice(told)
            if rng.random() < 0.3 and substance.kind != "environment":
                name = f"{substance.written[0][2]} oral challenge"
                one = w.observation(self._id("ch", substance.key), "", "", "Tolerated", at_us, name)
                self.sent.append(self._bundle("clinic", at_us, one))
            else:
                status = "resolved" if outgrown else "refuted"
                if who == "house" and status == "refuted":
                    self._challenged(substance, at_us)
                self._say(who, substance, written[who], status, first_us[who], at_us)
            if rng.random() < habits.forwarded:
                copy_us = self._at(at_us + DAY)
                self._say("practice", substance, substance.written[0], "active", copy_us, copy_us)

    def _slip(self, substance: Substance) -> None:
        """The house enters another substance by mistake, and withdraws it, mostly."""
        if self.rng.random() >= self.habits.slips:
            return
        other = self.rng.choice(SUBSTANCES)
        if other.key == substance.key or other.key in self.allergies or other.key in self.entered:
            return
        at_us = self._at(self.start_us + 2 * DAY, self.now_us - 60 * DAY)
        self._say("house", other, other.written[0], "active", at_us, at_us)
        if self.rng.random() < 0.8:
            off_us = at_us + self.rng.randrange(1, 30) * DAY
            self._say("house", other, other.written[0], "erroneous", at_us, off_us)

    def _challenged(self, substance: Substance, at_us: int) -> None:
        """The house tests it and takes its entry back. What it found stands in the result only:
        HL7 v2 has no status for an allergy that was refuted."""
        if substance.kind == "environment":
            return
        self.number += 1
        name = f"{substance.written[0][2]} oral challenge"
        told = w.result(f"R{self.person}-{self.number}", name, "Tolerated", at_us - DAY)
        self._v2("ORU^R01", at_us - DAY, *told)

    def _say(
        self, source: str, substance: Substance, written: tuple[str, str, str], status: str,
        since_us: int, at_us: int,
    ) -> None:  # fmt: skip
        if source == "house":
            code = _STATUS[status]
            kind = _TYPES[substance.kind]
            self._v2("ADT^A60", at_us, w.iam(self.person, written, kind, code, at_us))
            return
        id = self._id(source, "al", substance.key)
        one = w.allergy(id, written, substance.kind, status, since_us)
        self.sent.append(self._bundle(source, at_us, one))
