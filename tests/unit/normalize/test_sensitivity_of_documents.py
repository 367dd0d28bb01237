"""What a document lists is as sensitive as the same said as a resource."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clinical_documents import allergy, cda, document, drug, problem, section

from chartloom.domain.labels import Label
from chartloom.formats.documents.lists import LINES_MAX
from chartloom.normalize.sensitivity import builtin, explain, labels_of

_HIV = "86406008"
_NOTE = "Medications:\n- Efavirenz 600 mg tablet\n- Lisinopril 10 mg\n"


def _clinical(*sections: str) -> dict[str, Any]:
    return document("d", cda(*sections), 1)[1]


def _plain(text: str) -> dict[str, Any]:
    return document("d", text.encode(), 1, "text/plain")[1]


_DIV = "<div><ul><li>Efavirenz 600 mg tablet</li></ul></div>"
_ATTACHED = _plain(_NOTE)["content"][0]["attachment"]
_EXTENSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.value"


@pytest.mark.parametrize(("resource", "label"), [
    (_clinical(section("problems", problem("Chronic infection", _HIV))), Label.HIV),
    (_clinical(section("medications", drug("Tablets", code="195085"))), Label.HIV),
    (_clinical(section("medications", drug("Efavirenz 600 mg"))), Label.HIV),
    (_clinical(section("allergies", allergy("Efavirenz"))), Label.HIV),
    (_clinical(section("medications", text="<list><item>Efavirenz</item></list>")), Label.HIV),
    (_plain(_NOTE), Label.HIV),
    (_plain("Problem list:\n- Alcohol dependence\n"), Label.ETH),
    (_plain(_NOTE) | {"status": "superseded"}, Label.HIV),
    ({"resourceType": "Composition", "section": [
        {"title": "Medications", "text": {"div": _DIV}}]}, Label.HIV),
    ({"resourceType": "DiagnosticReport", "presentedForm": [_ATTACHED]}, Label.HIV),
    ({"resourceType": "Observation", "valueString": _NOTE * 9}, Label.HIV),
    ({"resourceType": "Observation",
      "extension": [{"url": _EXTENSION, "valueAttachment": _ATTACHED}]}, Label.HIV),
])  # fmt: skip
def test_what_is_listed_is_judged(resource: dict[str, Any], label: Label) -> None:
    assert label in labels_of(resource)
    assert {r.label for r in explain(builtin(), resource)} == labels_of(resource)


def test_lines_beyond_those_that_a_chart_keeps_are_judged() -> None:
    many = "Medications:\n" + "- Lisinopril 10 mg\n" * LINES_MAX
    assert labels_of(_plain(many)) == frozenset()
    assert labels_of(_plain(many + "- Efavirenz 600 mg\n")) == {Label.HIV}


def test_what_is_in_no_list_is_not() -> None:
    assert labels_of(_plain("HIV was discussed.\nPlan: Efavirenz later")) == frozenset()
    assert labels_of({"resourceType": "Observation", "valueString": "fine\nfine"}) == frozenset()
