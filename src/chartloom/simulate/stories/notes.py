"""Short clinical notes that say what is true of the patient at that moment."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from chartloom.simulate.catalog import FORMULARY
from chartloom.simulate.facts import Document
from chartloom.simulate.patient import Patient
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import HOUR, MINUTE, between, local

TYPES = {"ED": ("34111-5", "Emergency department note"), "DS": ("18842-5", "Discharge summary")}


def write(patient: Patient, rng: Random, visit: Visit, kind: str, at_us: int, course: str) -> None:
    """MDM^T02 as dictated; often edited and signed (T08), sometimes replaced (T10)."""
    code, title = TYPES[kind]
    note = Document(
        number=patient.number("DOC"),
        type=code,
        title=title,
        status="preliminary",
        at_us=at_us,
        author=visit.attending,
        text=_text(patient, visit, title, at_us, course),
        visit=visit.number,
    )
    patient.emit(at_us, "documents", "MDM^T02", note, mrn=visit.mrn)
    signed_us = at_us + between(rng, 10 * MINUTE, 20 * HOUR)
    if rng.random() < 0.85:
        signed = replace(note, status="final", text=f"{note.text}\nElectronically signed.")
        patient.emit(signed_us, "documents", "MDM^T08", signed, mrn=visit.mrn)
    elif rng.random() < 0.5:
        old = replace(note, status="superseded")
        new = replace(
            note,
            number=patient.number("DOC"),
            status="final",
            at_us=signed_us,
            replaces=note.number,
            text=f"{note.text}\nThis note replaces an earlier version.",
        )
        patient.emit(signed_us + HOUR, "documents", "MDM^T10", new, old, mrn=visit.mrn)


def _text(patient: Patient, visit: Visit, title: str, at_us: int, course: str) -> str:
    who = patient.demographics
    years = patient.age_days(at_us) // 365
    age = f"{years}-year-old" if years >= 2 else f"{patient.age_days(at_us) // 30}-month-old"
    problems = sorted({p.text for p in patient.problems.values()})
    allergies = sorted({a.text for a in patient.allergies.values()})
    drugs = sorted(
        f"{FORMULARY[m.drug].text}, {m.dose} {m.dose_unit} {m.frequency}"
        for m in patient.medications.values()
    )
    lines = [
        f"{title} - {local(at_us):%d %b %Y %H:%M}",
        f"{age} {'female' if who.sex == 'F' else 'male'} with {visit.now.reason_text.lower()}.",
        f"History: {'; '.join(problems) or 'no chronic conditions'}.",
        f"Allergies: {', '.join(allergies) or 'none recorded'}.",
        "Home medications:",
        *(f" - {d}" for d in drugs or ["none"]),
        f"Course: {course}",
    ]
    return "\n".join(lines)
