"""ADT: what one message becomes, element by element."""

from __future__ import annotations

import pytest
from tests.support.derive import (
    FEED,
    PID,
    derive,
    every,
    issues,
    only,
    text,
)
from tests.support.hl7_examples import segment

from chartloom.domain.ids import EXAMPLE_NAMESPACE, source_patient_id
from chartloom.domain.resource import LinkKind
from chartloom.formats.hl7v2 import peek

EVN = "EVN||20240105101400|||42^Clerk^Pat|20240105100000"
PV1 = (
    "PV1|1|I|W1^12^A^HOSP|R|||7^House^Greg^^^Dr^^^HOSP|||MED||||7|||||V1^^^HOSP^VN"
    + "|" * 25
    + "{in_}|{out}"
)


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
