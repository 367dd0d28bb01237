"""A Consent whose conditions are not understood is taken, withholds the more, and is an Issue."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.formats.fhir.consents import data_conditions, doubts_of
from chartloom.normalize.fhir_feed import FhirMapping

FEED = Feed("ehr", "it", "team", "http", Format.FHIR, mapping="fhir")
MAPPING = FhirMapping()


def issues(provision: Any, code: str = "consent-not-understood") -> list[tuple[str, str]]:
    url = "urn:uuid:11111111-1111-4111-8111-111111111111"
    consent = {
        "resourceType": "Consent", "id": "c", "status": "active",
        "scope": {"text": "privacy"}, "category": [{"text": "privacy"}],
        "patient": {"reference": url}, "policyRule": {"text": "x"}, "provision": provision,
    }  # fmt: skip
    entries = [
        {"fullUrl": url, "resource": {"resourceType": "Patient", "id": "p"}},
        {"resource": {"resourceType": "Observation", "id": "o", "status": "final",
                      "code": {"text": "Hb"}, "subject": {"reference": url}}},
        {"resource": consent},
    ]  # fmt: skip
    body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    message = Message(7, "ehr", body, 1_700_000_000_000_000, hashlib.sha256(body).digest())
    derived = MAPPING.derive(message, FEED, EXAMPLE_NAMESPACE)
    assert any(c.type == "Consent" for c in derived.contributions)
    return [(i.code, i.location) for i in derived.issues if i.code == code]


def test_what_is_understood_is_no_issue() -> None:
    coded = {"system": "http://loinc.org", "code": "718-7"}
    types = "http://hl7.org/fhir/resource-types"
    assert issues(
        {
            "type": "permit", "period": {"start": "2020-01-01"},
            "purpose": [{"code": "TREAT"}, {"code": "HMARKT"}],
            "action": [{"coding": [{"code": "access"}]}],
            "provision": [
                {"type": "deny", "class": [{"code": "Observation", "system": types}],
                 "securityLabel": [{"code": "HIV"}], "code": [{"coding": [coded]}],
                 "dataPeriod": {"end": "2019-12"},
                 "data": [{"meaning": "instance", "reference": {"reference": "Observation/o"}}],
                 "actor": [{"role": {"text": "x"},
                            "reference": {"reference": "Practitioner/9"}}]},
            ],
        }
    ) == []  # fmt: skip


@pytest.mark.parametrize(
    ("odd", "where"),
    [
        ({"class": [{"code": "34133-9", "system": "http://loinc.org"}]}, "class"),
        ({"class": [{"code": "Patient"}]}, "class"),
        ({"code": [{"text": "in words"}]}, "code"),
        ({"data": [{"meaning": "related", "reference": {"reference": "Observation/o"}}]}, "data"),
        ({"securityLabel": [{"code": "WHO-KNOWS"}]}, "securityLabel"),
        ({"purpose": [{"code": "WHO-KNOWS"}]}, "purpose"),
        ({"action": [{"coding": [{"code": "gossip"}]}]}, "action"),
        ({"actor": [{"role": {"text": "my neighbour"}, "reference": {"display": "x"}}]}, "actor"),
    ],
)
def test_what_is_not_is_named(odd: dict[str, Any], where: str) -> None:
    found = issues({"type": "permit", "provision": [{"type": "deny", **odd}]})
    assert found == [("consent-not-understood", f"/entry/2/resource/provision/provision/0/{where}")]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"end": "2019"}, ("2019-12-31", "2020-01-02")),
        ({"end": "2019-02"}, ("2019-02-28", "2019-03-02")),
        ({"start": "2019-02"}, ("2019-01-31", "2019-02-02")),
        ({"start": "2019-02-03T10:00:00Z"}, ("2019-02-03T10:00:00", "2019-02-03T10:00:00")),
    ],
)
def test_bounds_of_times(said: dict[str, str], found: tuple[str, str]) -> None:
    from datetime import UTC, datetime

    span = data_conditions({"type": "deny", "dataPeriod": said}).span
    assert span is not None
    bounds = span[:2] if "start" in said else span[2:]
    expected = [datetime.fromisoformat(f).replace(tzinfo=UTC).timestamp() * 1e6 for f in found]
    assert list(bounds) == expected


@pytest.mark.parametrize(
    "odd", ["2019-13", "2019-02-30", "19", "20190203", "2019-02-03T10:00:00.000", "x", 7, "٢٠١٩"]
)
def test_a_time_that_is_none_is_a_doubt(odd: Any) -> None:
    said = data_conditions({"type": "deny", "dataPeriod": {"start": odd}})
    assert (said.span, said.doubts) == (None, ("dataPeriod",))


@pytest.mark.parametrize("odd", ["x", {"type": "allow"}, {"type": "deny", "class": "x"}])
def test_what_is_no_provision(odd: Any) -> None:
    assert doubts_of({"provision": odd}) == ["/provision"]
    assert doubts_of({"modifierExtension": []}) == ["/modifierExtension"]


def test_a_denied_code_of_a_known_system_says_that_it_withholds_more() -> None:
    """What is coded in the house only, or told in words, may be the same."""

    def denied(system: str, effect: str = "deny") -> dict[str, Any]:
        return {"type": effect, "code": [{"coding": [{"system": system, "code": "77"}]}]}

    sct = "http://snomed.info/sct"
    root = {"type": "permit", "provision": [denied(sct), denied(sct, "permit"), denied("urn:x")]}
    assert issues(root, "consent-code-wide") == [
        ("consent-code-wide", "/entry/2/resource/provision/provision/0/code")
    ]
    assert issues(denied(sct), "consent-code-wide") == [
        ("consent-code-wide", "/entry/2/resource/provision/code")
    ]
    assert issues({"type": "permit"}, "consent-code-wide") == []
