"""Pregnancy, delivery, and the newborn's first stay. Mother and child are two patients."""

from __future__ import annotations

from random import Random

from chartloom.simulate.facts import Identifier
from chartloom.simulate.house import AUTHORITY
from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories import labs, notes
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import DAY, HOUR, MINUTE, between


def delivery(patient: Patient, rng: Random) -> Process:
    """The mother's stay around the birth."""
    birth_us = patient.person.child_birth_us
    start_us = yield Wake(birth_us - between(rng, 3 * HOUR, 14 * HOUR), True)
    visit = Visit(patient, rng, "delivery", start_us)
    visit.arrive("ADT^A01", "I", "LD")
    labs.order(patient, rng, labs.for_visit(visit, "CBC", start_us + 15 * MINUTE), {"HGB": -1.0})
    usual = ("TEMP", "HR", "RR", "SBP", "DBP")
    labs.vitals(patient, rng, start_us + 10 * MINUTE, {}, usual, visit)
    after_us = max(birth_us, start_us + 2 * HOUR)
    visit.diagnose(after_us + 30 * MINUTE, "delivery")
    labs.vitals(patient, rng, after_us + HOUR, {"HR": 0.5}, usual, visit)
    visit.transfer(after_us + 3 * HOUR, "4EAST")
    end_us = visit.discharge(after_us + between(rng, 30 * HOUR, 60 * HOUR))
    notes.write(patient, rng, visit, "DS", end_us, "Uncomplicated delivery; mother well.")
    visit.charge(end_us + 3 * HOUR, ("59400", "Routine obstetric care", "2980.00"))


def newborn(patient: Patient, rng: Random) -> Process:
    """The child's stay from birth on; its record number is made at birth."""
    birth_us = yield Wake(patient.person.birth_us)
    number = Identifier("adt", AUTHORITY, patient.person.mrn, "MR", birth_us)
    patient.emit(birth_us, "", "", patient.demographics, number)
    visit = Visit(patient, rng, "newborn", birth_us + MINUTE)
    visit.arrive("ADT^A01", "I", "NSY")
    labs.vitals(patient, rng, birth_us + 20 * MINUTE, {}, ("TEMP", "HR", "RR", "WT"), visit)
    visit.diagnose(birth_us + 2 * HOUR, "newborn")
    bilirubin = labs.for_visit(visit, "HEP", birth_us + 24 * HOUR, "R")
    labs.order(patient, rng, bilirubin, {"TBIL": rng.choice((4.0, 12.0, 25.0))})
    end_us = visit.discharge(birth_us + between(rng, 30 * HOUR, 60 * HOUR))
    notes.write(patient, rng, visit, "DS", end_us, "Healthy newborn, feeding well.")
    patient.hold(end_us + DAY)
