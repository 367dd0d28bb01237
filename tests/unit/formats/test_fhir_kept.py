"""What is found out about an object that nobody changes holds for that object, and for no other."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir import KEPT, forget, keep, validate
from chartloom.formats.fhir import kept as module
from chartloom.formats.fhir.kept import Passed


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    forget()
    yield
    forget()


def observation(code: FhirJson) -> FhirJson:
    """An Observation of something."""
    return {"resourceType": "Observation", "id": "a", "status": "final", "code": code}


def test_an_equal_object_that_is_not_kept_is_looked_at() -> None:
    code: FhirJson = {"coding": [{"system": "urn:x", "code": "y"}]}
    keep(code)
    assert validate(observation(code)) == validate(observation(code)) == []
    other = copy.deepcopy(code)
    other["coding"][0]["code"] = " not a code "
    assert validate(observation(other)) != []


def test_an_object_that_does_not_pass_does_not_pass_the_next_time_either() -> None:
    code: FhirJson = {"coding": [{"system": "urn:x", "code": " y"}]}
    keep(code)
    assert validate(observation(code)) == validate(observation(code)) != []


def test_what_passes_in_one_element_need_not_pass_in_another() -> None:
    reference: FhirJson = {"reference": "Patient/1"}
    keep(reference)
    said = observation({"text": "x"})
    assert validate({**said, "subject": reference}) == []
    assert validate({**said, "encounter": reference}) != []


def test_only_what_is_kept_is_remembered_and_it_is_held() -> None:
    passed = Passed(lambda value: True)
    kept, fresh = {"a": "b"}, {"a": "b"}
    keep(kept)
    assert passed.passes(kept)
    assert passed.passes(fresh)
    assert list(passed.values()) == [kept]
    assert passed[id(kept)] is kept


def test_both_are_bounded_and_can_be_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    monkeypatch.setattr(module, "PASSED_MAX", 2)
    passed = Passed(lambda value: True)
    values = [{"n": n} for n in range(5)]
    for value in values:
        keep(value)
        assert passed.passes(value)
    assert list(KEPT.values()) == values[2:]
    assert len(passed) <= 2
    forget()
    assert not KEPT
    assert not passed


def test_texts_are_not_kept() -> None:
    keep("text")
    assert not KEPT
