"""Appointments and immunisations."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from chartloom.simulate.catalog import INFLUENZA, VACCINES, Vaccine
from chartloom.simulate.facts import Appointment, Immunization
from chartloom.simulate.patient import Patient, Process, Wake
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import DAY, HOUR, MINUTE, YEAR, at_hour, between, local

_CLINIC = {
    "asthma_child": "PULM", "asthma_adult": "PULM", "diabetes": "ENDO", "elderly": "CARD",
    "pregnancy": "OBGYN", "child": "PEDC", "newborn": "PEDC",
}  # fmt: skip
_REASON = {
    "PULM": "asthma", "ENDO": "diabetes", "CARD": "hypertension", "OBGYN": "pregnancy",
    "PEDC": "child_checkup", "FAMMED": "checkup",
}  # fmt: skip


def appointments(patient: Patient, rng: Random, start_us: int, mean_us: int) -> Process:
    """Booked (S12), moved (S13), cancelled (S15), missed (S26), or kept (A04, S14, A03)."""
    clinic = _CLINIC.get(patient.person.archetype, "FAMMED")
    now_us = patient.after(rng, start_us, mean_us // 3)
    while True:
        now_us = yield Wake(now_us)
        booked = _book(patient, rng, now_us, clinic)
        if rng.random() < patient.rates.rescheduled_appointment:
            now_us = yield Wake(now_us + (booked.start_us - now_us) // 2)
            booked = _move(patient, rng, now_us, booked)
        if rng.random() < patient.rates.cancelled_appointment:
            now_us = yield Wake(now_us + (booked.start_us - now_us) // 2)
            reason = "Patient request"
            _say(patient, now_us, "SIU^S15", booked, status="cancelled", cancel_reason=reason)
        else:
            now_us = yield Wake(booked.start_us)
            now_us = _keep(patient, rng, booked)
        now_us = patient.after(rng, now_us, mean_us)


def _say(
    patient: Patient, at_us: int, trigger: str, appointment: Appointment, **changes: str | int
) -> Appointment:
    changed = replace(appointment, **changes)
    patient.emit(at_us, "scheduling", trigger, changed)
    return changed


def _book(patient: Patient, rng: Random, now_us: int, clinic: str) -> Appointment:
    start_us = at_hour(rng, now_us + between(rng, 5 * DAY, 45 * DAY), 8, 16)
    appointment = Appointment(
        number=patient.number("AP"),
        status="booked",
        start_us=start_us,
        end_us=start_us + rng.choice((20, 30, 40)) * MINUTE,
        reason=_REASON[clinic],
        clinician=rng.randrange(len(patient.staff)),
        clinic=clinic,
    )
    return _say(patient, now_us, "SIU^S12", appointment)


def _move(patient: Patient, rng: Random, now_us: int, booked: Appointment) -> Appointment:
    start_us = at_hour(rng, booked.start_us + between(rng, 2 * DAY, 20 * DAY), 8, 16)
    return _say(
        patient, now_us, "SIU^S13", booked, start_us=start_us,
        end_us=start_us + booked.end_us - booked.start_us, reschedules=booked.reschedules + 1,
    )  # fmt: skip


def _keep(patient: Patient, rng: Random, booked: Appointment) -> int:
    """The hour has come; returns when it is over."""
    start_us = booked.start_us
    if patient.busy_until_us > start_us:
        reason = "Patient is in hospital"
        _say(patient, start_us, "SIU^S15", booked, status="cancelled", cancel_reason=reason)
        return start_us
    if rng.random() < patient.rates.no_show:
        _say(patient, start_us + HOUR, "SIU^S26", booked, status="noshow")
        return start_us + HOUR
    visit = Visit(patient, rng, booked.reason, start_us)
    visit.attending = booked.clinician
    visit.now = replace(visit.now, attending=booked.clinician)
    visit.arrive("ADT^A04", "O", booked.clinic)
    patient.hold(booked.end_us + 2 * HOUR)
    visit.diagnose(start_us + 15 * MINUTE, booked.reason)
    _say(patient, booked.end_us, "SIU^S14", booked, status="fulfilled")
    end_us = visit.discharge(booked.end_us)
    visit.charge(end_us + 3 * HOUR, ("99213", "Office visit, established patient", "152.00"))
    return end_us


def vaccinations(patient: Patient, rng: Random, start_us: int) -> Process:
    """The past as history (partial dates), then every dose when it is due, and influenza."""
    past = [d for d in _schedule(patient) if start_us - 12 * YEAR < d[0] < start_us]
    history = [
        _dose(patient, rng, vaccine, due_us, historical=True)
        for due_us, vaccine in past[-14:]
        if rng.random() < 0.9
    ]
    if history:
        patient.emit(start_us + between(rng, HOUR, 3 * DAY), "immunisation", "VXU^V04", *history)
    for due_us, vaccine in _coming(patient, rng, start_us):
        now_us = yield Wake(due_us)
        dose = _dose(patient, rng, vaccine, now_us, historical=False)
        if rng.random() < patient.rates.vaccine_refused:
            reason = rng.choice(("Parental decision", "Religious exemption", "Patient decision"))
            dose = replace(dose, status="not-done", refusal=reason, lot="", site="")
        patient.emit(now_us + 4 * MINUTE, "immunisation", "VXU^V04", dose)
        if rng.random() < patient.rates.vaccine_deleted:
            wrong = replace(dose, status="entered-in-error")
            patient.emit(now_us + between(rng, HOUR, DAY), "immunisation", "VXU^V04", wrong)


def _schedule(patient: Patient) -> list[tuple[int, Vaccine]]:
    birth_us = patient.person.birth_us
    due = [(birth_us + d * DAY, v) for v in VACCINES for d in v.due_days]
    return sorted(due, key=lambda d: (d[0], d[1].cvx))


def _coming(patient: Patient, rng: Random, start_us: int) -> list[tuple[int, Vaccine]]:
    """The next thirty years, soonest first."""
    due = [
        (at_hour(rng, due_us + between(rng, 0, 25 * DAY), 8, 16), vaccine)
        for due_us, vaccine in _schedule(patient)
        if due_us >= start_us
    ]
    october_us = start_us + _to_october(start_us)
    for n in range(30):
        if rng.random() < 0.5:
            day_us = october_us + n * YEAR + between(rng, 0, 50 * DAY)
            due.append((at_hour(rng, day_us, 8, 16), INFLUENZA))
    return sorted(due, key=lambda d: (d[0], d[1].cvx))


def _to_october(at_us: int) -> int:
    day = local(at_us).timetuple().tm_yday
    return (274 - day if day <= 274 else 274 + 365 - day) * DAY


def _dose(
    patient: Patient, rng: Random, vaccine: Vaccine, at_us: int, *, historical: bool
) -> Immunization:
    moment = local(at_us)
    precise = "%Y%m%d%H%M"
    if historical:
        precise = rng.choices(("%Y%m%d", "%Y%m", "%Y"), (85, 12, 3))[0]
    return Immunization(
        number=patient.number("IM"),
        cvx=vaccine.cvx,
        text=vaccine.text,
        occurrence=moment.strftime(precise),
        status="completed",
        lot="" if historical else f"SIM{rng.randrange(10000):04d}{rng.choice('ABCD')}",
        site="" if historical else rng.choice(("LA", "RA", "LT", "RT")),
        manufacturer="" if historical else vaccine.manufacturer[0],
        historical=historical,
    )
