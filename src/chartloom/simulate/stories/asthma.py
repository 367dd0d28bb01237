"""Asthma: attacks by season and trigger, emergency visits, some admissions, inhalers with gaps."""

from __future__ import annotations

from random import Random

from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories import drugs, labs, notes
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import DAY, HOUR, MINUTE, between, local

#: Relative risk of an attack by month: pollen in spring, viruses when school starts.
SEASON = (1.0, 0.9, 1.2, 1.6, 1.4, 0.6, 0.4, 0.7, 2.0, 1.7, 1.3, 1.1)
_TRIGGERS = {
    "spring": ("pollen", "a windy day outside"),
    "autumn": ("a cold going round at school", "a viral infection"),
    "any": ("dust at home", "smoke", "running in cold air", "a missed inhaler"),
}


def attacks(patient: Patient, rng: Random, start_us: int) -> Process:
    """Attack after attack; the mean distance depends on how severe the disease is."""
    mean_us = rng.choice((60, 110, 200, 350)) * DAY
    now_us = patient.after(rng, start_us, mean_us // 2)
    while True:
        now_us = yield Wake(now_us, True)
        if rng.random() * 2.0 > SEASON[local(now_us).month - 1]:
            now_us = patient.sooner(now_us, now_us + between(rng, 5 * DAY, 25 * DAY))
            continue
        end_us, admitted = attack(patient, rng, now_us)
        soon = admitted and rng.random() < 0.15  # a readmission within the month
        if soon:
            now_us = patient.sooner(end_us, end_us + between(rng, 4 * DAY, 28 * DAY))
        else:
            now_us = patient.after(rng, end_us, mean_us)


def attack(patient: Patient, rng: Random, start_us: int) -> tuple[int, bool]:
    """One emergency visit; returns its end and whether it became a stay."""
    visit = Visit(patient, rng, "asthma_attack", start_us)
    visit.arrive("ADT^A04", "E", "ED")
    severity = rng.choice((0.5, 1.0, 1.0, 1.6))
    sick = {"SPO2": -2.5 * severity, "RR": 3.0 * severity, "HR": 2.5 * severity}
    usual = ("TEMP", "HR", "RR", "SPO2", "WT")
    labs.vitals(patient, rng, start_us + 8 * MINUTE, sick, usual, visit)
    visit.diagnose(start_us + 35 * MINUTE, "asthma_attack")
    if severity > 1.2:
        for panel in ("BG", "CBC"):
            request = labs.for_visit(visit, panel, start_us + 40 * MINUTE)
            labs.order(patient, rng, request, {"PCO2": 2.5, "PH": -1.5, "WBC": 1.5})
    steroid = drugs.prescribe(patient, rng, "D003", start_us + 45 * MINUTE, days=5, visit=visit)
    decide_us = start_us + between(rng, 2 * HOUR, 5 * HOUR)
    labs.vitals(patient, rng, decide_us - 10 * MINUTE, _half(sick), usual[:4], visit)
    trigger = rng.choice(_TRIGGERS[_season(start_us)] + _TRIGGERS["any"])
    if severity <= 1.2 or rng.random() < 0.3:
        end_us = visit.discharge(decide_us)
        course = f"Attack after {trigger}. Albuterol in the ED with relief, oral steroid started."
        notes.write(patient, rng, visit, "ED", end_us, course)
        visit.charge(end_us + 2 * HOUR, ("99284", "Emergency visit, level 4", "612.00"))
        return end_us, False
    ward = "PEDS" if patient.age_days(start_us) < 18 * 365 else "3WEST"
    visit.admit_from_ed(decide_us, ward)
    end_us = decide_us + between(rng, 20 * HOUR, 70 * HOUR)
    drugs.give(patient, rng, steroid, visit, decide_us + HOUR, end_us - HOUR)
    rounds_us = decide_us + 4 * HOUR
    while rounds_us < end_us:
        sick = _half(sick)
        labs.vitals(patient, rng, rounds_us, sick, usual[:4], visit)
        rounds_us += between(rng, 4 * HOUR, 6 * HOUR)
    if rng.random() < 0.25:
        visit.transfer(decide_us + between(rng, 6 * HOUR, 15 * HOUR), ward)
    end_us = visit.discharge(end_us)
    course = f"Admitted from the ED after {trigger}; weaned to albuterol every 4 hours; home well."
    notes.write(patient, rng, visit, "DS", end_us + HOUR, course)
    visit.charge(
        end_us + 5 * HOUR,
        ("99222", "Initial hospital care", "301.00"),
        ("94640", "Inhalation treatment", "58.50"),
        ("99238", "Hospital discharge day", "143.25"),
    )
    return end_us, True


def _season(at_us: int) -> str:
    return {3: "spring", 4: "spring", 5: "spring"}.get(
        local(at_us).month, "autumn" if local(at_us).month in (9, 10, 11) else "any"
    )


def _half(shift: dict[str, float]) -> dict[str, float]:
    return {k: v * 0.55 for k, v in shift.items()}
