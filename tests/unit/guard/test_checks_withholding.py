"""What a Consent withholds by class: each condition of what is looked at in a resource, alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asking import asking

from chartloom.domain.grant import Purpose
from chartloom.formats.fhir.codings import normal
from chartloom.guard.consent import DEPTH_MAX, consent_facts
from chartloom.guard.withholding import (
    _codes,
    _codings,
    _like,
    _Meets,
    _references,
    _said,
    _thing,
    _times,
    without_references,
)

NOW_US = 1_790_000_000_000_000
ICD = "http://hl7.org/fhir/sid/icd-10"


def denied(root: dict[str, Any]) -> frozenset[str]:
    consent = {"resourceType": "Consent", "status": "active", "provision": root}
    return consent_facts([consent], asking("me"), Purpose.TREATMENT, NOW_US, ("p",)).denied


def nested(depth: int) -> dict[str, Any]:
    """A provision within as many others."""
    found: dict[str, Any] = {"type": "permit"}
    for _ in range(depth):
        found = {"type": "permit", "provision": [found]}
    return found


def test_exceptions_that_are_nested_too_deep_withhold_everything() -> None:
    depths = {depth: "*" in denied(nested(depth)) for depth in range(1, DEPTH_MAX + 4)}
    closed = [depth for depth, is_closed in depths.items() if is_closed]
    assert closed[0] in (DEPTH_MAX, DEPTH_MAX + 1)
    assert closed == list(range(closed[0], DEPTH_MAX + 4))


def test_labels_are_no_codes_of_what_a_resource_says() -> None:
    code = {"coding": [{"system": "s", "code": "a"}]}
    found = set(_codings({"code": code, "meta": {"security": [{"system": "s", "code": "R"}]}}))
    assert found == {("s", "A")}
    odd: list[Any] = [{"code": 7}, {"code": None}, {"code": "x", "system": 7}, {"system": "s"}]
    assert list(_codings(odd)) == []


@pytest.mark.parametrize("odd", ["2024", 7, None, [], [{"start": "2024"}]])
def test_a_time_that_is_not_where_it_should_be_is_not_known(odd: Any) -> None:
    resource = {"resourceType": "Encounter", "period": {"start": "2024-02-03"}}
    assert _times(resource) is not None
    assert _times(resource | {"period": odd}) is None


def test_references_are_texts() -> None:
    odd: Any = {"a": {"reference": 7}, "b": [{"reference": None}, {"reference": "Patient/x"}]}
    assert list(_references(odd)) == ["Patient/x"]
    kept = without_references(odd | {"c": None, "d": [], "e": [None]}, lambda r: r == "Patient/x")
    assert kept == {
        "a": {"reference": 7}, "b": [{"reference": None}], "c": None, "d": [], "e": [None],
    }  # fmt: skip
    assert without_references([{"reference": "Patient/x"}], lambda r: True) is None


CLASS = {"type": "deny", "class": [{"code": "Observation"}]}


@pytest.mark.parametrize(
    "inner",
    [
        [CLASS],
        [CLASS, {"type": "permit", "securityLabel": [{"code": "HIV"}]}],
        [{**CLASS, "provision": [{"type": "deny", "class": [{"code": "Condition"}]}]}],
    ],
    ids=["a class denied", "another label opened as a whole", "two classes denied"],
)
def test_a_label_stays_closed_where_no_class_of_it_is_opened(inner: list[dict[str, Any]]) -> None:
    root = {"type": "deny", "securityLabel": [{"code": "PSY"}], "provision": inner}
    assert denied(root) == {"PSY"}
    opened = {**CLASS, "type": "permit"}
    assert denied(root | {"provision": [*inner, opened]}) == frozenset()


def test_a_code_in_words_only_or_of_a_kind_without_any() -> None:
    """A Coverage has no code of what it is about; that is not a code that is not told."""
    rule = _rule_of(code=[{"coding": [{"system": "s", "code": "a"}]}])
    words = {"resourceType": "Condition", "code": {"text": "in words"}}
    assert _codes(rule, _thing(words)) is _Meets.MAYBE
    assert _codes(rule, _thing({"resourceType": "Coverage"})) is _Meets.NO
    other = {"coding": [{"system": "s", "code": "b"}]}
    assert _codes(rule, _thing({"resourceType": "Condition", "code": other})) is _Meets.NO
    bare = _rule_of(code=[{"coding": [{"code": "a"}]}])
    assert _codes(bare, _thing({"resourceType": "Condition", "code": other})) is _Meets.NO


@pytest.mark.parametrize(
    ("said", "found", "alike"),
    [
        ((ICD, "F20"), (ICD, "F20.0"), True),
        ((ICD, "F20"), (ICD, "F21.0"), False),
        (("", "F20"), ("I10", "F20.0"), True),
        (("http://loinc.org", "718"), ("http://loinc.org", "718-7"), False),
        (("http://loinc.org", "718-7"), ("http://loinc.org", "718"), False),
        (("s", "a"), ("t", "a"), False),
        (("s", "a"), ("", "A"), True),
        (("s", "a"), ("", "b"), False),
    ],
)  # fmt: skip
def test_codes_are_alike_by_what_they_begin_with_only_where_systems_are_trees(
    said: tuple[str, str], found: tuple[str, str], alike: bool
) -> None:
    assert _like(_said((said,)), *normal(*found)) is alike


@pytest.mark.parametrize("odd", [None, "2024", 7, [{"period": {"start": "2024-02-03"}}]])
def test_nor_is_one_further_inside(odd: Any) -> None:
    resource = {"resourceType": "DocumentReference", "context": {"period": {"start": "2024-02-03"}}}
    assert _times(resource) is not None
    assert _times(resource | {"context": odd}) is None


def _rule_of(**root: Any) -> Any:
    consent = {"resourceType": "Consent", "status": "active", "provision": {"type": "deny", **root}}
    said = consent_facts([consent], asking("me"), Purpose.TREATMENT, NOW_US, ("p",))
    return said.withheld[0].rules[0]
