"""What the text of a document says of drugs: evidence, and never enough to make one active."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.support.medication_lists import (
    Told,
    day,
    ended,
    fill,
    misfits,
    order,
    reconciled,
)

from chartloom.chart.reconcile import Line
from chartloom.formats.documents.lists import LINES_MAX, document_lists, text_lists

_LETTER = """Admitted with heart failure.
Allergies: Penicillin 500 mg (hives)
Mother takes Warfarin 5 mg.
Discharge medications:
 1. Furosemide 40 mg tablet once daily
 - Lisinopril 10 mg daily
 - STOP Ibuprofen 400 mg tablet
 - Apixaban 5 mg, only if the echo is normal
 - no Aspirin
Medications stopped: Metoprolol 50 mg tablet; Warfarin 5 mg
Family history: Insulin glargine in mother
Plan: Amlodipine 5 mg to be considered.
"""


def _doc(id: str, text: str, ago: float, **more: Any) -> Told:
    attachment = {"contentType": "text/plain; charset=utf-8",
                  "data": base64.b64encode(text.encode()).decode()}  # fmt: skip
    resource = {"resourceType": "DocumentReference", "id": id, "status": "current"}
    return "house", resource | {"date": day(ago), "content": [{"attachment": attachment}]} | more


def _drugs(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = text_lists(text).get("drugs", [])
    return found


def _lines(*told: Told) -> dict[str, Line]:
    return {x.key: x for x in reconciled(*told).lines}


def test_only_what_stands_under_a_heading_of_medications_is_read() -> None:
    assert [(x["text"], x["says"]) for x in _drugs(_LETTER)] == [
        ("Furosemide 40 mg tablet once daily", "noted"),
        ("Lisinopril 10 mg daily", "noted"),
        ("STOP Ibuprofen 400 mg tablet", "noted-stopped"),
        ("Metoprolol 50 mg tablet", "noted-stopped"),
        ("Warfarin 5 mg", "noted-stopped"),
    ]


@pytest.mark.parametrize("text", [
    "Medication allergies:\nPenicillin", "Medications to avoid:\nIbuprofen",
    "Family medications:\nWarfarin", "Medications:\nnone", "Home medications: denies Warfarin",
    "He takes medications daily\nWarfarin", "", "Medications:\n\nAssessment: Warfarin",
    "Medications given:\nHeparin", "Allergies to medications:\nSulfa",
])  # fmt: skip
def test_what_speaks_of_something_else_is_not_read(text: str) -> None:
    assert _drugs(text) == []


def test_parts_of_a_list() -> None:
    told = _drugs("Medications at discharge\nSTOP taking:\nWarfarin\nNew:\nApixaban 5 mg")
    assert [x["says"] for x in told] == ["noted-stopped", "noted"]


def test_bounds_and_what_cannot_be_read() -> None:
    many = "Medications:\n" + "\n".join(f"Drug {n} " + "x" * 500 for n in range(200))
    found = document_lists(_doc("d", many, 1)[1])["drugs"]
    assert len(found) == LINES_MAX
    assert max(len(x["text"]) for x in found) <= 100
    assert document_lists(_doc("d", _LETTER, 1, status="superseded")[1]) == {}
    broken = {"contentType": "text/plain", "data": "%%%"}
    assert document_lists({"content": [{"attachment": broken}, {}]}) == {"unread": "not-base64"}
    pdf = {"contentType": "application/pdf", "data": base64.b64encode(_LETTER.encode()).decode()}
    assert document_lists({"content": [{"attachment": pdf}]}) == {}


def test_a_document_alone_makes_nothing_active_and_is_shown() -> None:
    found = _lines(_doc("d", _LETTER, 3))
    assert set(found) == {
        "furosemide|oral", "lisinopril|unspecified", "ibuprofen|oral", "metoprolol|oral",
        "warfarin|unspecified",
    }  # fmt: skip
    assert {(x.status, x.standing) for x in found.values()} == {("unknown", "noted")}
    assert {k.partition("|")[0] for k, x in found.items() if x.reason == "noted-stopped-only"} == {
        "ibuprofen", "metoprolol", "warfarin",
    }  # fmt: skip
    assert {x.reason for x in found.values()} == {"noted-only", "noted-stopped-only"}
    assert {f.resource_id for x in found.values() for f in x.facts} == {"d"}


def test_a_mention_confirms_nothing() -> None:
    told = [order("o", "Furosemide 40 mg tablet", 200), _doc("d", _LETTER, 3)]
    line = _lines(*told)["furosemide|oral"]
    assert (line.status, line.reason) == ("unknown", "order-unconfirmed")
    assert line.sources == {"house": "order-active"}
    assert [f.says for f in line.facts] == ["noted", "order-active"]


def test_stopped_according_to_a_document_is_named_and_not_done() -> None:
    warfarin = [order("o", "Warfarin 5 mg tablet", 100, who="clinic"),
                fill("f", "Warfarin 5 mg tablet", 10, of="o")]  # fmt: skip
    without = _lines(*warfarin)["warfarin|oral"]
    line = _lines(*warfarin, _doc("d", _LETTER, 3))["warfarin|oral"]
    assert line.status == without.status == "active"
    assert misfits(line) == {"stopped-in-document"}
    assert line.confidence.value != without.confidence.value == "high"
    older = _lines(*warfarin, _doc("d", _LETTER, 150))["warfarin|oral"]
    assert misfits(older) == set()
    closed = _lines(ended(warfarin[0], "stopped", 5), _doc("d", _LETTER, 3))["warfarin|oral"]
    assert (closed.status, misfits(closed)) == ("stopped", set())
