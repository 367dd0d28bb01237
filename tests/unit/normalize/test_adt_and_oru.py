"""ADT and ORU: what one message becomes, element by element."""

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
from tests.support.hl7_examples import segment

from chartloom.domain.ids import EXAMPLE_NAMESPACE, source_patient_id
from chartloom.domain.resource import Disposition, LinkKind
from chartloom.formats.hl7v2 import peek

EVN = "EVN||20240105101400|||42^Clerk^Pat|20240105100000"
PV1 = (
    "PV1|1|I|W1^12^A^HOSP|R|||7^House^Greg^^^Dr^^^HOSP|||MED||||7|||||V1^^^HOSP^VN"
    + "|" * 25
    + "{in_}|{out}"
)
OBR = (
    "OBR|1|P1^HIS|F1^LAB|24331-1^Lipids^LN|||20240105090000|||||||||9^Who^Doc||||||20240105100500"
    "||CH|F"
)
OBX = "OBX|1|NM|718-7^Hb^LN||13.50|g/dL^^UCUM|12.0-16.0|N|||F|||20240105091500||9^Who^Doc||"


def pv1(in_: str = "20240104080000", out: str = "") -> str:
    return PV1.format(in_=in_, out=out)


def cleared(derived: object, kind: str) -> tuple[str, ...]:
    (found,) = [c for c in derived.contributions if c.type == kind]  # type: ignore[attr-defined]
    return found.cleared  # type: ignore[no-any-return]


def weak(derived: object, kind: str) -> tuple[str, ...]:
    (found,) = [c for c in derived.contributions if c.type == kind]  # type: ignore[attr-defined]
    return found.weak  # type: ignore[no-any-return]


def test_the_patient_is_the_one_that_peek_names() -> None:
    sent = text("ADT^A08", "PID|1||9^^^X^SS~4711^^^HOSP^MR||Rivera^Ana")
    seen = peek(sent)
    derived = derive("ADT^A08", "PID|1||9^^^X^SS~4711^^^HOSP^MR||Rivera^Ana")
    expected = source_patient_id(
        EXAMPLE_NAMESPACE, FEED.patient_namespace, seen.patient_authority, seen.patient_identifier
    )
    assert derived.source_patient == only(derived, "Patient")["id"] == expected


def test_demographics() -> None:
    pid = segment(
        "PID",
        {
            3: "4711^^^HOSP^MR~123456789^^^USSSA^SS",
            5: "van Rivera&van&Rivera^Ana^B C^Jr^Dr^^L~Annie^^^^^^N",
            7: "198002031430",
            8: "F",
            11: "Main 1^Apt 2^Bonn^NW^53111^DE^H",
            13: "0228 1^PRN^CP",
            14: "030 2",
            15: "de",
            16: "M",
            24: "N",
            29: "20240101",
            30: "Y",
        },
    )
    patient = only(derive("ADT^A08", pid), "Patient")
    assert patient["birthDate"] == "1980-02-03"
    assert patient["_birthDate"]["extension"][0]["valueDateTime"] == "1980-02-03T14:30:00+01:00"
    assert patient["name"][0]["given"] == ["Ana", "B C"]
    assert patient["name"][0]["family"] == "van Rivera"
    assert patient["name"][1]["use"] == "nickname"
    assert patient["address"][0]["line"] == ["Main 1", "Apt 2"]
    assert [(t["value"], t["use"]) for t in patient["telecom"]] == [
        ("0228 1", "mobile"),
        ("030 2", "work"),
    ]
    assert patient["maritalStatus"]["coding"][0]["code"] == "M"
    assert patient["communication"][0]["preferred"] is True
    assert patient["deceasedDateTime"] == "2024-01-01"
    assert patient["multipleBirthBoolean"] is False


def test_null_takes_back_and_absence_says_nothing() -> None:
    null = '""'
    pid = segment("PID", {3: "4711^^^HOSP^MR", 5: "Rivera^Ana", 7: null, 8: "F", 11: null})
    visit = segment("PV1", {2: "I", 7: null, 19: "V1", 36: null, 45: null})
    derived = derive("ADT^A08", pid, visit)
    assert set(cleared(derived, "Patient")) == {"birthDate", "address"}
    assert "telecom" not in cleared(derived, "Patient")
    assert set(cleared(derived, "Encounter")) == {
        "participant:ATND",
        "hospitalization.dischargeDisposition",
        "period.end",
    }


def test_admission() -> None:
    derived = derive("ADT^A01", EVN, PID, pv1())
    stay = only(derived, "Encounter")
    assert (stay["status"], stay["class"]["code"]) == ("in-progress", "IMP")
    assert stay["period"] == {"start": "2024-01-04T08:00:00+01:00"}
    assert stay["location"][0]["status"] == "active"
    assert stay["participant"][0]["type"][0]["coding"][0]["code"] == "ATND"
    assert stay["identifier"][0]["value"] == "V1"
    assert weak(derived, "Encounter") == ()
    known = {f"{c.type}/{c.id}" for c in derived.contributions}
    assert stay["participant"][0]["individual"]["reference"] in known
    assert stay["location"][0]["location"]["reference"] in known
    assert stay["subject"]["reference"] in known


@pytest.mark.parametrize(
    ("event", "status", "is_weak"),
    [
        ("A01", "in-progress", False),
        ("A03", "finished", False),
        ("A05", "planned", False),
        ("A08", "in-progress", True),
        ("A11", "cancelled", False),
        ("A13", "in-progress", False),
    ],
)
def test_status_by_event(event: str, status: str, is_weak: bool) -> None:
    derived = derive(f"ADT^{event}", EVN, PID, pv1())
    assert only(derived, "Encounter")["status"] == status
    assert ("status" in weak(derived, "Encounter")) is is_weak


def test_an_update_after_the_discharge_does_not_reopen_the_stay() -> None:
    derived = derive("ADT^A08", EVN, PID, pv1(out="20240105080000"))
    assert only(derived, "Encounter")["status"] == "finished"
    assert "status" in weak(derived, "Encounter")


def test_a_transfer_begins_and_ends_places() -> None:
    stay = only(derive("ADT^A02", EVN, PID, pv1().replace("|R|||7", "|R||ED^1|7")), "Encounter")
    places = {p["location"]["display"]: (p["status"], p["period"]) for p in stay["location"]}
    assert places == {
        "W1 12 A": ("active", {"start": "2024-01-05T10:00:00+01:00"}),
        "ED 1": ("completed", {"end": "2024-01-05T10:00:00+01:00"}),
    }


def test_cancelled_transfer_and_discharge() -> None:
    back = derive("ADT^A12", EVN, PID, pv1())
    here = only(back, "Encounter")["location"][0]["location"]["reference"]
    open_end = f"location.period.end:{here}"
    assert cleared(back, "Encounter") == (open_end, "location")
    assert len(only(back, "Encounter")["location"]) == 1
    named = derive("ADT^A12", EVN, PID, pv1().replace("|R|||7", "|R||ED^1|7"))
    still, place = cleared(named, "Encounter")
    assert still == open_end
    assert place.startswith("location:Location/")
    open_again = derive("ADT^A13", EVN, PID, pv1(out="20240105080000"))
    assert set(cleared(open_again, "Encounter")) == {
        open_end,
        "period.end",
        "hospitalization.dischargeDisposition",
        "hospitalization.destination",
    }
    assert "end" not in only(open_again, "Encounter")["period"]


def test_contradictions_are_issues() -> None:
    derived = derive(
        "ADT^A01",
        EVN,
        "PID|1||4711^^^HOSP^MR||Rivera^Ana||20300101|F" + "|" * 21 + "20240101|N",
        pv1("20240105080000", "20240104080000"),
    )
    assert {
        ("birth-after-event", "PID-7"),
        ("death-contradiction", "PID-30"),
        ("discharge-before-admit", "PV1-45"),
    } <= issues(derived)


def test_a_visit_without_number_or_time_is_no_encounter() -> None:
    derived = derive("ADT^A08", PID, "PV1|1|I|W1")
    assert every(derived, "Encounter") == []
    assert ("key-missing", "PV1") in issues(derived)
    assert "PV1-3" in derived.unmapped


def test_what_comes_with_an_admission() -> None:
    derived = derive(
        "ADT^A01", EVN, PID,
        "NK1|1|Rivera^Eva|MTH^Mother^HL70063||0301",
        pv1(),
        "AL1|1|DA|7980^Penicillin^RXNORM|SV|Hives~Nausea",
        "DG1|1||I10^Hypertension^I10||20240104|A",
        segment("IN1", {2: "GOLD^Gold plan", 3: "C1", 4: "Big Insurer", 8: "G1", 12: "20240101",
                        13: "20241231", 17: "SEL", 22: "1", 36: "S99"}),
    )  # fmt: skip
    relative = only(derived, "RelatedPerson")
    assert [c["code"] for c in relative["relationship"][0]["coding"]] == ["MTH", "MTH"]
    allergy = only(derived, "AllergyIntolerance")
    assert (allergy["criticality"], allergy["category"], allergy["type"]) == (
        "high",
        ["medication"],
        "allergy",
    )
    assert allergy["reaction"][0]["severity"] == "severe"
    assert [m["coding"][0]["code"] for m in allergy["reaction"][0]["manifestation"]] == [
        "Hives",
        "Nausea",
    ]
    assert weak(derived, "AllergyIntolerance") == ("clinicalStatus",)
    condition = only(derived, "Condition")
    assert condition["category"][0]["coding"][0]["code"] == "encounter-diagnosis"
    assert condition["encounter"]["reference"] == f"Encounter/{only(derived, 'Encounter')['id']}"
    assert condition["code"]["coding"][0]["system"] == "http://hl7.org/fhir/sid/icd-10"
    coverage = only(derived, "Coverage")
    assert coverage["subscriberId"] == "S99"
    assert coverage["period"] == {"start": "2024-01-01", "end": "2024-12-31"}
    assert coverage["payor"][0]["display"] == "Big Insurer"


def test_a_merge_is_a_link_and_changes_nothing_else() -> None:
    derived = derive("ADT^A40", "EVN||20240105", PID, "MRG|99^^^HOSP^MR")
    (link,) = derived.links
    prior = source_patient_id(EXAMPLE_NAMESPACE, FEED.patient_namespace, "HOSP", "99")
    assert (link.kind, link.surviving, link.prior) == (
        LinkKind.MERGE,
        derived.source_patient,
        prior,
    )
    patient = only(derived, "Patient")
    assert patient["link"] == [{"other": {"reference": f"Patient/{prior}"}, "type": "replaces"}]
    assert {c.source_patient for c in derived.contributions if not c.directory} == {
        derived.source_patient
    }
    assert ("merge-incomplete", "MRG-1") in issues(derive("ADT^A40", PID, "MRG|"))


def test_two_patients_in_one_merge_message() -> None:
    derived = derive(
        "ADT^A40", PID, "MRG|99^^^HOSP^MR", "PID|2||4712^^^HOSP^MR||Roe^Jo", "MRG|98^^^HOSP^MR"
    )
    assert len(every(derived, "Patient")) == len(derived.links) == 2
    assert len({c.source_patient for c in derived.contributions if c.type == "Patient"}) == 2


def test_results() -> None:
    derived = derive(
        "ORU^R01", PID, pv1(), "ORC|RE|P1^HIS|F1^LAB||CM", OBR, OBX, "NTE|1||line 1~line 2"
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
