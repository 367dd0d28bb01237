"""Labels and care relations of what real messages become."""

from __future__ import annotations

from tests.support.derive import FEED, MAPPING, PID, message, text

from chartloom.chart.merge import merge
from chartloom.chart.relations import RelationKind, parents_of, relations
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.labels import Label
from chartloom.domain.resource import Derived, Stamp
from chartloom.formats.fhir import validate
from chartloom.normalize.sensitivity import labels_of, with_labels

PV1 = (
    "PV1|1|I|3W^301^A^HOSP||||1234^Smith^Jo^^^^^^NPI||5678^Doe|MED||||||{vip}|||V1^^^HOSP"
    + "|" * 25
    + "20240105100000"
)


def derive(kind: str, *segments: str) -> Derived:
    return MAPPING.derive(message(text(kind, *segments)), FEED, EXAMPLE_NAMESPACE)


def labels(derived: Derived) -> dict[str, set[Label]]:
    found: dict[str, set[Label]] = {}
    for c in derived.contributions:
        judged = labels_of(c.resource)
        assert validate(with_labels(c.resource, judged)) == [], c.type
        if judged:
            found[c.type] = found.get(c.type, set()) | judged
    return found


def test_diagnoses_and_celebrities() -> None:
    famous = derive("ADT^A01", PID, PV1.format(vip="VIP"), "DG1|1||F10.20^Dependence^I10C")
    assert labels(famous) == {"Encounter": {Label.VIP}, "Condition": {Label.ETH}}
    retired = derive("ADT^A01", PID, PV1.format(vip=""), "DG1|1|I10|F32.9^Low mood")
    assert labels(retired) == {"Condition": {Label.PSY}}
    plain = derive("ADT^A01", PID, PV1.format(vip=""), "DG1|1||I10^Hypertension^I10C")
    assert labels(plain) == {}


def test_results() -> None:
    virus = derive(
        "ORU^R01",
        PID,
        "OBR|1||F1|LAB1^Serology^L|||20240105",
        "OBX|1|CE|56888-1^HIV Ag+Ab^LN||N^Negative^L",
        "OBX|2|NM|718-7^Hemoglobin^LN||13.2|g/dL",
    )
    assert labels(virus) == {"Observation": {Label.HIV}}
    local = derive(
        "ORU^R01", PID, "OBR|1||F1|77^HIV viral load^L|||20240105", "OBX|1|NM|9^Count^L||40"
    )
    assert Label.HIV in labels(local)["DiagnosticReport"]


def test_medicines_and_confidential_diagnoses() -> None:
    drug = derive(
        "RDE^O11^RDE_O11",
        PID,
        "ORC|NW|P1|F1",
        "RXE||^dolutegravir 50 MG Oral Tablet^L|1||TAB",
        "RXR|PO",
    )
    assert labels(drug)["MedicationRequest"] == {Label.HIV}
    secret = derive("ADT^A01", PID, PV1.format(vip=""), "DG1|1||I10^x^I10C" + "|" * 15 + "Y")
    assert labels(secret)["Condition"] == {Label.R}


def test_relations_of_a_stay() -> None:
    derived = derive("ADT^A01", PID, PV1.format(vip=""))
    parents = parents_of(c.resource for c in derived.contributions if c.directory)
    by_name = {
        (c.resource.get("name") if c.type == "Location" else c.resource["name"][0]["family"]): c.id
        for c in derived.contributions
        if c.type in ("Location", "Practitioner")
    }
    (encounter,) = (c for c in derived.contributions if c.type == "Encounter")
    state = merge(None, encounter, Stamp(1, derived.event_us, 1))
    found = {(r.who, r.kind) for r in relations(state, parents)}
    assert (by_name["Smith"], RelationKind.ATTENDING) in found
    assert (by_name["Doe"], RelationKind.ENCOUNTER) in found
    assert (by_name["3W"], RelationKind.DEPARTMENT) in found, "the ward of the bed"
    assert all(r.start_us for r in relations(state, parents))
