"""What is refused or not kept of a message is labelled too: its bytes are there."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.labels import Label, labels_of
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Derived
from chartloom.normalize.fhir_feed import FhirMapping
from chartloom.normalize.sensitivity import load_rules

FEED = Feed("ehr", "it", "team", "http", Format.FHIR, mapping="fhir")
MAPPING = FhirMapping()
Json = dict[str, Any]
PATIENT: Json = {"resource": {"resourceType": "Patient", "id": "1"}}
HIV = {"coding": [{"system": "http://loinc.org", "code": "56888-1", "display": "HIV Ag+Ab"}]}


def _derive(*entries: Any, **more: Any) -> Derived:
    body = json.dumps({"resourceType": "Bundle", "type": "collection", **more, "entry": entries})
    raw = body.encode()
    message = Message(1, "ehr", raw, 1_700_000_000_000_000, hashlib.sha256(raw).digest())
    derived = MAPPING.derive(message, FEED, EXAMPLE_NAMESPACE)
    assert MAPPING.trace(message, FEED, EXAMPLE_NAMESPACE).derived == derived
    assert not derived.quarantine
    return derived


def _result(**more: Any) -> Json:
    about = {"subject": {"reference": "Patient/1"}, "code": HIV, "status": "final"}
    return {"resource": {"resourceType": "Observation", "id": "o", **about, **more}}


@pytest.mark.parametrize(
    "bad",
    [
        {"unheard": 1},
        {"status": "nope"},
        {"code": {"coding": [{"display": "HIV Ag+Ab"}, None, 7], "text": 1}},
        {"resourceType": "Basic2"},
    ],
)
def test_a_refused_entry_restricts_the_message_and_is_judged(bad: Json) -> None:
    derived = _derive(PATIENT, _result(**bad))
    assert [c.type for c in derived.contributions] == ["Patient"]
    assert labels_of(derived.labels) >= {Label.R}
    if bad.get("code", HIV) is HIV:
        assert labels_of(derived.labels) == {Label.R, Label.HIV}
    assert derived.unread_in({1}) == derived.labels
    assert derived.unread_in({0, -1}) == 0


def test_a_valid_entry_about_nobody_is_judged_by_what_it_says() -> None:
    derived = _derive(PATIENT, _result(subject={"display": "nobody"}))
    assert [c.type for c in derived.contributions] == ["Patient"]
    assert labels_of(derived.labels) == {Label.HIV}
    plain = _derive(PATIENT, _result(subject={"display": "nobody"}, code={"text": "Sodium"}))
    assert plain.labels == 0


def test_what_is_ignored_is_judged_but_not_restricted() -> None:
    newer = {"meta": {"lastUpdated": "2024-01-02T00:00:00Z"}, "code": {"text": "Sodium"}}
    assert labels_of(_derive(PATIENT, _result(), _result(**newer)).labels) == {Label.HIV}
    issue = {"severity": "information", "code": "informational"}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    assert _derive(PATIENT, {"resource": outcome}).labels == 0


def test_an_envelope_that_is_not_understood_restricts_it() -> None:
    derived = _derive(PATIENT, unheard={"code": HIV})
    assert labels_of(derived.labels) == {Label.R}
    assert derived.unread_in({0}) == 0
    beside = _derive(PATIENT | {"unheard": "HIV"})
    assert labels_of(beside.labels) == {Label.R}
    assert beside.unread_in({0}) == beside.labels


def test_what_is_used_or_gone_restricts_nothing() -> None:
    assert _derive(PATIENT).labels == 0
    assert _derive(PATIENT, None).labels == 0  # as parts of destroyed keys are written
    assert labels_of(_derive(PATIENT, _result()).labels) == {Label.HIV}


def test_any_json_is_judged() -> None:
    labeller = load_rules()
    confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    for value, labels in (
        ([[HIV]], {Label.HIV}),
        ({"a": {"system": confidentiality, "code": "R"}}, {Label.R}),
        ({"a": {"system": confidentiality, "code": "N"}}, set()),
        ({"code": 1, "system": [], "display": {}, "text": None}, set()),
        ({"valueString": "x" * 5000}, set()),
        (None, set()),
        ("HIV", set()),
    ):
        assert labeller.labels_in(value) == labels
