"""Diabetes, blood pressure, heart: quarterly tests and many drugs over a long time."""

from __future__ import annotations

from random import Random

from chartloom.simulate.catalog import DIAGNOSES
from chartloom.simulate.facts import Problem
from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories import drugs, labs
from chartloom.simulate.times import DAY, YEAR, at_hour, between, local

#: archetype -> (diagnosis or "", drug, share who take it)
REGIMENS: dict[str, tuple[tuple[str, str, float], ...]] = {
    "asthma_child": (
        ("asthma", "D001", 1.0),
        ("asthma", "D002", 0.75),
        ("asthma", "D004", 0.3),
    ),
    "asthma_adult": (("asthma", "D001", 1.0), ("asthma_mild", "D002", 0.6)),
    "diabetes": (
        ("diabetes", "D005", 0.9),
        ("diabetes", "D006", 0.35),
        ("hypertension", "D007", 0.6),
        ("hyperlipidemia", "D009", 0.6),
    ),
    "elderly": (
        ("hypertension", "D008", 0.8),
        ("hypertension", "D007", 0.5),
        ("heart_failure", "D010", 0.45),
        ("heart_failure", "D012", 0.5),
        ("atrial_fibrillation", "D011", 0.35),
        ("hyperlipidemia", "D009", 0.6),
        ("dementia", "D020", 0.2),
        ("diabetes", "D005", 0.25),
    ),
    "pregnancy": (("pregnancy", "D019", 0.9),),
    "adult": (("hypertension", "D008", 0.15), ("hyperlipidemia", "D009", 0.15)),
}


def regimen(patient: Patient, rng: Random, start_us: int) -> list[tuple[str, str]]:
    """Starts the long-term drugs; returns the (diagnosis, drug) that the patient has."""
    taken = [(d, k) for d, k, share in REGIMENS.get(patient.person.archetype, ())
             if rng.random() < share]  # fmt: skip
    for _, key in taken:
        own = patient.rng(f"drug/{key}")
        patient.spawn(drugs.long_term(patient, own, key, start_us + between(own, 0, 20 * DAY)))
    return taken


def problems(taken: list[tuple[str, str]], rng: Random, since_us: int, feed: str) -> list[Problem]:
    """The conditions behind the drugs, with an onset that is often only a year or month."""
    found = []
    for name in dict.fromkeys(d for d, _ in taken):
        code, text = DIAGNOSES[name]
        onset = local(since_us - between(rng, 60 * DAY, 6 * YEAR))
        precision = rng.choice(("%Y", "%Y%m", "%Y%m%d"))
        found.append(Problem(code, text, "active", onset.strftime(precision), since_us, feed=feed))
    return found


def check_ups(patient: Patient, rng: Random, start_us: int, panels: tuple[str, ...]) -> Process:
    """Blood tests without a visit, every three to six months."""
    shift = {"A1C": 5.5, "GLU": 6.0} if "A1C" in panels else {"INR": 12.0}
    now_us = start_us + between(rng, 3 * DAY, 60 * DAY)
    while True:
        now_us = yield Wake(at_hour(rng, now_us, 8, 15))
        for panel in panels:
            if rng.random() < 0.85:
                request = labs.Request(panel, now_us, rng.randrange(len(patient.staff)))
                labs.order(patient, rng, request, shift)
        if "A1C" in shift:
            shift["A1C"] = max(0.5, shift["A1C"] + rng.gauss(-0.3, 1.0))
        now_us += between(rng, 80 * DAY, 180 * DAY)
