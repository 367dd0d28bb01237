"""Registration: first record, second record by accident, moves, corrections, allergy lists."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from chartloom.simulate import names
from chartloom.simulate.catalog import ALLERGENS, NO_KNOWN_ALLERGY
from chartloom.simulate.facts import Allergy, Identifier, Problem
from chartloom.simulate.house import AUTHORITY
from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.second_desk import somebody_else
from chartloom.simulate.stories import labs
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import DAY, HOUR, MINUTE, at_hour, between, local


def register(
    patient: Patient, rng: Random, start_us: int, problems: list[Problem]
) -> list[Allergy]:
    """A28 with what is known at the desk, then the allergy list (A60)."""
    number = Identifier("adt", AUTHORITY, patient.person.mrn, "MR", start_us)
    patient.emit(start_us, "adt", "ADT^A28", patient.demographics, number, *problems)
    asked_us = start_us + between(rng, 10 * MINUTE, 5 * HOUR)
    allergies = draw_allergies(patient, rng, asked_us)
    if allergies:
        patient.emit(asked_us, "adt", "ADT^A60", *allergies)
    return allergies


def draw_allergies(patient: Patient, rng: Random, since_us: int) -> list[Allergy]:
    """Two in five have allergies, two in five are asked and have none, the rest is not asked."""
    asthma = patient.person.archetype.startswith("asthma")
    fate = rng.random()
    if patient.person.archetype == "newborn" or fate < 0.2:
        return []
    if fate < (0.4 if asthma else 0.6):
        none = NO_KNOWN_ALLERGY
        return [
            Allergy(none.code, none.system, none.text, none.type, "", "", "active", since_us,
                    feed="adt")
        ]  # fmt: skip
    pool = [a for a in ALLERGENS if asthma or a.type != "EA"]
    return [
        Allergy(
            a.code, a.system, a.text, a.type,
            rng.choice(("SV", "MO", "MI")), rng.choice(a.reactions), "active", since_us,
            feed="adt",
        )
        for a in rng.sample(pool, rng.choice((1, 1, 2, 3)))
    ]  # fmt: skip


def refutations(patient: Patient, rng: Random, allergies: list[Allergy]) -> Process:
    """A60: a drug allergy turns out to be entered in error (table 0438 has no word for one that was
    refuted); "no known allergies" is overtaken by one."""
    for allergy in allergies:
        now_us = yield Wake(allergy.since_us + between(rng, 20 * DAY, 120 * DAY))
        if allergy.type == "DA" and rng.random() < patient.rates.allergy_refuted:
            wrong = replace(allergy, status="entered-in-error", ended_us=now_us)
            patient.emit(now_us, "adt", "ADT^A60", wrong)
        elif allergy.code == NO_KNOWN_ALLERGY.code and rng.random() < 0.2:
            over = replace(allergy, status="inactive", ended_us=now_us)
            found = rng.choice(ALLERGENS[:4])
            new = Allergy(
                found.code, found.system, found.text, found.type,
                "MO", rng.choice(found.reactions), "active", now_us, feed="adt",
            )  # fmt: skip
            patient.emit(now_us, "adt", "ADT^A60", over, new)


def changes(patient: Patient, rng: Random, start_us: int) -> Process:
    """A31: people move, change or give up telephones, marry; birth dates are completed."""
    now_us = patient.after(rng, start_us, 240 * DAY)
    while True:
        now_us = yield Wake(now_us)
        who = patient.demographics
        kind = rng.choices(("move", "phone", "no phone", "name", "birth date"), (5, 3, 1, 1, 2))[0]
        if kind == "move":
            home = names.address(rng)
            who = replace(
                who, street=home.street, city=home.city, state=home.state,
                postal_code=home.postal_code,
            )  # fmt: skip
        elif kind == "phone":
            who = replace(who, phones=(names.phone(rng),))
        elif kind == "no phone":
            who = replace(who, phones=())
        elif kind == "name" and who.sex == "F" and patient.age_days(now_us) > 20 * 365:
            who = replace(who, maiden_name=who.family, family=names.family_name(rng), marital="M")
        elif len(who.birth_date) < 8:
            who = replace(who, birth_date=local(patient.person.birth_us).strftime("%Y%m%d"))
        if who is not patient.demographics:
            who = replace(who, since_us=now_us)
            patient.emit(now_us, "adt", "ADT^A31", who)
        now_us = patient.after(rng, now_us, 300 * DAY)


def mixed_up(patient: Patient, rng: Random, start_us: int) -> Process:
    """A31: the wrong record was open when somebody else's words were typed; mended within hours."""
    now_us = yield Wake(start_us + between(rng, 30 * DAY, 160 * DAY))
    who = patient.demographics
    patient.emit(now_us, "adt", "ADT^A31", somebody_else(rng, replace(who, since_us=now_us)))
    now_us = yield Wake(now_us + between(rng, HOUR, 5 * HOUR))
    patient.emit(now_us, "adt", "ADT^A31", replace(who, since_us=now_us))


def second_record(patient: Patient, rng: Random, start_us: int) -> Process:
    """Registered again under a wrong number in a hurry; found and merged (A40) weeks later."""
    alias = patient.person.alias_mrn
    now_us = yield Wake(start_us + between(rng, 15 * DAY, 90 * DAY), True)
    patient.emit(now_us, "", "", Identifier("adt", AUTHORITY, alias, "MR", now_us))
    end_us = everyday_visit(patient, rng, now_us, "sprain", mrn=alias)
    now_us = yield Wake(end_us + between(rng, 2 * DAY, 40 * DAY))
    merged = Identifier(
        "adt", AUTHORITY, alias, "MR", now_us,
        merged_into=patient.person.mrn, merged_us=now_us,
    )  # fmt: skip
    patient.emit(now_us, "adt", "ADT^A40", merged)


def everyday_visit(patient: Patient, rng: Random, start_us: int, reason: str, mrn: str = "") -> int:
    """A short emergency visit, sometimes with blood tests; returns its end."""
    visit = Visit(patient, rng, reason, start_us, mrn=mrn)
    visit.arrive("ADT^A04", "E", "ED")
    usual = ("TEMP", "HR", "RR", "SBP", "DBP", "SPO2")
    labs.vitals(patient, rng, start_us + 9 * MINUTE, {"TEMP": 1.0}, usual, visit)
    visit.diagnose(start_us + 50 * MINUTE, reason)
    if rng.random() < 0.4:
        request = labs.for_visit(visit, rng.choice(("CBC", "BMP", "CRP")), start_us + HOUR)
        labs.order(patient, rng, request, {"WBC": 0.8, "CRP": 4.0})
    end_us = start_us + between(rng, 2 * HOUR, 6 * HOUR)
    if rng.random() < 0.04:
        visit.admit_from_ed(end_us, "3WEST")
        visit.back_to_outpatient(end_us + 5 * HOUR)
        end_us += 8 * HOUR
    end_us = visit.discharge(end_us)
    visit.charge(end_us + 90 * MINUTE, ("99283", "Emergency visit, level 3", "388.40"))
    return end_us


def everyday(patient: Patient, rng: Random, start_us: int) -> Process:
    """Colds, sprains and sore backs, and now and then a planned stay (A05, then A01)."""
    mean_us = 500 * DAY
    now_us = patient.after(rng, start_us, mean_us)
    while True:
        now_us = yield Wake(now_us, True)
        if rng.random() < 0.15 and patient.age_days(now_us) > 18 * 365:
            now_us = _elective(patient, rng, now_us)
        else:
            reason = rng.choice(("cold", "sprain", "back_pain"))
            now_us = everyday_visit(patient, rng, now_us, reason)
        now_us = patient.after(rng, now_us, mean_us)


def _elective(patient: Patient, rng: Random, start_us: int) -> int:
    visit = Visit(patient, rng, "back_pain", start_us)
    arrive_us = at_hour(rng, start_us + between(rng, 3 * DAY, 9 * DAY), 7, 12)
    visit.plan("4EAST", arrive_us)
    visit.now = replace(visit.now, status="in-progress", start_us=arrive_us, expected_us=0)
    visit.arrive("ADT^A01", "I", "4EAST")
    labs.order(patient, rng, labs.for_visit(visit, "BMP", arrive_us + 30 * MINUTE), {})
    visit.diagnose(arrive_us + 2 * HOUR, "back_pain")
    end_us = visit.discharge(arrive_us + between(rng, 20 * HOUR, 50 * HOUR))
    visit.charge(end_us + HOUR, ("99221", "Initial hospital care", "206.10"))
    return end_us
