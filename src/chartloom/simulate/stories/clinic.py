"""The community clinic: its own record of some of the same people, kept by other hands.

Its lists are not the house's: conditions are named there first, allergies differ, and a drug that
the house never heard of is prescribed and later stopped there. ``trigger`` names the resources
that a bundle holds besides the Patient.
"""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from chartloom.simulate.catalog import FORMULARY, VITALS
from chartloom.simulate.facts import Allergy, Fact, Identifier, Medication, Problem, Result
from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories import labs, sensitive
from chartloom.simulate.times import DAY, MINUTE, at_hour, between

AUTHORITY = "https://alder-street.example.org/patients"


def attends(
    patient: Patient, rng: Random, start_us: int, problems: list[Problem], known: list[Allergy]
) -> Process:
    """A first bundle with what the clinic knows, then one bundle per visit."""
    number = Identifier("fhir", AUTHORITY, patient.person.clinic_id, "MR", start_us)
    listed = [replace(p, feed="fhir") for p in problems if rng.random() < 0.9]
    allergies = [
        replace(a, feed="fhir", since_us=start_us)
        for a in known
        if a.code != "NKA" and rng.random() < 0.7
    ]
    signed = sensitive.consent(patient, start_us)
    facts: list[Fact] = [patient.demographics, number, *listed, *allergies]
    patient.emit(start_us, "fhir", "Bundle", *facts, *([signed] if signed else []))
    drug: Medication | None = None
    now_us = start_us + between(rng, 2 * DAY, 90 * DAY)
    while True:
        now_us = yield Wake(at_hour(rng, now_us, 8, 17))
        drug, extra = _drug(patient, rng, now_us, drug)
        if extra is None and listed and rng.random() < 0.05:
            extra = replace(listed.pop(), status="resolved", ended_us=now_us)
        if extra is None and allergies and rng.random() < 0.06:
            extra = replace(allergies.pop(), status="refuted", ended_us=now_us)
        facts = [*_vitals(patient, rng, now_us), *([extra] if extra else [])]
        patient.emit(now_us + 12 * MINUTE, "fhir", "Bundle", *facts)
        now_us = patient.after(rng, now_us, 100 * DAY)


def _drug(
    patient: Patient, rng: Random, now_us: int, drug: Medication | None
) -> tuple[Medication | None, Medication | Problem | Allergy | None]:
    if drug is None:
        if rng.random() > 0.4 or patient.age_days(now_us) < 6 * 365:
            return None, None
        entry = FORMULARY[rng.choice(("D017", "D018"))]
        drug = Medication(
            order=patient.number("CRX"),
            drug=entry.key,
            dose=entry.dose,
            dose_unit=entry.dose_unit,
            frequency=entry.frequency,
            route=entry.route[0],
            status="active",
            start_us=now_us,
            prescriber=rng.randrange(len(patient.staff)),
            dose_history=((now_us, entry.dose),),
            feed="fhir",
        )
        return drug, drug
    if rng.random() < 0.4:
        ended = replace(drug, status="stopped", end_us=now_us, how_ended="explicitly")
        return None, ended
    return drug, None


def _vitals(patient: Patient, rng: Random, now_us: int) -> list[Result]:
    filler = patient.number("CV")
    results = []
    for name in ("HT", "WT", "HR", "SBP", "DBP"):
        test = labs.at_age(VITALS[name], patient.age_days(now_us))
        value = labs.measure(patient, rng, test, {})
        results.append(
            Result(
                filler=filler,
                placer="",
                panel="VITALS",
                test=name,
                sub_id="",
                value=value,
                unit=test.unit,
                flag="",
                reference="",
                status="F",
                observed_us=now_us,
                reported_us=now_us + 12 * MINUTE,
                revisions=((now_us + 12 * MINUTE, "F", value),),
                feed="fhir",
            )
        )
    return results
