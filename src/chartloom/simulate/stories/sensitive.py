"""What some people would not want everybody to know: HIV, substance use, a psychiatrist's notes.

``Person.sensitive`` says whose, with the codes of sensitivity labels; so the truth says it too.
"""

from __future__ import annotations

from random import Random
from typing import Final

from chartloom.simulate.catalog import DIAGNOSES
from chartloom.simulate.facts import Consent, Document, Problem
from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories import chronic, drugs
from chartloom.simulate.times import DAY, HOUR, YEAR, at_hour, between, local

#: label -> (diagnosis, drug)
TREATED: Final = {
    "HIV": ("hiv", "D021"),
    "ETH": ("opioids", "D022"),
    "PSY": ("depression", "D023"),
}
#: LOINC of what a psychiatrist writes.
_NOTE: Final = ("34788-0", "Psychiatry consult note")
_SAID: Final = (
    "Sleeps badly, little appetite; no thoughts of self-harm.",
    "Better since the last visit. Goes to work again.",
    "A difficult month after a loss. Weekly talks agreed.",
)


def problems(patient: Patient, since_us: int) -> list[Problem]:
    """Their diagnoses, as the house lists them."""
    found = []
    for label in patient.person.sensitive:
        if label in TREATED:
            code, text = DIAGNOSES[TREATED[label][0]]
            onset = local(since_us - 2 * YEAR).strftime("%Y%m")
            found.append(Problem(code, text, "active", onset, since_us, feed="adt"))
    return found


def begin(patient: Patient, start_us: int) -> None:
    """Drugs, tests, notes and what the patient agreed to."""
    for label in patient.person.sensitive:
        if label in TREATED:
            rng = patient.rng(f"sensitive/{label}")
            key = TREATED[label][1]
            patient.spawn(drugs.long_term(patient, rng, key, start_us + between(rng, HOUR, DAY)))
        if label == "HIV":
            rng = patient.rng("viral load")
            patient.spawn(chronic.check_ups(patient, rng, start_us, ("HIVM",)))
        elif label == "PSY":
            patient.spawn(_talks(patient, patient.rng("talks"), start_us))


def consent(patient: Patient, start_us: int) -> Consent | None:
    """What the patient signed in the clinic: nothing of it to researchers. None for most."""
    if not patient.person.objects:
        return None
    return Consent(patient.number("CONS"), "deny", "HRESCH", start_us)


def _talks(patient: Patient, rng: Random, start_us: int) -> Process:
    now_us = start_us + between(rng, 2 * DAY, 20 * DAY)
    while True:
        now_us = yield Wake(at_hour(rng, now_us, 9, 16))
        code, title = _NOTE
        author = rng.randrange(len(patient.staff))
        note = Document(
            patient.number("PSY"), code, title, "final", now_us, author, rng.choice(_SAID)
        )
        patient.emit(now_us, "documents", "MDM^T02", note)
        now_us += between(rng, 25 * DAY, 60 * DAY)
