"""ORU: what one message becomes, its evidence and its loss report."""

from __future__ import annotations

from decimal import Decimal

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

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.resource import Disposition

PV1 = "PV1|1|I|W1^12^A^HOSP|R|||7^House^Greg^^^Dr^^^HOSP" + "|" * 12 + "V1^^^HOSP^VN"
OBR = (
    "OBR|1|P1^HIS|F1^LAB|24331-1^Lipids^LN|||20240105090000|||||||||9^Who^Doc||||||20240105100500"
    "||CH|F"
)
OBX = "OBX|1|NM|718-7^Hb^LN||13.50|g/dL^^UCUM|12.0-16.0|N|||F|||20240105091500||9^Who^Doc||"


def cleared(derived: object, kind: str) -> tuple[str, ...]:
    (found,) = [c for c in derived.contributions if c.type == kind]  # type: ignore[attr-defined]
    return found.cleared  # type: ignore[no-any-return]


def test_results() -> None:
    derived = derive(
        "ORU^R01", PID, PV1, "ORC|RE|P1^HIS|F1^LAB||CM", OBR, OBX, "NTE|1||line 1~line 2"
    )
    seen = only(derived, "Observation")
    assert seen["valueQuantity"] == {
        "value": Decimal("13.50"), "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL",  # noqa: E501
    }  # fmt: skip
    assert str(seen["valueQuantity"]["value"]) == "13.50"
    (limits,) = seen["referenceRange"]
    assert (str(limits["low"]["value"]), str(limits["high"]["value"]), limits["text"]) == (
        "12.0",
        "16.0",
        "12.0-16.0",
    )
    assert seen["interpretation"][0]["coding"][0]["system"].endswith("v3-ObservationInterpretation")
    assert seen["interpretation"][0]["coding"][1]["system"].endswith("v2-0078")
    assert (seen["status"], seen["effectiveDateTime"]) == ("final", "2024-01-05T09:15:00+01:00")
    assert seen["note"] == [{"text": "line 1\nline 2"}]
    assert seen["performer"][0]["display"] == "Doc Who"
    assert [c["coding"][0]["code"] for c in seen["category"]] == ["laboratory"]
    report = only(derived, "DiagnosticReport")
    assert report["result"] == [{"reference": f"Observation/{seen['id']}"}]
    assert report["issued"] == "2024-01-05T10:05:00+01:00"
    assert report["encounter"]["reference"].startswith("Encounter/")
    request = only(derived, "ServiceRequest")
    assert (
        report["basedOn"] == seen["basedOn"] == [{"reference": f"ServiceRequest/{request['id']}"}]
    )
    assert (request["status"], request["intent"]) == ("completed", "order")
    assert request["requester"]["display"] == "Doc Who"


@pytest.mark.parametrize(
    ("flag", "status", "kept"),
    [
        ("F", "final", False),
        ("C", "corrected", False),
        ("P", "preliminary", False),
        ("R", "preliminary", True),
        ("D", "entered-in-error", False),
        ("W", "entered-in-error", True),
        ("X", "cancelled", False),
        ("?", "unknown", True),
    ],
)
def test_result_status(flag: str, status: str, kept: bool) -> None:
    seen = only(derive("ORU^R01", PID, OBR, OBX.replace("|F|", f"|{flag}|")), "Observation")
    assert seen["status"] == status
    assert ("_status" in seen) is kept


def test_a_correction_has_the_id_of_what_it_corrects() -> None:
    first = only(derive("ORU^R01", PID, OBR, OBX), "Observation")
    second = only(
        derive("ORU^R01", PID, OBR, OBX.replace("13.50", "13.8").replace("|F|", "|C|")),
        "Observation",
    )
    assert first["id"] == second["id"]
    twice = every(derive("ORU^R01", PID, OBR, OBX, OBX), "Observation")
    assert len({o["id"] for o in twice}) == 2
    assert twice[0]["id"] == first["id"]


@pytest.mark.parametrize(
    ("kind", "value", "element", "expected"),
    [
        ("NM", "1.0", "valueQuantity", {"value": Decimal("1.0"), "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"}),  # noqa: E501
        ("ST", "a\\T\\b", "valueString", "a&b"),
        ("TX", "one~two", "valueString", "one\ntwo"),
        ("FT", "one\\.br\\two", "valueString", "one\ntwo"),
        ("CWE", "260373001^Detected^SCT", "valueCodeableConcept", {"coding": [{"system": "http://snomed.info/sct", "code": "260373001", "display": "Detected"}], "text": "Detected"}),  # noqa: E501
        ("DT", "202401", "valueDateTime", "2024-01"),
        ("TM", "0930", "valueTime", "09:30:00"),
        ("DR", "20240101^20240102", "valuePeriod", {"start": "2024-01-01", "end": "2024-01-02"}),
        ("", "text", "valueString", "text"),
        ("XPN", "Roe^Jo", "valueString", "Roe Jo"),
    ],
)  # fmt: skip
def test_values_by_type(kind: str, value: str, element: str, expected: object) -> None:
    obx = f"OBX|1|{kind}|X^X^L||{value}|g/dL||||||F"
    seen = only(derive("ORU^R01", PID, OBR, obx), "Observation")
    assert seen[element] == expected
    assert [k for k in seen if k.startswith("value")] == [element]


def test_a_structured_number_and_attachments() -> None:
    seen = only(derive("ORU^R01", PID, OBR, "OBX|1|SN|X^X^L||>^100|mg/dL|||||F"), "Observation")
    assert seen["valueQuantity"]["comparator"] == ">"
    seen = only(
        derive("ORU^R01", PID, OBR, "OBX|1|ED|X^X^L||^application^pdf^Base64^aGk=||||||F"),
        "Observation",
    )
    assert seen["extension"][0]["valueAttachment"] == {
        "contentType": "application/pdf",
        "data": "aGk=",
    }
    seen = only(
        derive("ORU^R01", PID, OBR, "OBX|1|RP|X^X^L||http://pacs/1^App^image^JPEG||||||F"),
        "Observation",
    )
    assert seen["extension"][0]["valueAttachment"]["url"] == "http://pacs/1"


def test_several_values_are_components() -> None:
    seen = only(
        derive("ORU^R01", PID, OBR, "OBX|1|CWE|O^Organism^L||1^A^L~2^B^L||||||F"), "Observation"
    )
    assert [c["valueCodeableConcept"]["text"] for c in seen["component"]] == ["A", "B"]


def test_numbers_that_are_none_stay_text() -> None:
    derived = derive("ORU^R01", PID, OBR, OBX.replace("13.50", "pending"))
    assert only(derived, "Observation")["valueString"] == "pending"
    assert ("number-invalid", "OBX-5") in issues(derived)


def test_a_null_value_is_taken_back() -> None:
    derived = derive("ORU^R01", PID, OBR, OBX.replace("13.50", '""'))
    assert "valueQuantity" in cleared(derived, "Observation")


def test_an_impossible_range_and_a_wrong_flag_are_issues() -> None:
    derived = derive(
        "ORU^R01", PID, OBR, OBX.replace("12.0-16.0", "16.0-12.0"), OBX.replace("13.50", "25.0")
    )
    assert {
        ("reference-range-inverted", "OBX-7"),
        ("flag-contradicts-range", "OBX[2]-8"),
    } <= issues(derived)
    assert every(derived, "Observation")[0]["referenceRange"] == [{"text": "16.0-12.0"}]


def test_a_specimen_of_its_own_segment_or_of_the_order() -> None:
    from_order = derive(
        "ORU^R01",
        PID,
        OBR.replace("|||||||||9^Who", "|||||||20240105|SER^Serum^HL70487|9^Who", 1),
        OBX,
    )
    assert only(from_order, "Specimen")["type"]["coding"][0]["code"] == "SER"
    own = derive(
        "ORU^R01",
        PID,
        OBR,
        OBX,
        "SPM|1|S1&HIS^S2&LAB||BLD^Blood^HL70487|||||||||||||20240105080000|20240105083000",
    )
    specimen = only(own, "Specimen")
    assert specimen["collection"]["collectedDateTime"] == "2024-01-05T08:00:00+01:00"
    assert only(own, "Observation")["specimen"] == {"reference": f"Specimen/{specimen['id']}"}


def test_one_provenance_says_where_it_all_comes_from() -> None:
    sent = message(text("ORU^R01", PID, OBR, OBX))
    derived = MAPPING.derive(sent, FEED, EXAMPLE_NAMESPACE)
    provenance = derived.provenance
    assert provenance is not None
    assert (
        provenance["entity"][0]["what"]["identifier"]["value"] == f"urn:sha256:{sent.sha256.hex()}"
    )
    assert provenance["recorded"] == "2024-01-05T10:20:00Z"
    assert provenance["agent"][0]["who"]["display"] == FEED.owner
    targets = {t["reference"] for t in provenance["target"]}
    assert targets == {f"{c.type}/{c.id}" for c in derived.contributions if not c.directory}


def test_evidence_points_at_the_bytes() -> None:
    traced = trace("ORU^R01", PID, OBR, OBX)
    body = text("ORU^R01", PID, OBR, OBX)
    resources = {c.id: c.resource for c in traced.derived.contributions}
    at: dict[tuple[str, str], set[bytes]] = {}
    for e in traced.evidence:
        if e.resource_id in resources:
            key = (resources[e.resource_id]["resourceType"], e.element)
            at.setdefault(key, set()).update(body[a:b] for a, b in e.spans)
    assert at["Patient", "name[0].family"] == {b"Rivera"}
    assert at["Patient", "birthDate"] == {b"19800203"}
    assert at["Observation", "valueQuantity.value"] == {b"13.50"}
    assert at["Observation", "valueQuantity.code"] == {b"g/dL"}
    assert at["Observation", "code.coding[0].code"] == {b"718-7"}
    assert at["DiagnosticReport", "issued"] == {b"20240105100500"}


def test_the_loss_report_names_every_leaf() -> None:
    traced = trace("ADT^A08", PID, "ZPI|1|kept^where", "PV1|1|I|W1||||||||||||||||V1|||X")
    rows = {r.location: r for r in traced.loss.rows}
    assert rows["PID-5.1" if "PID-5.1" in rows else "PID-5[1].1"].targets == (
        "Patient.name[0].family",
    )
    assert rows["PID-1"].disposition is Disposition.IGNORED
    assert rows["PID-1"].reason
    assert rows["ZPI-1"].disposition is Disposition.UNMAPPED
    assert {"ZPI-1", "ZPI-2"} <= set(traced.derived.unmapped)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"garbage", "unparseable"),
        (text("ZZZ^Z01", PID), "unsupported-message-type"),
        (text("ADT^A01", "PID|1||||Rivera^Ana"), "no-patient-identifier"),
        (text("ADT^A01", "PV1|1|I"), "no-patient-identifier"),
    ],
)
def test_quarantine_still_accounts_for_every_field(body: bytes, reason: str) -> None:
    traced = MAPPING.trace(message(body), FEED, EXAMPLE_NAMESPACE)
    derived = MAPPING.derive(message(body), FEED, EXAMPLE_NAMESPACE)
    assert traced.derived == derived
    assert derived.quarantine == reason
    assert derived.contributions == ()
    assert traced.loss.counts == derived.loss
    assert reason in {i.code for i in derived.issues}
    assert {r.disposition for r in traced.loss.rows} <= {Disposition.UNMAPPED}
