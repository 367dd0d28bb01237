"""Documents, appointments, charges and problems (MDM, SIU, DFT, PPR) to resources."""

from __future__ import annotations

import base64
from decimal import Decimal

import pytest
from tests.support.derive import derive, every, only
from tests.support.pharmacy_examples import PID

TXA = "TXA|1|11488-4^Consult^LN|TX|20240106|9^Kim^Jo|20240106100000+0100||||||DOC1^T|{}||||AU||AV"


def test_a_document_holds_its_text() -> None:
    derived = derive(
        "MDM^T02",
        "EVN|T02|20240106",
        PID,
        TXA.format(""),
        "OBX|1|TX|11488-4^Consult^LN||First line\\.br\\second||||||F",
        "OBX|2|TX|11488-4^Consult^LN||||||||F",
        "OBX|3|FT|11488-4^Consult^LN||Third & last\\T\\ ü||||||F",
    )
    document = only(derived, "DocumentReference")
    attachment = document["content"][0]["attachment"]
    text = base64.b64decode(attachment["data"]).decode()
    assert text == "First line\nsecond\nThird & last& ü"
    assert attachment["contentType"].startswith("text/plain")
    assert (document["status"], document["docStatus"]) == ("current", "final")
    assert document["date"] == "2024-01-06T10:00:00+01:00"


def test_a_replacement_supersedes_its_parent() -> None:
    original = only(derive("MDM^T02", PID, TXA.format("")), "DocumentReference")
    derived = derive("MDM^T10", PID, TXA.replace("DOC1", "DOC2").format("DOC1^T"))
    new, old = every(derived, "DocumentReference")
    assert old["id"] == original["id"]
    assert old["status"] == "superseded"
    assert new["relatesTo"] == [
        {"code": "replaces", "target": {"reference": f"DocumentReference/{old['id']}"}}
    ]


def test_a_cancelled_document_is_entered_in_error() -> None:
    document = only(derive("MDM^T11", PID, TXA.format("")), "DocumentReference")
    assert document["status"] == "entered-in-error"


SCH = (
    "SCH|A1|F1||||R^Routine|I10^Hypertension^I10|Normal|30|min|^^30^20240110090000+0100^{}"
    "||||||||||||||{}"
)


def test_an_appointment_has_time_status_and_participants() -> None:
    derived = derive(
        "SIU^S12",
        SCH.format("20240110093000+0100", "Booked"),
        "NTE|1||Bring the card",
        PID,
        "RGS|1|A",
        "AIS|1|A|CARD^Cardiology^L|20240110090000+0100|||30|min",
        "AIL|1|A|CARD^R1",
        "RGS|2|A",
        "AIP|1|A|9^Kim^Jo||||||||Cancelled",
        "AIG|1|A|ECG^ECG device^L",
    )
    appointment = only(derived, "Appointment")
    assert appointment["status"] == "booked"
    assert (appointment["start"], appointment["end"]) == (
        "2024-01-10T09:00:00+01:00",
        "2024-01-10T09:30:00+01:00",
    )
    assert appointment["minutesDuration"] == 30
    assert appointment["serviceType"][0]["text"] == "Cardiology"
    assert appointment["reasonCode"][0]["text"] == "Hypertension"
    actors = [p["actor"] for p in appointment["participant"]]
    assert actors[0]["reference"].startswith("Patient/")
    assert {a.get("reference", "display").split("/")[0] for a in actors} == {
        "Patient",
        "Location",
        "Practitioner",
        "display",
    }
    assert "cancelationReason" not in appointment


@pytest.mark.parametrize(
    ("event", "filler", "status"),
    [
        ("S15", "Cancelled", "cancelled"),
        ("S15", "Booked", "cancelled"),
        ("S17", "", "entered-in-error"),
        ("S26", "Booked", "noshow"),
        ("S14", "Complete", "fulfilled"),
        ("S13", "", "booked"),
    ],
)
def test_the_status_of_an_appointment(event: str, filler: str, status: str) -> None:
    derived = derive(f"SIU^{event}", SCH.format("20240110093000+0100", filler), PID)
    appointment = only(derived, "Appointment")
    assert appointment["status"] == status
    if status in ("cancelled", "noshow"):
        assert appointment["cancelationReason"]["text"] == "Routine"


def test_the_end_of_an_appointment_follows_from_its_length() -> None:
    appointment = only(derive("SIU^S12", SCH.format("", "Booked"), PID), "Appointment")
    assert appointment["end"] == "2024-01-10T09:30:00+01:00"


def test_charges_have_account_price_and_quantity() -> None:
    derived = derive(
        "DFT^P03",
        "EVN|P03|20240106",
        PID,
        "FT1|1|T1||20240106|20240107|CG|99283^Visit^C4|||2|388.40&USD||||||||I10^Htn^I10|9^Kim^Jo",
        "FT1|2|T2||20240106|20240107|CR|99283^Visit^C4|||-1|388.40&USD",
    )
    account = only(derived, "Account")
    first, second = every(derived, "ChargeItem")
    assert account["identifier"][0]["value"] == "ACC9"
    assert first["account"] == [{"reference": f"Account/{account['id']}"}]
    assert first["status"] == "billable"
    assert first["priceOverride"] == {"value": Decimal("388.40"), "currency": "USD"}
    assert first["quantity"]["value"] == Decimal(2)
    assert second["status"] == "aborted"


def test_problems_are_added_resolved_and_taken_back() -> None:
    prb = "PRB|{}|20240106|I10^Hypertension^I10|P1^X|||20230101||{}||||{}|{}|||||"
    added = only(derive("PPR^PC1", PID, prb.format("AD", "", "Confirmed", "Active")), "Condition")
    assert added["clinicalStatus"]["coding"][0]["code"] == "active"
    assert added["verificationStatus"]["coding"][0]["code"] == "confirmed"
    ended = only(derive("PPR^PC2", PID, prb.format("UP", "20240105", "", "Active")), "Condition")
    assert ended["id"] == added["id"]
    assert ended["clinicalStatus"]["coding"][0]["code"] == "resolved"
    gone = only(derive("PPR^PC3", PID, prb.format("DE", "", "Confirmed", "Active")), "Condition")
    assert gone["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in gone
