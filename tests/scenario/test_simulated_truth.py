"""A perfect reader of all messages must end up with the simulated hospital's truth.

Everything goes wrong on the way: duplicates, reused control ids, late and out-of-order messages,
garbage, corrections, withdrawn results, cancelled admissions. Only mapping and merge are asked
here, no store.
"""

from __future__ import annotations

import base64
import random
from functools import cache
from typing import Any

import pytest
from tests.support.believe import Believer, codes, instant_us
from tests.support.simulated import rough_run

from chartloom.simulate import PersonTruth, SimMessage, Truth
from chartloom.simulate.catalog import CULTURE, TESTS
from chartloom.simulate.feeds import HOUSE_NAMESPACE

PATIENTS = 70


@cache
def believer() -> Believer:
    return Believer().hear(run()[0])


def run() -> tuple[tuple[SimMessage, ...], Truth]:
    return rough_run(11, PATIENTS)


def persons() -> tuple[PersonTruth, ...]:
    return run()[1].persons


def only(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    assert len(found) == 1, f"{what}: {len(found)} resources"
    return found[0]


def test_exactly_the_intended_messages_are_quarantined() -> None:
    """A message cut before its PID names nobody, so it may be quarantined too; it comes again."""
    intended = {t.ref for t in run()[1].messages if t.must_quarantine}
    cut_short = {t.ref for t in run()[1].messages if t.role == "cut-short"}
    assert set(believer().quarantined) - cut_short == intended


def test_exactly_the_identical_resends_are_duplicates() -> None:
    assert believer().duplicates == {t.ref for t in run()[1].messages if t.role == "duplicate"}


def test_encounters_have_their_true_status_and_period() -> None:
    known = believer().by_identifier("Encounter", HOUSE_NAMESPACE)
    checked = 0
    for p in persons():
        for true in p.encounters:
            encounter = only(known[true.visit], true.visit)
            assert encounter["status"] == true.status, true
            if true.status == "cancelled":
                continue
            period = encounter.get("period", {})
            assert ("start" in period) == bool(true.start_us), true
            assert ("end" in period) == bool(true.end_us), true
            if true.start_us:
                assert instant_us(period["start"]) == true.start_us, true
            if true.end_us:
                assert instant_us(period["end"]) == true.end_us, true
            checked += 1
    assert checked > 100


def test_encounters_have_their_true_class_and_last_place() -> None:
    known = believer().by_identifier("Encounter", HOUSE_NAMESPACE)
    classes = {"E": "EMER", "I": "IMP", "O": "AMB", "P": "PRENC"}
    for p in persons():
        for true in p.encounters:
            encounter = only(known[true.visit], true.visit)
            assert encounter["class"]["code"] == classes[true.patient_class], true


def test_results_have_their_true_final_value_and_status() -> None:
    lab = believer().by_identifier("DiagnosticReport", "lab")
    by_id = {o["id"]: o for o in believer().of_type("Observation", "lab")}
    status = {"F": "final", "P": "preliminary", "C": "corrected", "W": "entered-in-error"}
    checked = 0
    for p in persons():
        for true in p.results:
            if true.feed != "lab":
                continue
            report = only(lab[true.filler], true.filler)
            found = [by_id[r["reference"].partition("/")[2]] for r in report["result"]]
            (seen,) = [o for o in found if true.test in codes(o["code"])]
            assert seen["status"] == status[true.status], true
            if true.test in TESTS:
                assert str(seen["valueQuantity"]["value"]) == true.value, true
            elif true.test == CULTURE.local and "valueString" not in seen:
                assert true.value in str(seen["valueCodeableConcept"]), true
            else:
                assert seen["valueString"] == true.value, true
            checked += 1
    assert checked > 500


def test_nothing_is_known_that_is_not_true() -> None:
    """No encounter, report, vaccine or appointment too many."""
    true = {
        "Encounter": {e.visit for p in persons() for e in p.encounters},
        "Immunization": {i.number for p in persons() for i in p.immunizations},
        "Appointment": {a.number for p in persons() for a in p.appointments},
    }
    for kind, numbers in true.items():
        resources = list(believer().of_type(kind, HOUSE_NAMESPACE))
        assert len(resources) == len(numbers), kind
        assert set(believer().by_identifier(kind, HOUSE_NAMESPACE)) >= numbers, kind


def test_allergies_are_active_exactly_where_they_are() -> None:
    mrn_of = _record_numbers()
    seen: dict[tuple[str, str], set[str]] = {}
    for a in believer().of_type("AllergyIntolerance", HOUSE_NAMESPACE):
        mrn = mrn_of.get(a["patient"]["reference"].partition("/")[2])
        if mrn is not None:
            for code in codes(a["code"]):
                seen.setdefault((mrn, code), set()).add(_allergy_status(a))
    true: dict[tuple[str, str], set[str]] = {}
    for p in persons():
        for t in p.allergies:
            if t.feed == "adt":
                true.setdefault((p.person.mrn, t.code), set()).add(t.status)
    assert {k: v for k, v in seen.items() if k in true} == true
    assert {s for v in true.values() for s in v} == {"active", "inactive", "entered-in-error"}


def _allergy_status(allergy: dict[str, Any]) -> str:
    verification = codes(allergy.get("verificationStatus"))
    if found := verification & {"refuted", "entered-in-error"}:
        return found.pop()
    return "active" if "active" in codes(allergy.get("clinicalStatus")) else "inactive"


def _record_numbers() -> dict[str, str]:
    """Patient id -> the person's usual record number (second records are left out)."""
    usual = {p.person.mrn for p in persons()}
    found = {}
    for patient in believer().of_type("Patient", HOUSE_NAMESPACE):
        for identifier in patient["identifier"]:
            if identifier["value"] in usual:
                found[patient["id"]] = identifier["value"]
    return found


def test_immunisations_are_given_refused_or_withdrawn_as_in_truth() -> None:
    known = believer().by_identifier("Immunization", HOUSE_NAMESPACE)
    for p in persons():
        for true in p.immunizations:
            seen = only(known[true.number], true.number)
            assert seen["status"] == true.status, true
            assert true.cvx in codes(seen["vaccineCode"])
            digits = seen["occurrenceDateTime"].replace("-", "").replace("T", "").replace(":", "")
            assert digits.startswith(true.occurrence), true


def test_appointments_have_their_true_status_and_time() -> None:
    known = believer().by_identifier("Appointment", HOUSE_NAMESPACE)
    for p in persons():
        for true in p.appointments:
            seen = only(known[true.number], true.number)
            assert seen["status"] == true.status, true
            assert instant_us(seen["start"]) == true.start_us, true
            assert instant_us(seen["end"]) == true.end_us, true


def test_documents_hold_their_text() -> None:
    known = believer().by_identifier("DocumentReference", HOUSE_NAMESPACE)
    checked = 0
    for p in persons():
        for true in p.documents:
            seen = only(known[true.number], true.number)
            (attachment,) = [c["attachment"] for c in seen["content"]]
            text = base64.b64decode(attachment["data"]).decode()
            assert text.split() == true.text.split(), true
            replaced = true.status == "superseded"
            assert replaced or seen["status"] == "current", true
            checked += 1
    assert checked > 40


def test_medications_are_active_unless_somebody_said_otherwise() -> None:
    """What fades away silently or runs out is nobody's word: the order still stands as active."""
    known = believer().by_identifier("MedicationRequest", HOUSE_NAMESPACE)
    for p in persons():
        for true in p.medications:
            if true.feed != "pharmacy":
                continue
            seen = only(known[true.order], true.order)
            stopped = true.how_ended == "explicitly"
            assert seen["status"] == ("stopped" if stopped else "active"), true


def test_second_records_are_linked_to_the_first() -> None:
    patients = {
        i["value"]: patient["id"]
        for patient in believer().of_type("Patient", HOUSE_NAMESPACE)
        for i in patient["identifier"]
    }
    true = {
        (patients[i.merged_into], patients[i.value])
        for p in persons()
        for i in p.identifiers
        if i.merged_into
    }
    assert {(link.surviving, link.prior) for link in believer().links} == true
    assert true


def test_the_clinics_lists_are_what_it_last_said() -> None:
    """Conditions, allergies, prescriptions and measurements of the FHIR feed."""
    person_of = {
        patient["id"]: i["value"]
        for patient in believer().of_type("Patient", "clinic")
        for i in patient["identifier"]
        if i["value"].startswith("ASC-")
    }

    def seen(kind: str, subject: str, status: str) -> dict[tuple[str, str], str]:
        return {
            (person_of[r[subject]["reference"].partition("/")[2]], code): code_of(r[status])
            for r in believer().of_type(kind, "clinic")
            for code in codes(r["code"])
        }

    def code_of(concept: dict[str, Any]) -> str:
        return min(codes(concept))

    problems, allergies = {}, {}
    for p in persons():
        for problem in p.problems:
            if problem.feed == "fhir":
                problems[p.person.clinic_id, problem.code] = problem.status
        for a in p.allergies:
            if a.feed == "fhir":
                allergies[p.person.clinic_id, a.code] = (
                    "refuted" if a.status == "refuted" else "confirmed"
                )
    assert seen("Condition", "subject", "clinicalStatus") == problems
    assert seen("AllergyIntolerance", "patient", "verificationStatus") == allergies
    known = believer().by_identifier("MedicationRequest", "clinic")
    drugs = [m for p in persons() for m in p.medications if m.feed == "fhir"]
    assert {m.order: m.status for m in drugs} == {
        order: only(found, order)["status"] for order, found in known.items()
    }
    assert problems
    assert allergies
    assert drugs


def test_demographics_are_the_last_ones_registered() -> None:
    by_mrn = believer().by_identifier("Patient", HOUSE_NAMESPACE)
    for p in persons():
        if not p.demographics:
            continue
        last = p.demographics[-1]
        seen = only(by_mrn[p.person.mrn], p.person.mrn)
        official = next(n for n in seen["name"] if n.get("use") == "official")
        assert official["family"] == last.family
        assert seen["gender"] == {"F": "female", "M": "male"}[last.sex]
        assert seen["birthDate"].replace("-", "") == last.birth_date
        phones = [t["value"] for t in seen.get("telecom", ()) if t.get("system") != "email"]
        assert len(phones) == len(last.phones)
        assert seen["address"][0]["city"] == last.city


@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_of_arrival_gives_the_same_chart(seed: int) -> None:
    """Positions differ, so only what is believed is compared, not where it was said."""
    messages = [m for m, t in zip(*_one_quarter(), strict=True) if t.role == "original"]
    shuffled = messages[:]
    random.Random(seed).shuffle(shuffled)
    a, b = Believer().hear(messages), Believer().hear(shuffled)
    assert {i: _content(s.resource) for i, s in a.states.items()} == {
        i: _content(s.resource) for i, s in b.states.items()
    }


def _one_quarter() -> tuple[list[SimMessage], list[Any]]:
    messages, truth = run()
    kept = [(m, t) for m, t in zip(messages, truth.messages, strict=True) if t.person % 4 == 0]
    return [m for m, _ in kept], [t for _, t in kept]


def _content(resource: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in resource.items() if k != "meta"}
