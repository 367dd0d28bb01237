"""Which stories happen to whom."""

from __future__ import annotations

from chartloom.simulate.patient import Patient
from chartloom.simulate.stories import (
    asthma,
    birth,
    chronic,
    clinic,
    inpatient,
    outpatient,
    registry,
    sensitive,
)
from chartloom.simulate.times import DAY, HOUR, YEAR, between


def begin(patient: Patient, from_us: int) -> None:
    """Spawns the processes that make up the patient's life from ``from_us`` on."""
    if patient.person.mother >= 0:
        _newborn(patient)
        return
    rng = patient.rng("start")
    start_us = from_us + between(rng, 0, 12 * DAY)
    taken = chronic.regimen(patient, patient.rng("regimen"), start_us + 2 * HOUR)
    problems = chronic.problems(taken, patient.rng("problems"), start_us, "adt")
    problems += sensitive.problems(patient, start_us)
    allergies = registry.register(patient, patient.rng("register"), start_us, problems)
    patient.spawn(registry.refutations(patient, patient.rng("refutations"), allergies))
    patient.spawn(registry.changes(patient, patient.rng("changes"), start_us))
    patient.spawn(registry.everyday(patient, patient.rng("everyday"), start_us + DAY))
    patient.spawn(outpatient.vaccinations(patient, patient.rng("vaccines"), start_us + DAY))
    often_us = (150 if patient.person.archetype in ("adult", "child") else 75) * DAY
    patient.spawn(
        outpatient.appointments(patient, patient.rng("appointments"), start_us + DAY, often_us)
    )
    if patient.person.alias_mrn:
        patient.spawn(registry.second_record(patient, patient.rng("alias"), start_us))
    if patient.rng("mix-up").random() < patient.rates.mixed_up:
        patient.spawn(registry.mixed_up(patient, patient.rng("mixed up"), start_us))
    if patient.person.clinic_id:
        joins_us = start_us + between(rng, DAY, 20 * DAY)
        patient.spawn(clinic.attends(patient, patient.rng("clinic"), joins_us, problems, allergies))
    sensitive.begin(patient, start_us + DAY)
    _illness(patient, start_us + DAY)


def _illness(patient: Patient, start_us: int) -> None:
    kind = patient.person.archetype
    if kind.startswith("asthma"):
        patient.spawn(asthma.attacks(patient, patient.rng("asthma"), start_us))
    elif kind == "diabetes":
        panels = ("A1C", "BMP", "LIPID")
        patient.spawn(chronic.check_ups(patient, patient.rng("check-ups"), start_us, panels))
        patient.spawn(inpatient.infections(patient, patient.rng("infections"), start_us, 3 * YEAR))
    elif kind == "elderly":
        panels = ("BMP", "PT", "CBC")
        patient.spawn(chronic.check_ups(patient, patient.rng("check-ups"), start_us, panels))
        patient.spawn(inpatient.infections(patient, patient.rng("infections"), start_us, YEAR))
    elif kind == "pregnancy":
        patient.spawn(birth.delivery(patient, patient.rng("delivery")))


def _newborn(patient: Patient) -> None:
    born_us = patient.person.birth_us
    patient.spawn(birth.newborn(patient, patient.rng("birth")))
    patient.spawn(outpatient.vaccinations(patient, patient.rng("vaccines"), born_us + 3 * HOUR))
    patient.spawn(
        outpatient.appointments(patient, patient.rng("appointments"), born_us + 10 * DAY, 60 * DAY)
    )
    patient.spawn(registry.everyday(patient, patient.rng("everyday"), born_us + 20 * DAY))
