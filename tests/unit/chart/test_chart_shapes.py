"""What a reader of a chart sees of a stay's places, of results not obtained, and of documents."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chartloom.chart import merge, place
from chartloom.chart.shape import entry_of, point_of
from chartloom.chart.shape_admin import document
from chartloom.chart.shape_clinical import observation
from chartloom.domain.resource import Contribution, ResourceState, Stamp


def bed(name: str, status: str, **period: str) -> dict[str, Any]:
    where = {"reference": f"Location/{name}", "display": name}
    item: dict[str, Any] = {"location": where, "status": status}
    return item | ({"period": period} if period else {})


def stay(*told: list[dict[str, Any]]) -> dict[str, Any]:
    """The entry of a stay after messages with these places, one after the other."""
    state: ResourceState | None = None
    for at, places in enumerate(told, 1):
        resource = {"resourceType": "Encounter", "id": "e", "status": "x", "location": places}
        state = merge(state, Contribution(resource, "p"), Stamp(1, at, at))
    assert state is not None
    return entry_of(place(state))


def test_a_bed_not_left_in_words_is_left_when_a_later_one_is_named() -> None:
    entry = stay([bed("icu", "active")], [bed("ward", "active")], [bed("ward", "completed")])
    assert entry["location"] == "ward"
    shown = [(p["text"], p.get("status")) for p in entry["locations"]]
    assert shown == [("icu", None), ("ward", "completed")]


def test_of_places_named_together_the_active_one_counts() -> None:
    entry = stay([bed("icu", "active")], [bed("a", "active"), bed("icu", "completed")])
    assert entry["location"] == "a"
    left = [bed("b", "completed", end="2024-01-02"), bed("c", "completed", end="2024-01-01")]
    assert stay(left)["location"] == "b"


def test_a_place_kept_free_is_not_where_the_patient_is() -> None:
    entry = stay([bed("icu", "active")], [bed("ward", "reserved")], [bed("or", "planned")])
    assert entry["location"] == "icu"
    assert [p["status"] for p in entry["locations"]] == ["active", "reserved", "planned"]
    assert "location" not in stay([bed("ward", "planned")])


def result(status: str, **more: Any) -> Any:
    resource = {"resourceType": "Observation", "id": "o", "status": status, **more}
    return place(merge(None, Contribution(resource, "p"), Stamp(1, 1, 1)))


VALUE = {"valueQuantity": {"value": Decimal("5.5"), "unit": "mmol/L"}}


def test_a_result_that_could_not_be_obtained_is_shown_without_a_value() -> None:
    placed = result("cancelled", **VALUE)
    assert not placed.hidden
    point, _ = point_of(placed)
    assert (point["status"], point["absent"]) == ("cancelled", "not obtained")
    assert not point.keys() & {"value", "kind", "unit", "flags"}
    reason = {"text": "specimen clotted"}
    assert point_of(result("cancelled", dataAbsentReason=reason))[0]["absent"] == reason["text"]


def test_what_was_entered_in_error_is_not_shown() -> None:
    assert result("entered-in-error", **VALUE).hidden


def test_a_cancelled_report_is_shown_with_its_status() -> None:
    resource = {"resourceType": "DiagnosticReport", "id": "r", "status": "cancelled"}
    placed = place(merge(None, Contribution(resource, "p"), Stamp(1, 1, 1)))
    assert not placed.hidden
    assert entry_of(placed)["status"] == "cancelled"


def test_a_document_replaces_only_what_it_says_it_replaces() -> None:
    related = [
        {"code": code, "target": {"display": code}} for code in ("appends", "replaces", "signs")
    ]
    resource = {"resourceType": "DocumentReference", "id": "d", "relatesTo": related}
    placed = place(merge(None, Contribution(resource, "p"), Stamp(1, 1, 1)))
    assert entry_of(placed)["replaces"] == ["replaces"]


def test_a_result_that_is_a_document_is_named_but_not_copied() -> None:
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.value"
    attachment = {"contentType": "application/pdf", "data": "JVBERi0xLjQ="}
    extension = [{"url": url, "valueAttachment": attachment}]
    point, _ = point_of(result("final", extension=extension))
    assert (point["kind"], point["value"]) == ("document", "application/pdf")
    assert point["size_bytes"] == len(b"%PDF-1.4")
    assert "JVBERi" not in str(point)
    named = [{"url": url, "valueAttachment": {**attachment, "title": "ECG"}}]
    assert point_of(result("final", extension=named))[0]["value"] == "ECG"


def test_why_a_laboratory_has_no_result_is_shown_and_no_older_value_is() -> None:
    def absent(**said: Any) -> str:
        told = {"resourceType": "Observation", "id": "k", "status": "cancelled", **said}
        return str(observation(told)["absent"])

    assert absent(valueString="HEMOLYZED") == "not obtained: HEMOLYZED"
    assert absent(valueString="2+") == "not obtained"
    performed = {"dataAbsentReason": {"text": "Not Performed"}}
    note = {"note": [{"text": "QNS - tube half filled"}]}
    assert absent(**performed, **note) == "Not Performed: QNS - tube half filled"


def test_an_author_named_twice_is_shown_once() -> None:
    author = {"display": "Dr Haruka Björklund, NP"}
    told = document({"author": [author, {**author, "reference": "Practitioner/b"}]})
    assert told["author"] == ["Dr Haruka Björklund, NP"]
