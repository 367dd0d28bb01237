"""What a clinician reads out of a message: statuses, times and reasons in their right place."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.derive import PID, derive

from chartloom.domain.resource import Derived

Json = dict[str, Any]


def seg(name: str, **fields: str) -> str:
    numbers = {int(k[1:]): v for k, v in fields.items()}
    return "|".join([name, *(numbers.get(n, "") for n in range(1, max(numbers) + 1))])


def said(derived: Derived, kind: str) -> tuple[Json, tuple[str, ...], tuple[str, ...]]:
    (found,) = [c for c in derived.contributions if c.type == kind]
    return found.resource, tuple(found.weak), tuple(found.cleared)


def extension(resource: Json, name: str) -> Json | None:
    found = [e for e in resource.get("extension", ()) if e["url"].endswith(name)]
    return found[0] if found else None


def stay(event: str, **fields: str) -> Json:
    pv1 = seg("PV1", **{"f2": "I", "f19": "V1", **fields})
    evn = f"EVN|{event}|20240106101500+0100"
    return said(derive(f"ADT^{event}", evn, PID, pv1), "Encounter")[0]


ADMITTED, LEFT, MOVED = (
    "2024-01-05T09:00:00+01:00",
    "2024-01-08T10:00:00+01:00",
    "2024-01-06T10:15:00+01:00",
)


@pytest.mark.parametrize(
    ("event", "fields", "periods"),
    [
        ("A01", {"f3": "W1", "f44": "20240105090000+0100"}, {"W1": {"start": ADMITTED}}),
        ("A04", {"f3": "W1", "f44": "20240105090000+0100"}, {"W1": {"start": ADMITTED}}),
        ("A01", {"f3": "W1"}, {"W1": None}),
        ("A02", {"f3": "W2", "f6": "W1"}, {"W2": {"start": MOVED}, "W1": {"end": MOVED}}),
        ("A02", {"f3": "W2"}, {"W2": {"start": MOVED}}),
        ("A06", {"f3": "W2", "f6": "W1"}, {"W2": {"start": MOVED}, "W1": {"end": MOVED}}),
        ("A06", {"f3": "W2"}, {"W2": None}),
        ("A03", {"f3": "W2", "f45": "20240108100000+0100"}, {"W2": {"end": LEFT}}),
        ("A03", {"f3": "W2", "f6": "W1"}, {"W2": {"end": MOVED}, "W1": None}),
        ("A08", {"f3": "W2", "f44": "20240105090000+0100"}, {"W2": None}),
    ],
)
def test_places_of_a_stay_have_the_times_that_the_event_tells(
    event: str, fields: dict[str, str], periods: dict[str, Json | None]
) -> None:
    places = stay(event, **fields)["location"]
    assert {p["location"]["display"]: p.get("period") for p in places} == periods


def order(control: str, status: str = "", result: str = "", kind: str = "ORM^O01") -> Any:
    orc = seg("ORC", f1=control, f2="P1", f5=status, f9="20240106101500+0100", f16="X^why^L")
    obr = seg("OBR", f1="1", f2="P1", f4="24323-8^CMP^LN", f25=result)
    return said(derive(kind, PID, orc, obr), "ServiceRequest")


@pytest.mark.parametrize(
    ("control", "status", "result", "kind", "expected"),
    [
        ("NW", "", "", "ORM^O01", "active"),
        ("CA", "", "", "ORM^O01", "revoked"),
        ("CA", "IP", "", "ORM^O01", "revoked"),  # what ORC-5 still says does not keep it alive
        ("DC", "CM", "", "ORM^O01", "revoked"),
        ("HD", "A", "", "ORM^O01", "on-hold"),
        ("SC", "CM", "", "ORM^O01", "completed"),
        ("RE", "", "F", "ORU^R01", "completed"),  # resulted: nobody waits for it any more
        ("RE", "", "C", "ORU^R01", "completed"),
        ("RE", "", "X", "ORU^R01", "revoked"),
        ("RE", "", "P", "ORU^R01", "active"),
        ("RE", "IP", "F", "ORU^R01", "active"),  # the sender says so itself
        ("CA", "", "F", "ORM^O01", "revoked"),
    ],
)
def test_the_status_of_an_order(
    control: str, status: str, result: str, kind: str, expected: str
) -> None:
    resource, weak, _ = order(control, status, result, kind)
    assert resource["status"] == expected
    assert "status" not in weak


def test_results_without_order_control_complete_the_order() -> None:
    obr = seg("OBR", f1="1", f3="F1", f4="24323-8^CMP^LN", f25="F")
    resource, weak, _ = said(derive("ORU^R01", PID, obr), "ServiceRequest")
    assert (resource["status"], weak) == ("completed", ())


@pytest.mark.parametrize(
    ("control", "is_new"), [("NW", True), ("RO", True), ("CA", False), ("RE", False)]
)
def test_an_order_was_written_when_it_was_new(control: str, is_new: bool) -> None:
    resource, weak, _ = order(control)
    assert resource["authoredOn"] == MOVED
    assert ("authoredOn" not in weak) is is_new


def test_why_an_order_was_cancelled_is_no_indication() -> None:
    cancelled, _, _ = order("CA")
    assert "reasonCode" not in cancelled
    reason = extension(cancelled, "request-statusReason")
    assert reason is not None
    assert reason["valueCodeableConcept"]["text"] == "why"
    assert order("NW")[0]["reasonCode"][0]["text"] == "why"


def drug(control: str, status: str = "", reason: str = "") -> Any:
    orc = seg("ORC", f1=control, f2="R1", f5=status, f9="20240106101500+0100", f16=reason)
    rxe = seg("RXE", f2="197361^Amlodipine 5 MG^RXNORM", f3="5", f5="mg")
    return said(derive("RDE^O11", PID, orc, rxe), "MedicationRequest")


@pytest.mark.parametrize(
    ("control", "status", "expected", "strong"),
    [
        ("NW", "", "active", True),
        ("DC", "CM", "stopped", True),
        ("HD", "", "on-hold", True),
        ("DF", "", "active", False),  # no refill: what is being taken is not cancelled by that
        ("DF", "CM", "completed", True),
    ],
)
def test_the_status_of_a_drug_order(control: str, status: str, expected: str, strong: bool) -> None:
    resource, weak, _ = drug(control, status)
    assert resource["status"] == expected
    assert ("status" not in weak) is strong


def test_stopping_a_drug_does_not_make_it_younger() -> None:
    resource, weak, _ = drug("DC", reason="X^Oedema^L")
    assert "authoredOn" in weak
    changed = extension(resource, "MedicationRequest.statusChanged")
    assert changed is not None
    assert changed["valueDateTime"] == MOVED
    assert resource["statusReason"]["text"] == "Oedema"


def test_a_released_drug_is_held_for_no_reason() -> None:
    assert drug("RL")[2] == ("statusReason",)
    assert drug("RL", reason="X^better^L")[2] == ()


@pytest.mark.parametrize("name", ["AL1", "IAM"])
@pytest.mark.parametrize(
    ("severity", "criticality", "cleared"),
    [("SV", "high", ()), ("MO", None, ("criticality",)), ("MI", "low", ())],
)
def test_a_moderate_severity_leaves_no_older_criticality(
    name: str, severity: str, criticality: str | None, cleared: tuple[str, ...]
) -> None:
    allergy = seg(name, f1="1", f2="DA", f3="70618^Penicillin^RXNORM", f4=severity, f5="hives")
    resource, _, gone = said(derive("ADT^A60", PID, allergy), "AllergyIntolerance")
    assert (resource.get("criticality"), gone) == (criticality, cleared)


@pytest.mark.parametrize(
    ("kind", "action", "verification", "cleared"),
    [
        ("W", "", "provisional", ()),
        ("W", "A", "provisional", ()),
        ("F", "A", "confirmed", ()),
        ("F", "D", "entered-in-error", ()),
        ("A", "A", None, ("verificationStatus",)),  # listing it says nothing of how sure it is
        ("A", "", None, ()),
    ],
)
def test_how_sure_a_diagnosis_is(
    kind: str, action: str, verification: str | None, cleared: tuple[str, ...]
) -> None:
    dg1 = seg("DG1", f1="1", f3="I21^MI^I10", f6=kind, f21=action)
    resource, _, gone = said(derive("ADT^A08", PID, dg1), "Condition")
    coding = resource.get("verificationStatus", {}).get("coding", [{}])
    assert (coding[0].get("code"), gone) == (verification, cleared)


@pytest.mark.parametrize(
    ("completion", "action", "subpotent", "cleared"),
    [
        ("PA", "A", True, ()),
        ("CP", "A", None, ()),
        ("CP", "U", None, ("isSubpotent",)),
        ("PA", "D", None, ()),
    ],
)
def test_a_part_of_a_vaccine_dose_is_said_to_be_one(
    completion: str, action: str, subpotent: bool | None, cleared: tuple[str, ...]
) -> None:
    rxa = seg("RXA", f3="20240105", f5="141^Flu^CVX", f6="0.2", f7="mL", f20=completion, f21=action)
    resource, _, gone = said(derive("VXU^V04", PID, "ORC|RE||I1", rxa), "Immunization")
    assert (resource.get("isSubpotent"), gone) == (subpotent, cleared)


@pytest.mark.parametrize(
    ("observed", "issued"), [("", "2024-01-06T10:15:00+01:00"), ("20240105", None)]
)
def test_a_result_without_its_own_time_has_that_of_its_report(
    observed: str, issued: str | None
) -> None:
    obr = seg("OBR", f1="1", f3="F1", f4="GLU^Glucose^L", f22="20240106101500+0100", f25="F")
    obx = seg("OBX", f1="1", f2="NM", f3="GLU^Glucose^L", f5="5.50", f11="F", f14=observed)
    resource, _, _ = said(derive("ORU^R01", PID, obr, obx), "Observation")
    assert resource.get("issued") == issued


def test_an_event_segment_behind_the_patient_loses_no_visit() -> None:
    pv1 = seg("PV1", f2="I", f3="W2", f6="W1", f19="V1")
    derived = derive("ADT^A02", PID, "EVN|A02|20240106101500+0100", pv1)
    resource = said(derived, "Encounter")[0]
    assert resource["location"][0]["period"] == {"start": MOVED}
    assert resource["subject"]["reference"] == f"Patient/{said(derived, 'Patient')[0]['id']}"


@pytest.mark.parametrize(
    ("event", "kind", "status"),
    [
        ("A05", "I", "planned"),
        ("A14", "I", "planned"),
        ("A38", "I", "planned"),
        ("A05", "P", "planned"),
        ("A01", "P", "active"),
        ("A01", "I", "active"),
        ("A08", "P", "planned"),
        ("A08", "I", "active"),
        ("A03", "I", "completed"),
    ],
)
def test_nobody_is_yet_in_the_bed_of_an_expected_stay(event: str, kind: str, status: str) -> None:
    assert stay(event, f2=kind, f3="W1")["location"][0]["status"] == status
