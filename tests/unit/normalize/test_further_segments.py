"""GT1, RF1, PRD, CON, ODS, ACC, DB1, PDA, ARV, SFT, SAC, moved visits and results by specimen."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.support.derive import PID, every, only
from tests.support.derive import derive as derive_any

from chartloom.domain.resource import Derived

PV1 = "PV1|1|I|W1^2^B||||9^Kim^Jo||||||||||||V1^^^SGH^VN"
Json = dict[str, Any]


def derive(kind: str, *segments: str) -> Derived:
    """Of these segments nothing is left over."""
    derived = derive_any(kind, *segments)
    assert "segment-unplaced" not in {i.code for i in derived.issues}, derived.issues
    assert derived.loss.unmapped == 0, derived.unmapped
    return derived


def parts(resource: Json, label: str) -> dict[str, Any]:
    """The parts of a nested extension as {label: value}."""
    found = next(e for e in resource["extension"] if e["url"].endswith(f":{label}"))
    return {
        p["url"].rpartition(":")[2]: next(v for k, v in p.items() if k != "url")
        for p in found["extension"]
    }


def test_a_guarantor_is_a_related_person() -> None:
    gt1 = "GT1|1|G77^^^SGH^XX|Rivera^Luz||1 Oak St^^Ede^GE|555^PRN^PH||19550101|F||MTH|1-2-3"
    guarantor = only(derive("ADT^A01", PID, PV1, gt1), "RelatedPerson")
    assert guarantor["name"][0]["family"] == "Rivera"
    codes = {c["code"] for r in guarantor["relationship"] for c in r["coding"]}
    assert {"MTH", "GUARANTR"} & codes >= {"MTH"}
    assert len(guarantor["relationship"]) == 2
    assert (guarantor["birthDate"], guarantor["gender"]) == ("1955-01-01", "female")
    assert {i["value"] for i in guarantor["identifier"]} == {"G77", "1-2-3"}
    assert guarantor["patient"]["reference"].startswith("Patient/")


def test_results_by_specimen_are_those_of_the_order_message() -> None:
    obr = "OBR|1|O1|L1|CBC^Blood count^L|||20240104"
    obx = "OBX|1|NM|718-7^Hb^LN||7.1|g/dL|||||F"
    spm = "SPM|1|S1||BLD^Blood^HL70487"
    plain = derive("ORU^R01", PID, "ORC|RE|O1|L1", obr, obx, spm)
    by_specimen = derive("OUL^R22", PID, spm, obr, "ORC|RE|O1|L1", obx)
    by_container = derive("OUL^R23", PID, spm, "SAC|||C1", obr, "ORC|RE|O1|L1", obx)
    by_order = derive("OUL^R24", PID, obr, "ORC|RE|O1|L1", obx, spm)
    for derived in (by_specimen, by_container, by_order):
        for kind in ("Observation", "DiagnosticReport", "ServiceRequest", "Specimen"):
            expected, got = only(plain, kind), only(derived, kind)
            assert got["id"] == expected["id"]
        observation, report = only(derived, "Observation"), only(derived, "DiagnosticReport")
        assert observation["valueQuantity"]["value"] == Decimal("7.1")
        specimen = only(derived, "Specimen")["id"]
        assert report["specimen"] == [{"reference": f"Specimen/{specimen}"}]
        assert report["result"] == [{"reference": f"Observation/{observation['id']}"}]


def test_two_specimens_keep_their_own_results() -> None:
    derived = derive(
        "OUL^R22",
        PID,
        "SPM|1|S1||BLD^Blood^HL70487",
        "OBR|1|O1|L1|K^Potassium^L|||20240104",
        "OBX|1|NM|K^Potassium^L||4.1|mmol/L|||||F",
        "SPM|2|S2||UR^Urine^HL70487",
        "OBX|1|ST|COL^Colour^L||yellow||||||F",
        "OBR|2|O2|L2|UP^Protein^L|||20240104",
        "OBX|1|NM|UP^Protein^L||0.2|g/L|||||F",
    )
    first, second = every(derived, "Specimen")
    by_code = {o["code"]["coding"][0]["code"]: o for o in every(derived, "Observation")}
    assert by_code["K"]["specimen"]["reference"].endswith(first["id"])
    assert by_code["UP"]["specimen"]["reference"].endswith(second["id"])
    assert by_code["COL"]["specimen"]["reference"].endswith(second["id"])


def test_a_container_is_part_of_its_specimen() -> None:
    sac = "SAC|||C1^LAB|||||OK^ok^L|||||||||||||10|5||mL"
    derived = derive("OUL^R22", PID, "SPM|1|S1||BLD^Blood^HL70487", sac)
    (container,) = only(derived, "Specimen")["container"]
    assert container["identifier"][0]["value"] == "C1"
    assert container["capacity"] == {"value": Decimal(10), "unit": "mL"}
    assert container["specimenQuantity"] == {"value": Decimal(5), "unit": "mL"}


@pytest.mark.parametrize(
    ("prior_patient", "prior_visit", "old", "moved"),
    [
        ("4711^^^HOSP^MR", "V1^^^SGH^VN", [], False),
        ("4711^^^HOSP^MR", "V0^^^SGH^VN", ["V0"], True),
        ("9999^^^SGH^MR", "V1^^^SGH^VN", [], True),
        ("9999^^^SGH^MR", "V0^^^SGH^VN", ["V0"], True),
    ],
)
def test_a_moved_visit_merges_nobody(
    prior_patient: str, prior_visit: str, old: list[str], moved: bool
) -> None:
    derived = derive("ADT^A45", PID, f"MRG|{prior_patient}||||{prior_visit}", PV1)
    *before, encounter = sorted(every(derived, "Encounter"), key=is_current)
    assert [e["status"] for e in before] == ["entered-in-error"] * moved
    assert [i["value"] for i in encounter["identifier"] if i.get("use") == "old"] == old
    assert ("visit-moved" in {i.code for i in derived.issues}) is moved
    assert derived.links == ()
    stay = only(derive("ADT^A08", PID, PV1), "Encounter")
    assert encounter["id"] == stay["id"]


def is_current(encounter: Json) -> bool:
    return encounter["status"] != "entered-in-error"


def test_several_moved_visits_keep_their_own_numbers() -> None:
    derived = derive(
        "ADT^A45",
        PID,
        "MRG|9^^^SGH^MR||||A1^^^SGH^VN",
        PV1,
        "MRG|9^^^SGH^MR||||A2^^^SGH^VN",
        PV1.replace("V1^", "V2^"),
    )
    stays = filter(is_current, every(derived, "Encounter"))
    numbers = [[i["value"] for i in e["identifier"]] for e in stays]
    assert numbers == [["V1", "A1"], ["V2", "A2"]]


def test_a_referral_names_who_refers_and_to_whom() -> None:
    derived = derive(
        "REF^I12",
        "RF1|P|R|Med^Medical^HL70281||O|R7^EPIC|20240101|20240201|20240105||X1^EXT|||back pain",
        "PRD|RP^Referring^HL70286|Powell^Bob|||^WPN^PH^^^626^55||N1^SL^CA^20301231",
        "PRD|RT^Referred to^HL70286|Main^Eva",
        PID,
    )
    referral = only(derived, "ServiceRequest")
    assert referral["requester"]["display"] == "Powell, Bob"
    assert [p["display"] for p in referral["performer"]] == ["Main, Eva"]
    assert referral["note"][0]["text"] == "back pain"
    licence = parts(referral, "provider")["number"]
    assert (licence["value"], licence["period"]["end"]) == ("N1", "2030-12-31")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("A", "active"), ("L", "active"), ("R", "rejected"), ("X", "inactive"), ("", "proposed")],
)
def test_a_consent_has_its_status_and_nothing_invented(status: str, expected: str) -> None:
    txa = "TXA|1|CN^Consent^L|TX|20240106|9^Kim^Jo|20240106||||||DOC1^T|||||AU||AV"
    con = f"CON|1|001^Surgery^L|F2|7^T|I agree||||||{status}|20240106|20240107|||||||||||Doe^Al|1"
    derived = derive("MDM^T02", PID, txa, con, "OBX|1|TX|CN^Consent^L||Signed||||||F")
    consent = only(derived, "Consent")
    assert consent["status"] == expected
    assert consent["dateTime"] == "2024-01-07"
    assert "coding" not in consent["scope"]
    assert "data" in only(derived, "DocumentReference")["content"][0]["attachment"]


@pytest.mark.parametrize(
    ("kind", "element"),
    [("D", "oralDiet"), ("S", "supplement"), ("P", "foodPreferenceModifier")],
)
def test_a_diet_is_ordered(kind: str, element: str) -> None:
    derived = derive("ORM^O01", PID, "ORC|NW|D1|||IP", f"ODS|{kind}||LS^Low salt^L|no nuts")
    order = only(derived, "NutritionOrder")
    assert order["status"] == "active"
    assert element in order
    assert "no nuts" in str(order)
    (contribution,) = [c for c in derived.contributions if c.type == "NutritionOrder"]
    assert "dateTime" in contribution.weak


def test_what_follows_a_diagnosis_still_belongs_to_the_order() -> None:
    derived = derive(
        "ORM^O01",
        PID,
        "ORC|NW|O1",
        "OBR|1|O1||CBC^Blood count^L",
        "DG1|1||D64.9^Anaemia^I10",
        "SPM|1|S1||BLD^Blood^HL70487",
        "BLG|CR",
    )
    request, condition = only(derived, "ServiceRequest"), only(derived, "Condition")
    assert request["reasonReference"] == [{"reference": f"Condition/{condition['id']}"}]
    assert request["specimen"][0]["reference"].endswith(only(derived, "Specimen")["id"])


def test_accident_disability_and_death_are_kept() -> None:
    derived = derive(
        "ADT^A01",
        PID,
        "ARV|1|A|DEM^Demographics^HL70717|PAT||20240101^20250101",
        PV1,
        "DB1|1|PT||Y|20240101",
        "ACC|20240104||Route 50|||N||hit by a car",
        "UB1|1",
        "PDA|I21^Infarction^I10|W1|Y|20240105|5^Roe^Al",
    )
    patient, encounter = only(derived, "Patient"), only(derived, "Encounter")
    assert parts(encounter, "accident")["description"] == "hit by a car"
    assert parts(encounter, "accident")["fatal"] is False
    assert parts(patient, "disability")["disabled"] is True
    assert parts(patient, "death")["certified-by"]["display"] == "Al Roe"
    assert parts(patient, "access-restriction")["validity"]["end"] == "2025-01-01"
    assert not any(e["url"].endswith("access-restriction") for e in encounter["extension"])


def test_the_software_that_wrote_the_message_is_an_agent() -> None:
    for sft, name in (("SFT|Acme^L|2.1|Engine|77", "Engine"), ("SFT|Acme^L|2.1", "software")):
        derived = derive("ADT^A08", sft, PID)
        assert derived.provenance is not None
        agent = derived.provenance["agent"][-1]
        assert agent["who"]["display"].startswith(name)
        assert agent["onBehalfOf"]["display"] == "Acme"


PENDING = "PV1|1|I|W1^1^A|||" + "|" * 12 + "|V1^^^SGH^VN" + "|" * 23 + "{}|||{}"


def test_a_pending_discharge_ends_no_stay() -> None:
    visit = PENDING.format("", "20240109")
    assert visit.split("|")[45] == "20240109"
    stay = only(derive("ADT^A16", PID, visit), "Encounter")
    assert "period" not in stay
    assert stay["status"] != "finished"
    assert any(e.get("valueDateTime") == "2024-01-09" for e in stay["extension"])
    cancelled = only(derive("ADT^A25", PID, visit), "Encounter")
    assert "2024-01-09" not in str(cancelled)
    assert cancelled["status"] != "finished"
    assert only(derive("ADT^A03", PID, visit), "Encounter")["period"]["end"] == "2024-01-09"


def test_a_cancelled_pending_transfer_frees_the_place() -> None:
    visit = PENDING.format("W9^2^B", "")
    pending = only(derive("ADT^A15", PID, visit), "Encounter")
    place = next(p for p in pending["location"] if p["status"] == "reserved")
    derived = derive("ADT^A26", PID, visit)
    (contribution,) = [c for c in derived.contributions if c.type == "Encounter"]
    assert contribution.cleared == (f"location:{place['location']['reference']}",)
    assert [p["status"] for p in contribution.resource["location"]] == ["active"]


def test_a_deleted_person_record_is_not_in_use() -> None:
    assert only(derive("ADT^A29", PID), "Patient")["active"] is False
    assert only(derive("ADT^A28", PID), "Patient")["active"] is True
    assert "active" not in only(derive("ADT^A31", PID), "Patient")
