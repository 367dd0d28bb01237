"""Medications: started, changed, stopped, run out, and those that just fade away."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from chartloom.simulate.catalog import FORMULARY
from chartloom.simulate.facts import Administration, Dispense, Medication
from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import DAY, HOUR, MINUTE, between


def prescribe(
    patient: Patient,
    rng: Random,
    key: str,
    at_us: int,
    *,
    days: int = 0,
    visit: Visit | None = None,
) -> Medication:
    """RDE with ORC-1 NW. ``days``: 0 is until further notice."""
    drug = FORMULARY[key]
    medication = Medication(
        order=patient.number("RX"),
        drug=key,
        dose=drug.dose,
        dose_unit=drug.dose_unit,
        frequency=drug.frequency,
        route=drug.route[0],
        status="active",
        start_us=at_us,
        prescriber=visit.attending if visit else rng.randrange(len(patient.staff)),
        duration_days=days,
        dose_history=((at_us, drug.dose),),
        visit=visit.number if visit else "",
    )
    mrn = visit.mrn if visit else ""
    patient.emit(at_us, "pharmacy", "RDE^O11", medication, mrn=mrn)
    if days:
        end_us = at_us + days * DAY
        done = replace(medication, status="completed", end_us=end_us, how_ended="completed")
        patient.emit(end_us, "", "", done)
    return medication


def dispense(patient: Patient, medication: Medication, at_us: int) -> None:
    """RDS: one fill."""
    drug = FORMULARY[medication.drug]
    fill = Dispense(
        number=patient.number("RF"),
        order=medication.order,
        drug=medication.drug,
        at_us=at_us,
        quantity=drug.quantity,
        unit=drug.form[0],
        days_supply=drug.days_supply,
    )
    patient.emit(at_us, "pharmacy", "RDS^O13", fill)


def change(patient: Patient, medication: Medication, at_us: int, factor: float) -> Medication:
    """RDE with ORC-1 XO: the same order, another dose."""
    dose = f"{float(medication.dose) * factor:g}"
    changed = replace(medication, dose=dose, dose_history=(*medication.dose_history, (at_us, dose)))
    patient.emit(at_us, "pharmacy", "RDE^O11", changed)
    return changed


def stop(patient: Patient, medication: Medication, at_us: int, visit: Visit | None = None) -> None:
    """RDE with ORC-1 DC."""
    ended = replace(medication, status="stopped", end_us=at_us, how_ended="explicitly")
    mrn = visit.mrn if visit else ""
    patient.emit(at_us, "pharmacy", "RDE^O11", ended, mrn=mrn)


def give(
    patient: Patient, rng: Random, medication: Medication, visit: Visit, from_us: int, to_us: int
) -> None:
    """RAS at the times of the frequency; a dose in thirty is refused or held."""
    every_us = {"Q12H": 12, "Q24H": 24, "DAILY": 24}.get(medication.frequency, 8) * HOUR
    at_us = from_us + between(rng, 10 * MINUTE, 50 * MINUTE)
    while at_us < to_us:
        administration = Administration(
            number=patient.number("AD"),
            order=medication.order,
            drug=medication.drug,
            at_us=at_us,
            dose=medication.dose,
            dose_unit=medication.dose_unit,
            status=rng.choices(("CP", "RE", "NA"), (29, 0.6, 0.4))[0],
        )
        recorded_us = at_us + between(rng, MINUTE, 6 * MINUTE)
        patient.emit(recorded_us, "pharmacy", "RAS^O17", administration, mrn=visit.mrn)
        if medication.frequency == "ONCE":
            return
        at_us += every_us + between(rng, 0, 20 * MINUTE)


def long_term(patient: Patient, rng: Random, key: str, start_us: int) -> Process:
    """A prescription without end: fills with gaps, a change now and then, and some day an end."""
    now_us = yield Wake(start_us)
    medication = prescribe(patient, rng, key, now_us)
    supply_us = FORMULARY[key].days_supply * DAY
    adherence = rng.choice((1.0, 0.95, 0.8, 0.6))
    end_share = patient.rates.silent_stop * supply_us / (365 * DAY)
    now_us = yield Wake(now_us + between(rng, HOUR, 2 * DAY))
    while True:
        if rng.random() < adherence:
            dispense(patient, medication, now_us)
        fate = rng.random()
        if fate < end_share:
            given_up_us = now_us + between(rng, DAY, supply_us)  # while some is still there
            dropped = replace(
                medication, status="stopped", end_us=given_up_us, how_ended="silently"
            )
            patient.emit(given_up_us, "", "", dropped)
            return
        if fate < end_share + 0.012:
            stop(patient, medication, now_us + 3 * HOUR)
            return
        if fate > 0.965:
            factor = rng.choice((0.5, 2.0))
            medication = change(patient, medication, now_us + 2 * HOUR, factor)
        now_us = yield Wake(now_us + supply_us + between(rng, -2 * DAY, 9 * DAY))
