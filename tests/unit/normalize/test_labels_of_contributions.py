"""Labels travel with what messages say: masks, ``meta.security``, evidence, feeds, versions."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.support.corpora import hl7v2_messages
from tests.support.derive import FEED, MAPPING, PID, derive, message, text, trace

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.labels import BIT, Label, labels_of
from chartloom.domain.message import Format
from chartloom.domain.resource import Contribution, Derived, Evidence, Traced
from chartloom.formats.fhir import validate
from chartloom.normalize import load_mapping
from chartloom.normalize.marking import FEED_RULE
from chartloom.normalize.sensitivity import builtin, explain, load_rules
from chartloom.serve.earlier import earlier_mapping
from chartloom.serve.rules import rows_of

R, HIV, ETH, VIP = (BIT[label] for label in (Label.R, Label.HIV, Label.ETH, Label.VIP))
PV1 = "PV1|1|I|3W^301^A^HOSP||||1234^Smith^Jo|||||||||{vip}|||V1^^^HOSP"
LAB = (
    "OBR|1||F1|LAB1^Serology^L|||20240105",
    "OBX|1|CE|56888-1^HIV Ag+Ab^LN||N^Negative^L",
    "OBX|2|NM|718-7^Hemoglobin^LN||13.2|g/dL",
)
PANEL = ("OBR|1||F1|77^HIV viral load^L|||20240105", "OBX|1|NM|9^Count^L||40")
SENSITIVE = msgspec.structs.replace(FEED, name="psych", sensitive=True)


def codes(contribution: Contribution) -> list[str]:
    return [c["code"] for c in contribution.resource.get("meta", {}).get("security", ())]


def of(derived: Derived, kind: str) -> list[Contribution]:
    return [c for c in derived.contributions if c.type == kind]


def why(traced: Traced, kind: str) -> list[Evidence]:
    ids = {c.id for c in of(traced.derived, kind)}
    return [e for e in traced.evidence if e.element.startswith("meta.") and e.resource_id in ids]


def test_masks_and_codings_agree() -> None:
    derived = derive("ORU^R01", PID, *LAB)
    by_code = {c.resource["code"]["coding"][0]["code"]: c for c in of(derived, "Observation")}
    assert (by_code["56888-1"].labels, codes(by_code["56888-1"])) == (HIV, ["HIV"])
    assert (by_code["718-7"].labels, codes(by_code["718-7"])) == (0, [])
    assert derived.labels == HIV
    for said in derived.contributions:
        assert validate(said.resource) == []
        assert {str(label) for label in labels_of(said.labels)} == set(codes(said))


def test_bare_results_of_a_labelled_report_are_labelled_by_its_rule() -> None:
    traced = trace("ORU^R01", PID, *PANEL)
    (result,) = of(traced.derived, "Observation")
    assert (result.labels, codes(result)) == (HIV, ["HIV"])
    (reason, *_), reported = why(traced, "Observation"), why(traced, "DiagnosticReport")
    assert reason.rule in {e.rule for e in reported}
    assert reason.rule.startswith("sensitivity/words.csv:")
    assert reason.location.startswith("OBR-4")


def test_the_person_s_labels_hide_no_row() -> None:
    derived = derive("ADT^A01", PID, PV1.format(vip="VIP"), "DG1|1||F10.20^x^I10C")
    assert of(derived, "Encounter")[0].labels == VIP
    assert derived.labels == ETH


def test_what_cannot_be_applied_is_restricted() -> None:
    derived = MAPPING.derive(message(b"no message"), FEED, EXAMPLE_NAMESPACE)
    assert derived.quarantine
    assert derived.labels == R


def test_sensitive_feeds_restrict_what_no_rule_labels() -> None:
    sent = message(text("ADT^A01", PID, PV1.format(vip=""), "DG1|1||F10.20^x^I10C"))
    plain = MAPPING.derive(sent, FEED, EXAMPLE_NAMESPACE)
    traced = MAPPING.trace(sent, SENSITIVE, EXAMPLE_NAMESPACE)
    assert traced.derived == MAPPING.derive(sent, SENSITIVE, EXAMPLE_NAMESPACE)
    patients = {c.type: c.labels for c in traced.derived.contributions if not c.directory}
    assert patients == {"Patient": R, "Encounter": R, "Condition": ETH}
    assert not any(c.labels for c in traced.derived.contributions if c.directory)
    assert [e.rule for e in why(traced, "Patient")] == [FEED_RULE]
    assert {c.type: c.labels for c in plain.contributions if c.labels} == {"Condition": ETH}
    again = MAPPING.derive(sent, FEED, EXAMPLE_NAMESPACE)
    assert again == plain, "what a sensitive feed said before is not remembered for others"


def test_two_statements_of_one_message_join_their_labels() -> None:
    joined = derive(
        "ORU^R01",
        PID,
        "OBR|1|P1|F1|LAB1^HIV confirmation^L|||20240105",
        "OBR|2|P1|F1|LAB1^Serology^L|||20240105",
    )
    assert [c.labels for c in of(joined, "DiagnosticReport")] == [HIV]
    assert codes(of(joined, "DiagnosticReport")[0]) == ["HIV"]


def test_evidence_names_the_row_and_the_bytes() -> None:
    sent = text("ADT^A01", PID, PV1.format(vip=""), "DG1|1||F10.20^x^I10C")
    traced = MAPPING.trace(message(sent), FEED, EXAMPLE_NAMESPACE)
    (reason,) = {(e.rule, e.element) for e in why(traced, "Condition")}
    assert reason == ("sensitivity/diagnoses.csv:" + reason[0].rpartition(":")[2], reason[1])
    assert reason[1] == "meta.security[0]"
    line = int(reason[0].rpartition(":")[2])
    row = builtin().files["diagnoses.csv"].decode().splitlines()[line - 1]
    assert row.startswith("ICD10,F10..F19,ETH")
    (shown,) = rows_of(MAPPING.files, [reason[0]])
    assert dict(shown.cells)["label"] == "ETH"
    texts = {sent[a:b] for e in why(traced, "Condition") for a, b in e.spans}
    assert b"F10.20" in texts


def observation(**more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": "Patient/p"},
        **more,
    }


def fhir(*resources: dict[str, Any], sensitive: bool = False) -> Traced:
    patient = {"resourceType": "Patient", "id": "p"}
    entries = [{"resource": r} for r in (patient, *resources)]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    sent = message(json.dumps(bundle).encode())
    feed = msgspec.structs.replace(FEED, format=Format.FHIR, sensitive=sensitive)
    mapping = load_mapping("fhir")
    traced = mapping.trace(sent, feed, EXAMPLE_NAMESPACE)
    assert traced.derived == mapping.derive(sent, feed, EXAMPLE_NAMESPACE)
    return traced


def test_fhir_feeds() -> None:
    other = {"system": "urn:x", "code": "Y"}
    sent = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "SUD"}
    traced = fhir(observation(meta={"security": [other, sent]}))
    (said,) = of(traced.derived, "Observation")
    assert (said.labels, codes(said)) == (ETH, ["Y", "SUD", "ETH"])
    assert validate(said.resource) == []
    assert [(e.element, e.rule.rpartition(":")[0]) for e in why(traced, "Observation")][-1] == (
        "meta.security[2]",
        "sensitivity/security.csv",
    )
    assert traced.derived.labels == ETH
    restricted = fhir(observation(), sensitive=True).derived
    assert {c.type: c.labels for c in restricted.contributions} == {"Patient": R, "Observation": R}
    assert fhir(observation()).derived.labels == 0


def test_rules_are_part_of_the_version_and_come_back_with_it() -> None:
    own = b"system,code,label,basis\nurn:x:lab,H1,HIV,ours\n"
    for name in ("hl7v2", "fhir"):
        builtin_rules, site = load_mapping(name), load_mapping(name, {}, load_rules({"s.csv": own}))
        assert site.files["sensitivity/s.csv"] == own
        assert site.fingerprint != builtin_rules.fingerprint
        earlier = earlier_mapping(name, site.files)
        assert earlier is not None
        assert {p for p in earlier.files if p.startswith("sensitivity/")} == {
            p for p in site.files if p.startswith("sensitivity/")
        }
        assert name == "fhir" or earlier.fingerprint == site.fingerprint


@pytest.mark.parametrize("sensitive", [False, True])
def test_explanations_find_the_same_labels_as_judging(sensitive: bool) -> None:
    labeller = builtin()
    feed = SENSITIVE if sensitive else FEED
    labelled = 0
    for _, data in hl7v2_messages():
        sent = message(data)
        for said in MAPPING.derive(sent, feed, EXAMPLE_NAMESPACE).contributions:
            labels = labeller.labels_of(said.resource)
            assert {r.label for r in explain(labeller, said.resource)} == labels
            labelled += bool(labels)
            assert {str(label) for label in labels_of(said.labels)} <= set(codes(said))
    assert labelled > 10


def test_every_label_of_a_trace_has_evidence() -> None:
    for _, data in hl7v2_messages():
        traced = MAPPING.trace(message(data), SENSITIVE, EXAMPLE_NAMESPACE)
        explained = {(e.resource_id, e.element) for e in traced.evidence}
        for said in traced.derived.contributions:
            for number in range(len(codes(said)) if said.labels else 0):
                assert (said.id, f"meta.security[{number}]") in explained
