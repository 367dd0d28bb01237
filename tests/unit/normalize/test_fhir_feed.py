"""FHIR messages become contributions under our ids; what cannot be used is said, not dropped."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE, source_patient_id
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Derived, LinkKind, Traced
from chartloom.formats.fhir import validate
from chartloom.normalize.fhir_feed import SOURCE_ID, FhirMapping

FEED = Feed("ehr", "it", "team", "http", Format.FHIR, mapping="fhir")
MAPPING = FhirMapping()
RECEIVED_US = 1_700_000_000_000_000
Json = dict[str, Any]


def _message(value: Any) -> Message:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Message(7, "ehr", body, RECEIVED_US, hashlib.sha256(body).digest())


def _derive(value: Any, feed: Feed = FEED) -> Derived:
    message = _message(value)
    traced = MAPPING.trace(message, feed, EXAMPLE_NAMESPACE)
    derived = MAPPING.derive(message, feed, EXAMPLE_NAMESPACE)
    assert traced.derived == derived
    if traced.loss.rows:
        assert traced.loss.counts == derived.loss
    for contribution in derived.contributions:
        assert validate(contribution.resource) == []
    return derived


def _trace(value: Any) -> Traced:
    return MAPPING.trace(_message(value), FEED, EXAMPLE_NAMESPACE)


def _codes(derived: Derived) -> list[str]:
    return [i.code for i in derived.issues]


def _patient_id(value: str) -> str:
    return source_patient_id(EXAMPLE_NAMESPACE, "ehr", "fhir:id", value)


def _observation(**more: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "Hb"}, **more}


def _bundle(*entries: Json, kind: str = "collection", **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"versionId": "3", "lastUpdated": "2023-05-01T10:00:00.5Z", "profile": ["urn:p"]},
    "identifier": [{"system": "urn:mrn", "value": "99"}],
    "name": [{"family": "Rivera", "given": ["Ana"]}],
    "birthDate": "1980-02-03",
}


def test_a_bare_resource_is_kept_under_our_id() -> None:
    derived = _derive(PATIENT)
    (contribution,) = derived.contributions
    assert contribution.id == derived.source_patient == _patient_id("p1")
    assert contribution.cleared == ("*",)
    assert contribution.resource["meta"] == {"profile": ["urn:p"]}
    assert {"url": SOURCE_ID, "valueString": "Patient/p1"} in contribution.resource["extension"]
    assert derived.event_us == 1_682_935_200_500_000
    assert {(i.kind, i.system, i.value) for i in derived.identifiers} == {
        ("identifier", "|urn:mrn", "99"),
        ("family", "", "rivera"),
        ("given", "", "ana"),
        ("birthdate", "", "1980-02-03"),
    }
    assert validate(derived.provenance) == []


def test_references_of_every_form_lead_to_the_same_patient() -> None:
    urn = "urn:uuid:0b8a7c6e-0000-4000-8000-000000000001"
    references = ["Patient/p1", "Patient/p1/_history/2", "http://ehr/fhir/Patient/p1"]
    references += ["Patient?identifier=urn:mrn|99"]
    derived = _derive(
        _bundle(
            {"fullUrl": "http://ehr/fhir/Patient/p1", "resource": PATIENT},
            *({"resource": _observation(subject={"reference": r})} for r in references),
        )
    )
    assert {c.source_patient for c in derived.contributions} == {_patient_id("p1")}
    assert len({c.id for c in derived.contributions}) == 5
    subjects = {c.resource["subject"]["reference"] for c in derived.contributions[1:]}
    assert subjects == {f"Patient/{_patient_id('p1')}"}
    assert _codes(derived) == []
    created = {k: v for k, v in PATIENT.items() if k != "id"}
    derived = _derive(
        _bundle(
            {
                "fullUrl": urn,
                "resource": created,
                "request": {"method": "POST", "url": "Patient"},
            },
            {
                "fullUrl": urn[:-1] + "2",
                "resource": _observation(subject={"reference": urn}),
                "request": {"method": "POST", "url": "Observation"},
            },
            kind="transaction",
        )
    )
    by_mrn = source_patient_id(EXAMPLE_NAMESPACE, "ehr", "urn:mrn", "99")
    assert derived.source_patient == by_mrn
    assert derived.contributions[1].resource["subject"]["reference"] == f"Patient/{by_mrn}"


def test_drafts_of_ids_do_not_mix_patients_up() -> None:
    def create(mrn: str) -> Derived:
        patient = {**PATIENT, "id": "new", "identifier": [{"system": "urn:mrn", "value": mrn}]}
        request = {"method": "POST", "url": "Patient"}
        return _derive(_bundle({"resource": patient, "request": request}, kind="transaction"))

    assert create("1").source_patient != create("2").source_patient
    assert create("1").source_patient == create("1").source_patient


def test_a_bundle_may_hold_many_patients() -> None:
    derived = _derive(
        _bundle(
            {"resource": _observation(id="a", subject={"reference": "Patient/1"})},
            {"resource": _observation(id="b", subject={"reference": "Patient/2"})},
        )
    )
    assert derived.source_patient == ""
    assert [c.source_patient for c in derived.contributions] == [_patient_id("1"), _patient_id("2")]


def test_a_broken_entry_does_not_stop_the_others() -> None:
    broken = _observation(
        id="b", subject={"reference": "Patient/1"}, effectiveDateTime="2023-02-30"
    )
    derived = _derive(
        _bundle(
            {"resource": _observation(id="a", subject={"reference": "Patient/1"})},
            {"resource": broken},
        )
    )
    assert len(derived.contributions) == 1
    assert [(i.code, i.location) for i in derived.issues] == [
        ("fhir-bad-value", "/entry/1/resource/effectiveDateTime"),
        ("fhir-entry-rejected", "/entry/1/resource"),
    ]
    assert derived.unmapped == ("/entry/1/resource",)
    assert derived.loss.unmapped == 6


def test_when_nothing_is_usable_the_message_is_quarantined() -> None:
    derived = _derive({**PATIENT, "gender": "X"})
    assert derived.quarantine == "fhir-nothing-usable"
    assert derived.contributions == ()
    assert "fhir-code-not-allowed" in _codes(derived)
    assert derived.loss.mapped == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "json-malformed"),
        (b'{"a":1,"a":2}', "json-duplicate-key"),
        (b'"\xff"', "json-not-utf8"),
        (b"null", "fhir-not-a-resource"),
        (b"[]", "fhir-not-a-resource"),
        (b'{"resourceType":"Patent"}', "fhir-unknown-type"),
        (b'{"resourceType":"Bundle","type":"batch-response"}', "fhir-nothing-usable"),
        (b'{"resourceType":"Bundle","type":"batch","entry":[5]}', "fhir-nothing-usable"),
        (b'{"resourceType":"Bundle","type":"batch","entry":{}}', "fhir-nothing-usable"),
    ],
)
def test_unreadable_messages_are_quarantined(body: bytes, reason: str) -> None:
    derived = _derive(body)
    assert derived.quarantine == reason
    assert derived.issues


def test_who_it_is_about_may_follow_from_the_encounter() -> None:
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "IMP"},
        "subject": {"reference": "Patient/1"},
    }
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": "Observation/a"}],
        "recorded": "2024-01-01T00:00:00Z",
        "agent": [{"who": {"display": "x"}}],
    }
    derived = _derive(
        _bundle(
            {"resource": provenance},
            {"resource": _observation(id="a", encounter={"reference": "Encounter/e"})},
            {"resource": encounter},
            {"resource": _observation(id="c")},
        )
    )
    assert [c.source_patient for c in derived.contributions] == [_patient_id("1")] * 3
    assert _codes(derived) == ["fhir-patient-unknown"]


def test_directory_resources_belong_to_no_patient() -> None:
    derived = _derive({"resourceType": "Organization", "id": "o", "name": "Ward"})
    assert [(c.directory, c.source_patient, c.cleared) for c in derived.contributions] == [
        (True, "", ())
    ]


@pytest.mark.parametrize("kind", ["Device", "Basic", "List", "Media", "Schedule", "SupplyRequest"])
def test_what_may_have_a_patient_is_merged_alike_without_one(kind: str) -> None:
    element = {"Device": "patient", "Schedule": "actor", "SupplyRequest": "deliverTo"}
    who = {"reference": "Patient/1"}
    needed: dict[str, Any] = {
        "Basic": {"code": {"text": "x"}},
        "List": {"status": "current", "mode": "working"},
        "Media": {"status": "completed", "content": {"title": "x"}},
        "SupplyRequest": {"itemCodeableConcept": {"text": "x"}, "quantity": {"value": 1}},
        "Schedule": {"actor": [{"reference": "Practitioner/2"}]},
    }.get(kind, {})
    nobodys = {"resourceType": kind, "id": "a", **needed}
    ours = {**nobodys, element.get(kind, "subject"): [who] if kind == "Schedule" else who}
    (without,), (with_,) = _derive(nobodys).contributions, _derive(ours).contributions
    assert without.id == with_.id
    assert (without.directory, with_.directory) == (False, False)
    assert (without.source_patient, with_.source_patient) == ("", _patient_id("1"))


def test_contained_resources_and_narrative_stay() -> None:
    request = {
        "resourceType": "MedicationRequest",
        "id": "m",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        "contained": [{"resourceType": "Medication", "id": "m1", "code": {"text": "x"}}],
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "#m1"},
        "subject": {"reference": "Patient/1"},
    }
    (contribution,) = _derive(request).contributions
    assert contribution.resource["medicationReference"] == {"reference": "#m1"}
    assert contribution.resource["contained"] == request["contained"]
    assert contribution.resource["text"] == request["text"]


def test_references_that_lead_elsewhere_stay_and_are_told() -> None:
    observation = _observation(
        subject={"reference": "Patient/1"},
        encounter={"reference": "https://other/fhir/Encounter/1"},
        performer=[{"reference": "urn:uuid:0b8a7c6e-0000-4000-8000-00000000000f"}],
    )
    derived = _derive(observation)
    assert [(i.code, i.location) for i in derived.issues] == [
        ("fhir-reference-external", "/encounter/reference"),
        ("fhir-reference-unknown", "/performer/0/reference"),
    ]
    assert derived.contributions[0].resource["encounter"] == observation["encounter"]
    own = Feed("ehr", "it", "team", "http", Format.FHIR, options={"base_url": "https://other/fhir"})
    assert _codes(_derive(observation, own)) == ["fhir-reference-unknown"]


def test_deletions_and_patches_are_never_silent() -> None:
    derived = _derive(
        _bundle(
            {"request": {"method": "DELETE", "url": "Patient/1"}},
            {"request": {"method": "DELETE", "url": "Observation/1"}},
            {"request": {"method": "GET", "url": "Patient/1"}},
            kind="transaction",
        )
    )
    assert _codes(derived) == ["fhir-delete-not-applied"]
    (contribution,) = derived.contributions
    assert contribution.resource == {
        "resourceType": "Patient",
        "id": _patient_id("1"),
        "active": False,
    }
    assert contribution.cleared == ()


def test_the_newest_version_in_a_history_counts() -> None:
    def entry(status: str, updated: str) -> Json:
        resource = _observation(
            id="a", subject={"reference": "Patient/1"}, meta={"lastUpdated": updated}
        )
        request = {"method": "PUT", "url": "Observation/a"}
        return {"resource": {**resource, "status": status}, "request": request}

    derived = _derive(
        _bundle(
            entry("corrected", "2024-02-01T00:00:00Z"),
            entry("final", "2024-01-01T00:00:00Z"),
            kind="history",
        )
    )
    assert [c.resource["status"] for c in derived.contributions] == ["corrected"]
    assert "fhir-resource-repeated" in _codes(derived)


def test_patient_links_become_link_events() -> None:
    other = {"reference": "Patient/old"}
    derived = _derive({**PATIENT, "link": [{"other": other, "type": "replaces"}]})
    (link,) = derived.links
    assert (link.kind, link.surviving, link.prior) == (
        LinkKind.MERGE,
        _patient_id("p1"),
        _patient_id("old"),
    )


def test_a_clock_far_ahead_does_not_outrank_later_corrections() -> None:
    derived = _derive({**PATIENT, "meta": {"lastUpdated": "2099-01-01T00:00:00Z"}})
    assert derived.event_us == RECEIVED_US
    assert _codes(derived) == ["fhir-time-ahead"]


def test_modifier_extensions_are_pointed_out() -> None:
    derived = _derive({**PATIENT, "modifierExtension": [{"url": "urn:not", "valueBoolean": True}]})
    assert _codes(derived) == ["fhir-modifier-extension"]


def test_every_leaf_is_accounted_for_and_every_value_has_its_bytes() -> None:
    value = _bundle(
        {
            "fullUrl": "urn:uuid:0b8a7c6e-0000-4000-8000-000000000001",
            "resource": PATIENT,
            "request": {"method": "PUT", "url": "Patient/p1"},
        },
        {"resource": {"resourceType": "OperationOutcome", "issue": []}},
        kind="transaction",
        timestamp="2024-01-01T00:00:00Z",
    )
    body = json.dumps(value).encode()
    traced = _trace(body)
    evidence = {e.element: e for e in traced.evidence}
    (start, end) = evidence["name[0].family"].spans[0]
    assert body[start:end] == b'"Rivera"'
    assert evidence["name[0].family"].location == "/entry/0/resource/name/0/family"
    by_place = {r.location: r for r in traced.loss.rows}
    assert by_place["/entry/0/resource/meta/versionId"].disposition == "ignored"
    assert by_place["/entry/0/resource/birthDate"].targets == ("Patient.birthDate",)
    assert by_place["/timestamp"].disposition == "ignored"


def test_overlays_decide_where_types_go() -> None:
    shipped = next(iter(MAPPING.files.values()))
    other = shipped.replace(b"Basic,either,subject,,", b"Basic,directory,,,")
    mapping = FhirMapping({"types.csv": other})
    assert mapping.fingerprint != MAPPING.fingerprint
    basic = _message({"resourceType": "Basic", "code": {"text": "x"}})
    assert mapping.derive(basic, FEED, EXAMPLE_NAMESPACE).contributions[0].directory
    with pytest.raises(ConfigurationError, match=r"types\.csv:2"):
        FhirMapping({"types.csv": b"type,kind,elements,identified,reason\nPatent,patient,,,\n"})
