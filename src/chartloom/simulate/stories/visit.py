"""A visit to the house, from arrival to discharge, with what registration gets wrong on the way."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from chartloom.simulate.catalog import DIAGNOSES
from chartloom.simulate.facts import Charge, Encounter, Stay
from chartloom.simulate.house import WARDS
from chartloom.simulate.patient import Patient
from chartloom.simulate.times import HOUR, MINUTE, SECOND, between


class Visit:
    """Builds one encounter step by step; every step emits its ADT message."""

    def __init__(
        self, patient: Patient, rng: Random, reason: str, start_us: int, *, mrn: str = ""
    ) -> None:
        self.patient, self.rng, self.mrn = patient, rng, mrn
        self.attending = rng.randrange(len(patient.staff))
        code, text = DIAGNOSES[reason]
        self.now = Encounter(
            visit=patient.number("V"),
            mrn=mrn or patient.person.mrn,
            patient_class="",
            status="in-progress",
            start_us=start_us,
            end_us=0,
            stays=(),
            service="",
            attending=self.attending,
            reason_code=code,
            reason_text=text,
        )

    @property
    def number(self) -> str:
        """The visit number."""
        return self.now.visit

    def _say(self, trigger: str, at_us: int) -> None:
        recorded_us = at_us + between(self.rng, 20 * SECOND, 4 * MINUTE)
        self.patient.emit(recorded_us, "adt", trigger, self.now, mrn=self.mrn)

    def arrive(self, trigger: str, patient_class: str, unit: str) -> None:
        """A04 or A01; sometimes at first for nothing (A11), then once more under a new number."""
        self.now = replace(
            self.now,
            patient_class=patient_class,
            service=WARDS[unit][2] if unit in WARDS else unit,
            stays=(self._bed(unit, self.now.start_us),),
        )
        if self.rng.random() < self.patient.rates.cancelled_admission:
            self._false_start(trigger)
        self._say(trigger, self.now.start_us)

    def plan(self, unit: str, expected_us: int) -> None:
        """A05: an admission that is expected."""
        planned = replace(
            self.now,
            patient_class="P",
            status="planned",
            service=WARDS[unit][2],
            expected_us=expected_us,
            start_us=0,
            stays=(self._bed(unit, 0),),
        )
        start_us, self.now = self.now.start_us, planned
        self._say("ADT^A05", start_us)

    def _false_start(self, trigger: str) -> None:
        right = self.now
        self.now = replace(right, visit=self.patient.number("V"))
        self._say(trigger, right.start_us)
        self.now = replace(self.now, status="cancelled")
        self._say("ADT^A11", right.start_us + 6 * MINUTE)
        start_us = right.start_us + 12 * MINUTE
        stay = replace(right.stays[0], start_us=start_us)
        self.now = replace(right, start_us=start_us, stays=(stay,))

    def _bed(self, unit: str, at_us: int) -> Stay:
        if unit not in WARDS:
            return Stay(unit, "", "", at_us)
        rooms, beds, _ = WARDS[unit]
        room = f"{self.rng.randint(1, rooms):02d}"
        return Stay(unit, room, "AB12"[self.rng.randrange(beds)], at_us)

    def diagnose(self, at_us: int, name: str, kind: str = "W") -> None:
        """A08 with one more diagnosis."""
        diagnosis = (*DIAGNOSES[name], kind)
        self.now = replace(self.now, diagnoses=(*self.now.diagnoses, diagnosis))
        self._say("ADT^A08", at_us)

    def admit_from_ed(self, at_us: int, unit: str) -> None:
        """A06: the same visit becomes an inpatient stay."""
        self._move(at_us, unit)
        self.now = replace(self.now, patient_class="I")
        self._say("ADT^A06", at_us)

    def back_to_outpatient(self, at_us: int) -> None:
        """A07: the same visit becomes an outpatient one (observation ended without a bed)."""
        self._move(at_us, "ED")
        self.now = replace(self.now, patient_class="O")
        self._say("ADT^A07", at_us)

    def transfer(self, at_us: int, unit: str) -> None:
        """A02; sometimes cancelled (A12) and done again."""
        before = self.now
        self._move(at_us, unit)
        self._say("ADT^A02", at_us)
        if self.rng.random() < self.patient.rates.cancelled_transfer:
            self.now = before
            self._say("ADT^A12", at_us + 8 * MINUTE)
            again_us = at_us + 40 * MINUTE
            self._move(again_us, unit)
            self._say("ADT^A02", again_us)

    def _move(self, at_us: int, unit: str) -> None:
        *earlier, last = self.now.stays
        stays = (*earlier, replace(last, end_us=at_us), self._bed(unit, at_us))
        self.now = replace(self.now, stays=stays, service=WARDS[unit][2])

    def discharge(self, at_us: int, disposition: str = "01") -> int:
        """A03; sometimes cancelled (A13) and done again. Returns the true end."""
        before = self.now
        self._end(at_us, disposition)
        self._say("ADT^A03", at_us)
        if self.rng.random() < self.patient.rates.cancelled_discharge:
            self.now = before
            self._say("ADT^A13", at_us + 15 * MINUTE)
            at_us += between(self.rng, 2 * HOUR, 20 * HOUR)
            self._end(at_us, disposition)
            self._say("ADT^A03", at_us)
        self.patient.hold(at_us + HOUR)
        return at_us

    def _end(self, at_us: int, disposition: str) -> None:
        *earlier, last = self.now.stays
        final = tuple((c, t, "F") for c, t, _ in self.now.diagnoses[-1:])
        self.now = replace(
            self.now,
            status="finished",
            end_us=at_us,
            stays=(*earlier, replace(last, end_us=at_us)),
            disposition=disposition,
            diagnoses=(*self.now.diagnoses[:-1], *final),
        )

    def charge(self, at_us: int, *items: tuple[str, str, str]) -> None:
        """DFT: charges (code, text, amount) in one message; one in twenty-five is reversed."""
        charges = [
            Charge(self.patient.number("C"), code, text, amount, "CG", at_us, self.number)
            for code, text, amount in items
        ]
        self.patient.emit(at_us, "billing", "DFT^P03", *charges, mrn=self.mrn)
        if self.rng.random() < 0.04:
            number = self.patient.number("C")
            back = replace(charges[0], number=number, kind="CR", amount=f"-{charges[0].amount}")
            later_us = at_us + between(self.rng, 4 * HOUR, 60 * HOUR)
            self.patient.emit(
                later_us, "billing", "DFT^P03", replace(back, at_us=later_us), mrn=self.mrn
            )
