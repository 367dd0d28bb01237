"""ROL and PRT: people in their roles, each where the segment stands."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.derive import PID, derive, only

from chartloom.domain.resource import Contribution

PV1 = "PV1|1|I|W1^2^B||||9^Kim^Jo||||||||||||V1^^^SGH^VN"
Json = dict[str, Any]


def roles(encounter: Json) -> list[tuple[str, str]]:
    return [
        (p["type"][0]["coding"][0]["code"], p["individual"]["display"])
        for p in encounter["participant"]
    ]


def kept(resource: Json) -> list[dict[str, Any]]:
    """The participation extensions as {label: value}."""
    found = []
    for item in resource.get("extension", ()):
        if item["url"].endswith(":participation"):
            parts = item["extension"]
            found.append(
                {
                    p["url"].rpartition(":")[2]: next(v for k, v in p.items() if k != "url")
                    for p in parts
                }
            )
    return found


@pytest.mark.parametrize(
    ("role", "code"),
    [("AT", "ATND"), ("AD", "ADM"), ("CP", "CON"), ("RP", "REF"), ("XX", "XX")],
)
def test_a_role_of_a_stay_is_a_participant(role: str, code: str) -> None:
    visit = PV1.replace("9^Kim^Jo", "")
    rol = f"ROL|R1|AD|{role}^Text^HL70443|8^Lee^Bo|20240101|20240105|||394^Cardiology^SCT"
    derived = derive("ADT^A08", PID, visit, rol)
    encounter = only(derived, "Encounter")
    assert roles(encounter) == [(code, "Bo Lee")]
    (person,) = encounter["participant"]
    assert person["period"] == {"start": "2024-01-01", "end": "2024-01-05"}
    assert {c["code"] for c in person["type"][0]["coding"]} == {code, role}
    assert derived.loss.unmapped == 0


def test_who_is_in_pv1_and_rol_is_one_participant() -> None:
    encounter = only(derive("ADT^A08", PID, PV1, "ROL|1|AD|AT|9^Kim^Jo|20240101"), "Encounter")
    (person,) = encounter["participant"]
    assert person["period"] == {"start": "2024-01-01"}


def test_roles_of_the_patient_are_not_those_of_the_stay() -> None:
    rol = "ROL|1|AD|PP^Primary care^HL70443|7^Ode^Una|20200101"
    derived = derive("ADT^A08", PID, rol, PV1)
    patient, encounter = only(derived, "Patient"), only(derived, "Encounter")
    assert [g["display"] for g in patient["generalPractitioner"]] == ["Una Ode"]
    assert [p["begin"] for p in kept(patient)] == ["2020-01-01"]
    assert roles(encounter) == [("ATND", "Jo Kim")]
    assert kept(encounter) == []


def test_a_role_taken_back_adds_nobody() -> None:
    visit = PV1.replace("9^Kim^Jo", "")
    derived = derive("ADT^A08", PID, visit, "ROL|1|DE|AT|8^Lee^Bo")
    (contribution,) = [c for c in derived.contributions if c.type == "Encounter"]
    assert "participant" not in contribution.resource
    gone = left(contribution, "ATND")
    assert contribution.cleared == (gone, "participant:ATND")
    assert kept(contribution.resource)[0]["action"] == "DE"


@pytest.mark.parametrize(
    "segments",
    [
        (PV1, "ROL|1|DE|AT|8^Lee^Bo"),
        (PV1.replace("9^Kim^Jo", ""), "ROL|1|DE|AT|8^Lee^Bo", "ROL|2|AD|AT|9^Kim^Jo"),
        (PV1.replace("9^Kim^Jo", ""), "ROL|2|AD|AT|9^Kim^Jo", "ROL|1|DE|AT|8^Lee^Bo"),
    ],
)
def test_a_successor_stays(segments: tuple[str, ...]) -> None:
    derived = derive("ADT^A08", PID, *segments)
    (contribution,) = [c for c in derived.contributions if c.type == "Encounter"]
    assert roles(contribution.resource) == [("ATND", "Jo Kim")]
    listed = set() if PV1 in segments else {"participant:ATND"}
    assert set(contribution.cleared) == {left(contribution, "ATND"), *listed}


def left(contribution: Contribution, role: str) -> str:
    """The register of the one person who left a role."""
    (gone,) = [c for c in contribution.cleared if c.startswith(f"participant:{role}|Practitioner/")]
    return gone


def test_one_of_several_consultants_leaves_and_the_others_stay() -> None:
    derived = derive("ADT^A08", PID, PV1, "ROL|1|DE|CP|8^Lee^Bo")
    (contribution,) = [c for c in derived.contributions if c.type == "Encounter"]
    assert contribution.cleared == (left(contribution, "CON"),)


def test_a_role_beside_a_procedure_is_its_performer() -> None:
    pr1 = "PR1|1||47.09^Appendectomy^I9|"
    rol = "ROL|1|AD|SU^Surgeon^L|8^Lee^Bo||||||||||Surgery dept"
    derived = derive("ADT^A08", PID, PV1, pr1, rol)
    (performer,) = only(derived, "Procedure")["performer"]
    assert performer["actor"]["display"] == "Bo Lee"
    assert performer["function"]["coding"][0]["code"] == "SU"
    assert performer["onBehalfOf"]["display"] == "Surgery dept"
    assert "generalPractitioner" not in only(derived, "Patient")


ORDER = ("ORC|RE|O1|L1", "OBR|1|O1|L1|CBC^Blood count^L")
OBX = "OBX|1|NM|718-7^Hb^LN||7.1|g/dL|||||F"


def test_participations_belong_to_the_segment_they_follow() -> None:
    derived = derive(
        "ORU^R01",
        PID,
        *ORDER,
        "PRT|1|AD||RCT^Copies to^HL70912|5^Roe^Al"
        "|||||||||7 Money Ln^^Warren^MI^48089|^PRN^PH^^^586^45",
        OBX,
        "PRT|2|AD||PO^Performing organization^HL70912||||Big Lab||||||||U1^^1.2.3^ISO|||LOT9",
    )
    request, result = only(derived, "ServiceRequest"), only(derived, "Observation")
    (copy,) = kept(request)
    assert copy["person"]["display"] == "Al Roe"
    assert copy["address"]["city"] == "Warren"
    assert copy["phone"]["value"] == "(586) 45"
    assert [p["display"] for p in result["performer"]] == ["Big Lab"]
    (lab,) = kept(result)
    assert lab["device-lot"] == "LOT9"
    assert lab["device-udi"]["value"] == "U1"
    assert derived.loss.unmapped == 0


def test_who_collected_a_specimen_and_who_read_the_result() -> None:
    derived = derive(
        "ORU^R01",
        PID,
        *ORDER,
        "PRT|1|AD||PRI^Interpreter^HL70912|5^Roe^Al",
        OBX,
        "SPM|1|S1||BLD^Blood^HL70487",
        "PRT|1|AD||SC^Collector^HL70912|6^Poe^Ed",
    )
    report = only(derived, "DiagnosticReport")
    assert report["resultsInterpreter"][0]["display"] == "Al Roe"
    assert only(derived, "Specimen")["collection"]["collector"]["display"] == "Ed Poe"


def test_an_invalid_time_of_a_role_is_kept_as_text() -> None:
    derived = derive("ADT^A08", PID, "ROL|1|AD|CM^Case manager^L|5^Roe^Al|sometime")
    (part,) = only(derived, "Patient")["extension"]
    begin = next(e for e in part["extension"] if e["url"].endswith(":begin"))
    assert begin["_valueDateTime"]["extension"][0]["valueString"] == "sometime"
    assert "date-invalid" in {i.code for i in derived.issues}
