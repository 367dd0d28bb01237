"""Orders, pharmacy and immunisation (OMP, RDE, RDS, RAS, VXU): one message, its resources."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.support.derive import derive, every, only
from tests.support.pharmacy_examples import PID, seg

RXE = "RXE||312615^Prednisone 20 mg^RXNORM|1|2|mg^mg^UCUM|TAB^Tablet|^take with food||G|30|TAB|11"


def test_a_pharmacy_order_has_dose_route_timing_and_supply() -> None:
    derived = derive(
        "RDE^O11",
        PID,
        "ORC|NW|ORD1^PH||G1|IP||||20240105|||77^Weiss^Ruth",
        f"{RXE}|||RX9",
        "TQ1|1||Q6H PRN||||20240105080000+0100|20240112|S",
        "RXR|PO^Oral^HL70162",
    )
    request = only(derived, "MedicationRequest")
    (dosage,) = request["dosageInstruction"]
    assert request["status"] == "active"
    assert request["priority"] == "stat"
    assert request["authoredOn"] == "2024-01-05"
    assert request["substitution"]["allowedCodeableConcept"]["coding"][0]["code"] == "G"
    assert request["dispenseRequest"]["numberOfRepeatsAllowed"] == 11
    assert request["dispenseRequest"]["quantity"]["value"] == Decimal(30)
    assert dosage["text"] == "take with food"
    assert dosage["asNeededBoolean"] is True
    assert dosage["route"]["coding"][0]["code"] == "PO"
    assert dosage["timing"]["repeat"] == {
        "frequency": 1,
        "period": 6,
        "periodUnit": "h",
        "boundsPeriod": {"start": "2024-01-05T08:00:00+01:00", "end": "2024-01-12"},
    }
    dose = dosage["doseAndRate"][0]["doseRange"]
    assert (dose["low"]["value"], dose["high"]["value"]) == (Decimal(1), Decimal(2))
    assert dose["low"]["system"] == "http://unitsofmeasure.org"
    values = [i["value"] for i in request["identifier"]]
    assert values == ["ORD1", "RX9"]


@pytest.mark.parametrize(
    ("orc", "status"),
    [
        ("ORC|NW|1", "active"),
        ("ORC|NW|1|||IP", "active"),
        ("ORC|DC|1|||IP", "stopped"),
        ("ORC|OD|1", "stopped"),
        ("ORC|CA|1|||DC", "cancelled"),
        ("ORC|HD|1", "on-hold"),
        ("ORC|RL|1", "active"),
        ("ORC|SC|1|||CM", "completed"),
        ("ORC|SC|1|||ER", "entered-in-error"),
        ("ORC|RE|1", "active"),
    ],
)
def test_the_status_of_a_medication_follows_order_control(orc: str, status: str) -> None:
    request = only(derive("RDE^O11", PID, orc, RXE), "MedicationRequest")
    assert request["status"] == status


def test_sequential_timings_become_dosages_in_order() -> None:
    derived = derive(
        "RDE^O11", PID, "ORC|NW|1", RXE, "TQ1|1||BID|||3^d", "TQ1|2||QD|||4^d", "RXR|PO^Oral"
    )
    first, second = only(derived, "MedicationRequest")["dosageInstruction"]
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert first["timing"]["repeat"]["frequency"] == 2
    assert second["timing"]["repeat"]["frequency"] == 1
    assert second["timing"]["repeat"]["boundsDuration"]["code"] == "d"
    assert second["route"] == first["route"]
    assert second["doseAndRate"] == first["doseAndRate"]


def test_an_order_without_encoding_reads_rxo() -> None:
    derived = derive(
        "OMP^O09", PID, "ORC|NW|5", "RXO|01^Doxycycline^NDC|1||TAB^Tablet||^call me|^one daily||N"
    )
    request = only(derived, "MedicationRequest")
    assert request["dosageInstruction"][0]["text"] == "one daily"
    assert request["note"][0]["text"] == "call me"
    assert request["substitution"]["allowedCodeableConcept"]["coding"][0]["code"] == "N"


def test_what_was_asked_for_does_not_override_what_was_encoded() -> None:
    derived = derive(
        "RDE^O11",
        PID,
        "ORC|NW|5",
        seg("RXO", f1="99^Asked^L", f2="7", f7="^asked", f20="^why"),
        RXE,
    )
    request = only(derived, "MedicationRequest")
    assert request["medicationCodeableConcept"]["text"] == "Prednisone 20 mg"
    assert request["note"][0]["text"] == "asked"
    assert request["reasonCode"] == [{"text": "why"}]


def test_a_dispense_belongs_to_its_order() -> None:
    order = derive("RDE^O11", PID, "ORC|NW|5^P", RXE)
    derived = derive(
        "RDS^O13",
        PID,
        "ORC|RE|5^P|D8||CM",
        "RXD|1|312615^Prednisone^RXNORM|20240106|30|TAB|||5|Supply for 10 days|8^Lee^Bo|G",
    )
    fill = only(derived, "MedicationDispense")
    assert fill["status"] == "completed"
    assert fill["daysSupply"]["value"] == 10
    assert fill["quantity"]["value"] == Decimal(30)
    assert fill["substitution"]["wasSubstituted"] is True
    target = fill["authorizingPrescription"][0]["reference"]
    assert target == f"MedicationRequest/{only(order, 'MedicationRequest')['id']}"
    known = next(c for c in derived.contributions if c.type == "MedicationRequest")
    said = {"resourceType", "id", "subject"}
    assert set(known.resource) - set(known.weak) == said


@pytest.mark.parametrize(
    ("completion", "action", "status"),
    [
        ("CP", "A", "completed"),
        ("RE", "A", "not-done"),
        ("NA", "", "not-done"),
        ("CP", "D", "entered-in-error"),
        ("", "", "completed"),
    ],
)
def test_an_administration_has_status_dose_and_route(
    completion: str, action: str, status: str
) -> None:
    derived = derive(
        "RAS^O17",
        PID,
        "ORC|RE|5",
        seg(
            "RXA",
            f3="20240106080000+0100",
            f4="20240106080500+0100",
            f5="1^Ibuprofen^L",
            f6="1.50",
            f7="mg^mg^UCUM",
            f20=completion,
            f21=action,
        ),
        "RXR|PO^Oral",
    )
    given = only(derived, "MedicationAdministration")
    assert given["status"] == status
    assert str(given["dosage"]["dose"]["value"]) == "1.50"
    assert given["effectivePeriod"]["end"] == "2024-01-06T08:05:00+01:00"


def test_an_unknown_amount_is_said_to_be_unknown() -> None:
    derived = derive("RAS^O17", PID, "ORC|RE|5", "RXA|0|1|20240106||1^X^L|999", "RXR|PO")
    dose = only(derived, "MedicationAdministration")["dosage"]["dose"]
    assert dose["extension"][0]["valueCode"] == "unknown"


def test_a_dose_of_vaccine() -> None:
    derived = derive(
        "VXU^V04",
        PID,
        "ORC|RE||I1^V",
        "RXA|0|1|20240106||141^Influenza^CVX|0.5|mL^^UCUM||00^New^NIP001|9^Kim^Jo|^^^Ward"
        "||||L77|20251231|PMC^Sanofi^MVX|||CP|A",
        "RXR|IM^Intramuscular|LA^Left arm",
        "OBX|1|CE|64994-7^Eligibility^LN|1|V02^Medicaid^HL70064||||||F",
        "OBX|2|CE|69764-9^Doc^LN|2|253^Influenza VIS^cdcgs1vis||||||F",
        "OBX|3|TS|29768-9^Published^LN|2|20230806||||||F",
        "OBX|4|TS|29769-7^Presented^LN|2|20240106||||||F",
        "OBX|5|CE|30963-3^Funding^LN|3|PHC70^Private^CDCPHINVS||||||F",
        "OBX|6|NM|30973-2^Dose number^LN|4|2||||||F",
        "OBX|7|CE|59785-6^Indication^LN|5|X1^Travel^L||||||F",
    )
    dose = only(derived, "Immunization")
    assert dose["status"] == "completed"
    assert dose["primarySource"] is True
    assert str(dose["doseQuantity"]["value"]) == "0.5"
    assert (dose["lotNumber"], dose["expirationDate"]) == ("L77", "2025-12-31")
    assert dose["programEligibility"][0]["coding"][0]["code"] == "V02"
    assert dose["fundingSource"]["coding"][0]["code"] == "PHC70"
    assert dose["education"] == [
        {
            "documentType": "Influenza VIS",
            "publicationDate": "2023-08-06",
            "presentationDate": "2024-01-06",
        }
    ]
    assert dose["protocolApplied"] == [{"doseNumberPositiveInt": 2}]
    kept = [e for e in dose["extension"] if e["url"].endswith("vaccine-observation")]
    assert kept[0]["extension"][1]["valueCodeableConcept"]["text"] == "Travel"
    assert dose["performer"][0]["function"]["coding"][0]["code"] == "AP"


def test_a_refused_vaccine_is_not_done() -> None:
    derived = derive(
        "VXU^V04",
        PID,
        "ORC|RE||I2",
        seg("RXA", f3="20240106", f5="141^Flu^CVX", f6="999", f18="00^Parental decision", f20="RE"),
    )
    dose = only(derived, "Immunization")
    assert dose["status"] == "not-done"
    assert dose["statusReason"]["text"] == "Parental decision"
    assert "doseQuantity" not in dose


def test_a_deleted_dose_is_entered_in_error() -> None:
    rxa = "RXA|0|1|20240106||141^Influenza^CVX|1||||||||||||||CP|D"
    assert only(derive("VXU^V04", PID, "ORC|RE||I3", rxa), "Immunization")["status"] == (
        "entered-in-error"
    )


def test_an_order_and_its_result_are_about_the_same_request() -> None:
    order = derive(
        "ORM^O01",
        PID,
        "ORC|NW|ORD1^A|||IP",
        "OBR|1|ORD1^A||CBC^Blood count^L|R|20240106||||||||||9^Kim^Jo",
        "NTE|1||fasting",
    )
    result = derive(
        "ORU^R01",
        PID,
        "ORC|RE|ORD1^A|LAB7^L",
        "OBR|1|ORD1^A|LAB7^L|CBC^Blood count^L|||20240106|||||||||||||||20240106||HM|F",
        "OBX|1|NM|718-7^Hb^LN||1.50|g/dL|||||F",
    )
    request = only(order, "ServiceRequest")
    assert request["status"] == "active"
    assert request["priority"] == "routine"
    assert every(order, "DiagnosticReport") == []
    assert only(result, "ServiceRequest")["id"] == request["id"]


def test_a_cancelled_order_is_revoked() -> None:
    derived = derive("ORM^O01", PID, "ORC|CA|ORD1", "OBR|1|ORD1||CBC^Blood count^L")
    assert only(derived, "ServiceRequest")["status"] == "revoked"


def test_a_timing_swallows_the_requested_time() -> None:
    derived = derive(
        "OML^O21",
        PID,
        "ORC|NW|O2",
        "TQ1|1||BID||||20240106|||",
        "OBR|1|O2||K^Potassium^L||20240105",
    )
    request = only(derived, "ServiceRequest")
    assert request["occurrenceTiming"]["repeat"]["boundsPeriod"] == {"start": "2024-01-06"}
    assert "occurrenceDateTime" not in request
