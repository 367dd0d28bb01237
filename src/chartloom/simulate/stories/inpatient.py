"""Stays of the very sick: sepsis with deterioration and recovery, or death."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories import drugs, labs, notes
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import DAY, HOUR, MINUTE, between

_ALL = ("TEMP", "HR", "RR", "SBP", "DBP", "SPO2")


def infections(patient: Patient, rng: Random, start_us: int, mean_us: int) -> Process:
    """Serious infections; one in nine stays ends in death."""
    now_us = patient.after(rng, start_us, mean_us)
    while True:
        now_us = yield Wake(now_us, True)
        now_us = patient.after(rng, sepsis(patient, rng, now_us), mean_us)


def sepsis(patient: Patient, rng: Random, start_us: int) -> int:
    """ED, cultures and lactate, ward or ICU, step-down, home, a care home, or death."""
    visit = Visit(patient, rng, rng.choice(("uti", "pneumonia")), start_us)
    visit.arrive("ADT^A04", "E", "ED")
    level = rng.choice((0.8, 1.2, 1.8))
    sick = _sick(level)
    labs.vitals(patient, rng, start_us + 6 * MINUTE, sick, _ALL, visit)
    for panel in ("CBC", "BMP", "LACT", "CRP", "BCX"):
        labs.order(patient, rng, labs.for_visit(visit, panel, start_us + 20 * MINUTE), sick)
    fluid = drugs.prescribe(patient, rng, "D015", start_us + 30 * MINUTE, days=1, visit=visit)
    drugs.give(patient, rng, fluid, visit, start_us + 35 * MINUTE, start_us + 3 * HOUR)
    visit.diagnose(start_us + 70 * MINUTE, "sepsis")
    antibiotics = [
        drugs.prescribe(patient, rng, key, start_us + 75 * MINUTE, visit=visit)
        for key in ("D013", "D014")[: 1 if level < 1 else 2]
    ]
    bed_us = start_us + between(rng, 3 * HOUR, 8 * HOUR)
    visit.admit_from_ed(bed_us, "ICU" if level > 1.5 else rng.choice(("3WEST", "4EAST")))
    days = rng.randint(3, 6) + (3 if level > 1.5 else 0)
    end_us = bed_us + days * DAY + between(rng, -4 * HOUR, 6 * HOUR)
    dies = level > 1.5 and rng.random() < 0.3
    _daily(patient, rng, visit, level, (bed_us, end_us), worse=dies)
    if level > 1.5 and not dies:
        visit.transfer(bed_us + 3 * DAY, "4EAST")
    elif not dies and rng.random() < 0.4:
        visit.transfer(bed_us + between(rng, DAY, 2 * DAY), rng.choice(("3WEST", "4EAST")))
    for medication in antibiotics:
        drugs.give(patient, rng, medication, visit, bed_us, end_us - 5 * HOUR)
        drugs.stop(patient, medication, end_us - 3 * HOUR, visit)
    if dies:
        return _death(patient, rng, visit, end_us)
    end_us = visit.discharge(end_us, rng.choice(("01", "01", "03", "06")))
    course = "Sepsis treated with fluids and intravenous antibiotics; lactate cleared; recovering."
    notes.write(patient, rng, visit, "DS", end_us + 2 * HOUR, course)
    visit.charge(
        end_us + 9 * HOUR,
        ("99223", "Initial hospital care, high", "415.75"),
        ("83605", "Lactate", "21.10"),
        ("87040", "Blood culture", "39.90"),
    )
    if rng.random() < 0.5:
        drugs.prescribe(patient, rng, "D016", end_us - HOUR, days=7, visit=visit)
    return end_us


def _sick(level: float) -> dict[str, float]:
    return {
        "TEMP": 3.5 * level, "HR": 3.5 * level, "RR": 3.5 * level, "SBP": -2.8 * level,
        "DBP": -2.2 * level, "SPO2": -1.8 * level, "WBC": 4.0 * level, "LACT": 5.0 * level,
        "CRP": 25.0 * level, "CREA": 2.0 * level, "PLT": -1.5 * level, "BCX": 0.45,
    }  # fmt: skip


def _daily(
    patient: Patient, rng: Random, visit: Visit, level: float, span_us: tuple[int, int],
    *, worse: bool,
) -> None:  # fmt: skip
    start_us, end_us = span_us
    at_us = start_us + 2 * HOUR
    while at_us < end_us - HOUR:
        done = (at_us - start_us) / (end_us - start_us)
        now = _sick(level * (1 + done) if worse else level * (1 - done) ** 1.5)
        labs.vitals(patient, rng, at_us, now, _ALL, visit)
        at_us += between(rng, 4 * HOUR, 8 * HOUR)
    morning_us = start_us + 14 * HOUR
    while morning_us < end_us - 3 * HOUR:
        done = (morning_us - start_us) / (end_us - start_us)
        now = _sick(level * (1 + done) if worse else level * (1 - done) ** 1.5)
        for panel in ("CBC", "BMP", "LACT"):
            labs.order(patient, rng, labs.for_visit(visit, panel, morning_us, "R"), now)
        morning_us += DAY


def _death(patient: Patient, rng: Random, visit: Visit, end_us: int) -> int:
    patient.ends_us = end_us
    deceased = replace(patient.demographics, since_us=end_us, deceased_us=end_us)
    patient.emit(end_us, "", "", deceased)
    visit.discharge(end_us + MINUTE, "20")
    course = "Refractory shock despite full treatment; died in the presence of the family."
    notes.write(patient, rng, visit, "DS", end_us + 3 * HOUR, course)
    return end_us
