"""Consents that are not written as they should be withhold everything: part by part."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asking import asking

from chartloom.domain.grant import Purpose
from chartloom.guard.consent import _SCOPE, _scopes, consent_facts
from chartloom.guard.facts import _subject

NOW_US = 1_790_000_000_000_000


def _consent(provision: object, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent", "status": "active", "dateTime": "2026-01-01",
        "scope": {"coding": [{"code": "patient-privacy"}]}, "provision": provision, **more,
    }  # fmt: skip


def withheld(consent: dict[str, Any]) -> frozenset[str]:
    return consent_facts([consent], asking("dr"), Purpose.TREATMENT, NOW_US).denied


@pytest.mark.parametrize("part", ["provision", "actor", "purpose", "securityLabel"])
@pytest.mark.parametrize("odd", [{}, {"code": "x"}, "x", 0, False, None, ()])
def test_what_should_be_a_list_and_is_none(part: str, odd: object) -> None:
    assert not withheld(_consent({"type": "permit"}))
    assert "*" in withheld(_consent({"type": "permit", part: odd}))


@pytest.mark.parametrize("odd", [[], "x", 0, True])
def test_what_should_be_an_object_and_is_none(odd: object) -> None:
    assert "*" in withheld(_consent(odd))
    for part in ("period", "provision"):
        inside: object = [odd] if part == "provision" else odd
        assert "*" in withheld(_consent({"type": "permit", part: inside}))
    assert "*" in withheld(_consent({"type": "permit", "actor": [odd]}))


@pytest.mark.parametrize(
    ("patient", "whose"),
    [
        ({"reference": "Patient/p1"}, "p1"),
        ({"reference": "https://north.example/fhir/Patient/p1"}, "p1"),
        ({"reference": 7}, ""),
        ({"reference": None}, ""),
        ({}, ""),
        ("Patient/p1", ""),
        (["Patient/p1"], ""),
        (None, ""),
    ],
)
def test_a_consent_that_names_nobody_is_of_whoever_it_came_with(
    patient: object, whose: str
) -> None:
    assert _subject(_consent({"type": "deny"}, patient=patient)) == whose


def test_a_scope_is_read_from_its_own_system_or_none() -> None:
    def scopes(system: str) -> set[str]:
        return _scopes({"coding": [{"code": "research"} | ({"system": system} if system else {})]})

    assert scopes("") == scopes(_SCOPE) == {"research"}
    assert scopes("urn:id:house") == set()
