"""Groups of segments: whom they are about, what they share, and what they do not."""

from __future__ import annotations

import pytest
from tests.support.derive import (
    FEED,
    MAPPING,
    PID,
    derive,
    every,
    issues,
    message,
    only,
    text,
    trace,
)
from tests.support.hl7_examples import segment

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.resource import Traced

OBX = "OBX|1|NM|718-7^Hb^LN||13.5|g/dL^^UCUM||N|||F"
PV1 = segment("PV1", {2: "I", 3: "W1^12^A", 19: "V1^^^HOSP^VN"})


def test_results_of_a_patient_without_a_number_are_reported() -> None:
    derived = derive("ORU^R01", PID, "OBR|1|C|D|1-8^X^LN", OBX, "PID|2", "OBR|2|A|B|2-6^Y^LN", OBX)
    lost = {at for code, at in issues(derived) if code == "group-without-patient"}
    assert lost == {"OBR[2]", "OBX[2]"}
    assert len(every(derived, "Observation")) == 1


def test_a_patient_without_a_number_takes_along_what_is_theirs() -> None:
    derived = derive("VXU^V04", PID, "PID|2||", "ORC|RE||9", "RXA|0|1|20240105||08^HepB^CVX|1")
    assert ("group-without-patient", "ORC") in issues(derived)
    assert every(derived, "Immunization") == []


def test_an_order_does_not_take_the_specimen_of_the_order_before() -> None:
    first = "OBR|1|A1|B1|1-8^X^LN|||20240105|||||||20240105|BLD&Blood"
    derived = derive("ORU^R01", PID, first, OBX, "OBR|2|A2|B2|2-6^Y^LN", OBX)
    assert len(every(derived, "Specimen")) == 1
    assert ["specimen" in r for r in every(derived, "DiagnosticReport")] == [True, False]
    assert ["specimen" in r for r in every(derived, "Observation")] == [True, False]


def test_the_route_ordered_is_not_the_route_given() -> None:
    order = ("ORC|RE|P1", "RXO|197361^Amlodipine^RXNORM|5||mg", "RXR|PO^Oral^HL70162")
    given = "RXA|0|{}|20240105{}00||197361^Amlodipine^RXNORM|5|mg"
    iv = "RXR|IV^Intravenous^HL70162"
    derived = derive("RAS^O17", PID, *order, given.format(1, "08"), given.format(2, "12"), iv)
    routes = [r.get("dosage", {}).get("route") for r in every(derived, "MedicationAdministration")]
    assert [bool(r) for r in routes] == [False, True]
    (request,) = every(derived, "MedicationRequest")[:1]
    assert request["dosageInstruction"][0]["route"]["coding"][0]["code"] == "PO"


def test_two_drugs_under_one_number_stay_two() -> None:
    one = ("ORC|NW|P1", "RXO|197361^Amlodipine^RXNORM|5||mg")
    two = ("ORC|NW|P1", "RXO|310965^Ibuprofen^RXNORM|200||mg")
    derived = derive("RDE^O11", PID, *one, *two)
    requests = every(derived, "MedicationRequest")
    codes = [r["medicationCodeableConcept"]["coding"][0]["code"] for r in requests]
    assert codes == ["197361", "310965"]
    assert "number-shared" in {c for c, _ in issues(derived)}
    assert [r["id"] for r in every(derive("RDE^O11", PID, *one), "MedicationRequest")] == [
        requests[0]["id"]
    ]


def test_a_stay_lists_the_diagnoses_that_come_with_it() -> None:
    dg1 = (
        "DG1|1||I10^Hypertension^I10C|||A|||||||||1",
        "DG1|2||E11.9^Diabetes^I10C|||F",
        segment("DG1", {1: "3", 3: "J45^Asthma^I10C", 6: "W", 21: "D"}),
    )
    derived = derive("ADT^A01", PID, PV1, *dg1)
    conditions = [f"Condition/{c['id']}" for c in every(derived, "Condition")]
    listed = only(derived, "Encounter")["diagnosis"]
    assert [d["condition"]["reference"] for d in listed] == conditions[:2]
    assert [d["condition"]["display"] for d in listed] == ["Hypertension", "Diabetes"]
    assert [d["use"]["coding"][0]["code"] for d in listed] == ["AD", "DD"]
    assert [d.get("rank") for d in listed] == [1, None]
    assert "diagnosis" not in only(derive("ADT^A01", PID, PV1), "Encounter")


@pytest.mark.parametrize("kind", ["QBP^Q11", "QCN^J01", "QRY^A19", "ADT^A43", "ACK^A01", "ZZZ^Z01"])
def test_what_no_mapping_reads_is_quarantined_with_a_reason(kind: str) -> None:
    traced = trace(kind, PID, "QPD|Q11|1")
    assert traced.derived.quarantine == "unsupported-message-type"
    assert {i.code for i in traced.derived.issues} == {"unsupported-message-type"}
    assert traced.loss.counts.unmapped > 0


def test_a_character_set_without_a_codec_is_an_issue_and_nothing_is_lost() -> None:
    body = text("ADT^A08", "PID|1||1^^^H^MR||Lin^\u9673", charset="CNS 11643").replace(
        "\u9673".encode(), b"\xc4\xe3"
    )
    derived = MAPPING.derive(message(body), FEED, EXAMPLE_NAMESPACE)
    assert any(i.location == "MSH-18" for i in derived.issues)
    assert not derived.quarantine


def proof(traced: Traced, kind: str) -> dict[str, set[str]]:
    """Element -> locations of its evidence, of the one resource of a type."""
    id = only(traced.derived, kind)["id"]
    found: dict[str, set[str]] = {}
    for item in traced.evidence:
        if item.resource_id == id:
            found.setdefault(item.element, set()).add(item.location)
    return found


def test_evidence_is_for_the_very_value() -> None:
    told = proof(trace("ORU^R01", PID, "OBR|1|A|B|1-8^X^LN", OBX), "Observation")
    assert told["valueQuantity.value"] == {"OBX-5"}


def test_a_result_that_is_a_document_has_evidence() -> None:
    pdf = "OBX|1|ED|11502-2^Report^LN||LAB^application^pdf^Base64^JVBERi0xLjQ=||||||F"
    traced = trace("ORU^R01", PID, "OBR|1|A|B|1-8^X^LN", pdf)
    at = "extension[0].valueAttachment"
    result = only(traced.derived, "Observation")
    assert result["extension"][0]["valueAttachment"]["data"] == "JVBERi0xLjQ="
    found = {e: where for e, where in proof(traced, "Observation").items() if e.startswith(at)}
    assert found[f"{at}.data"] == {"OBX-5[1].5"}
