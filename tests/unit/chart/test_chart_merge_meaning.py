"""What merging means clinically, one sentence per test."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations
from typing import Any

from chartloom.chart import WHOLE, merge, stamp_of
from chartloom.domain.resource import Contribution, ResourceState, Stamp
from chartloom.formats.fhir import validate

SUBJECT = {"subject": {"reference": "Patient/p"}}


def said(
    state: ResourceState | None,
    at: int,
    kind: str,
    *,
    weak: tuple[str, ...] = (),
    cleared: tuple[str, ...] = (),
    **content: Any,
) -> ResourceState:
    """``state`` after a message with event time and position ``at``."""
    resource = {"resourceType": kind, "id": "r", **content}
    contribution = Contribution(resource, "p", False, weak, cleared)
    merged = merge(state, contribution, Stamp(1, at, at))
    assert [i.code for i in validate(merged.resource)] == []
    return merged


def stay(state: ResourceState | None, at: int, status: str = "in-progress", **more: Any) -> Any:
    return said(state, at, "Encounter", status=status, **{"class": {"code": "IMP"}}, **more)


def bed(name: str, status: str = "active", **period: str) -> dict[str, Any]:
    item: dict[str, Any] = {"location": {"reference": f"Location/{name}"}, "status": status}
    return item | ({"period": period} if period else {})


def doctor(role: str, name: str) -> dict[str, Any]:
    return {
        "type": [{"coding": [{"code": role}]}],
        "individual": {"reference": f"Practitioner/{name}"},
    }


def test_silence_is_no_statement_and_null_is_one() -> None:
    state = said(None, 1, "Patient", birthDate="1970-01-01", gender="female")
    state = said(state, 2, "Patient", gender="male", cleared=("birthDate",))
    assert "birthDate" not in state.resource
    assert state.resource["gender"] == "male"
    assert said(state, 1, "Patient", birthDate="1970-01-01").resource == state.resource


def test_a_default_never_beats_a_statement_and_any_statement_beats_it() -> None:
    discharged = stay(None, 1, "finished")
    assert stay(discharged, 2, "in-progress", weak=("status",)).resource["status"] == "finished"
    assumed = stay(None, 5, "in-progress", weak=("status",))
    assert stay(assumed, 1, "finished").resource["status"] == "finished"


def test_a_transfer_keeps_the_places_before_and_its_cancellation_takes_one_back() -> None:
    state = stay(None, 1, location=[bed("icu", start="2024-01-01")])
    state = stay(state, 2, location=[bed("ward", start="2024-01-02"), bed("icu", "completed")])
    places = [(i["location"]["reference"], i["status"]) for i in state.resource["location"]]
    assert sorted(places) == [("Location/icu", "completed"), ("Location/ward", "active")]
    state = stay(state, 3, location=[bed("icu")], cleared=("location:Location/ward",))
    assert state.resource["location"] == [bed("icu", start="2024-01-01")]
    late = stay(state, 2, location=[bed("ward", start="2024-01-02")])
    assert late.resource["location"] == [bed("icu", start="2024-01-01")]


def test_naming_a_bed_again_does_not_say_since_when() -> None:
    told = [
        (1, [bed("icu", start="2024-01-01")]),
        (2, [bed("icu")]),
        (3, [bed("icu", "completed", end="2024-01-05")]),
        (4, [bed("icu")]),
    ]
    for order in permutations(told):
        state = None
        for at, places in order:
            state = stay(state, at, location=places)
        period = {"end": "2024-01-05", "start": "2024-01-01"}
        assert state.resource["location"] == [bed("icu") | {"period": period}]


def test_coming_back_to_a_bed_begins_a_period_without_an_end() -> None:
    told = [
        (1, [bed("icu", start="2024-01-01")]),
        (2, [bed("icu", "completed", end="2024-01-02")]),
        (3, [bed("icu", start="2024-01-03")]),
    ]
    for order in permutations(told):
        state = None
        for at, places in order:
            state = stay(state, at, location=places)
        assert state.resource["location"] == [bed("icu", start="2024-01-03")]


def test_the_period_of_a_place_taken_back_does_not_return_with_the_place() -> None:
    told: list[dict[str, Any]] = [
        {"at": 1, "location": [bed("icu", start="2024-01-01")]},
        {"at": 2, "cleared": ("location:Location/icu",)},
        {"at": 3, "location": [bed("icu")]},
    ]
    for order in permutations(told):
        state = None
        for message in order:
            state = stay(state, **message)
        assert state.resource["location"] == [bed("icu")]


def test_a_change_of_attending_leaves_one_attending_and_the_referrer() -> None:
    state = stay(None, 1, participant=[doctor("ATND", "a"), doctor("REF", "r")])
    state = stay(state, 2, participant=[doctor("ATND", "b")])
    assert state.resource["participant"] == [doctor("ATND", "b"), doctor("REF", "r")]


def test_admission_and_discharge_time_come_from_different_messages() -> None:
    state = stay(None, 2, "finished", period={"end": "2024-01-05"})
    state = stay(state, 1, period={"start": "2024-01-01"})
    assert state.resource["period"] == {"end": "2024-01-05", "start": "2024-01-01"}
    state = stay(state, 3, cleared=("period.end",))
    assert state.resource["period"] == {"start": "2024-01-01"}


def result(state: ResourceState | None, at: int, **value: Any) -> ResourceState:
    code = {"text": "Potassium"}
    return said(state, at, "Observation", status="final", code=code, **SUBJECT, **value)


def test_a_new_kind_of_value_replaces_the_old_one() -> None:
    state = result(None, 1, valueQuantity={"value": Decimal("5.50"), "unit": "mmol/L"})
    state = result(state, 2, valueString="haemolysed")
    assert "valueQuantity" not in state.resource
    state = result(state, 3, dataAbsentReason={"text": "not done"})
    assert "valueString" not in state.resource
    stamp = stamp_of(state, "dataAbsentReason")
    assert stamp is not None
    assert stamp.position == 3
    assert state.resource["meta"] == {"versionId": "3"}


def test_an_extension_of_a_value_goes_with_the_value() -> None:
    odd = {"extension": [{"url": "urn:x", "valueString": "about"}]}
    state = said(None, 1, "Patient", birthDate="1970-01-01", _birthDate=odd)
    assert "_birthDate" not in said(state, 2, "Patient", birthDate="1971-01-01").resource


def test_a_whole_resource_replaces_everything_older() -> None:
    state = said(None, 1, "Patient", birthDate="1970-01-01", gender="female")
    state = said(state, 2, "Patient", gender="female", cleared=(WHOLE,))
    assert "birthDate" not in state.resource
    assert "birthDate" not in said(state, 1, "Patient", birthDate="1970-01-01").resource
    assert said(state, 3, "Patient", birthDate="1980").resource["birthDate"] == "1980"


def test_a_problem_entered_in_error_has_no_clinical_status() -> None:
    active = {"coding": [{"code": "active", "system": _CLINICAL}]}
    wrong = {"coding": [{"code": "entered-in-error", "system": _VERIFICATION}]}
    state = said(None, 1, "Condition", clinicalStatus=active, **SUBJECT)
    assert (
        "clinicalStatus"
        not in said(state, 2, "Condition", verificationStatus=wrong, **SUBJECT).resource
    )


_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"


def test_results_of_one_report_add_up_over_messages() -> None:
    state = None
    for at, name in ((2, "b"), (1, "a"), (3, "c")):
        refs = [{"reference": f"Observation/{name}"}]
        state = said(
            state, at, "DiagnosticReport", status="partial", code={"text": "CBC"}, result=refs
        )
    assert state is not None
    assert [r["reference"][-1] for r in state.resource["result"]] == ["a", "b", "c"]


def test_a_stay_moved_to_another_patient_follows_its_subject() -> None:
    state = stay(None, 1, **SUBJECT)
    other = {"resourceType": "Encounter", "id": "r", "status": "in-progress"}
    other |= {"class": {"code": "IMP"}, "subject": {"reference": "Patient/q"}}
    moved = merge(state, Contribution(other, "q"), Stamp(1, 2, 2))
    assert moved.source_patient == "q"
    assert merge(moved, Contribution(dict(state.resource), "p"), Stamp(1, 1, 1)) == moved
