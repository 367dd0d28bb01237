"""What the chart says of an order, a fill and a dose, for those who must judge what is taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chartloom.chart.shape_medication import (
    medication_event,
    medication_order,
    medication_series,
)
from chartloom.chart.since import note

_EXT = "urn:chartloom:extension:"
_TWO = {"coding": [{"system": "l", "code": "1"}, {"system": "r", "code": "2"}], "text": "X 5 mg"}


def test_an_order_says_what_was_prescribed_for_how_long() -> None:
    order = medication_order(
        {
            "resourceType": "MedicationRequest",
            "status": "stopped",
            "category": [{"coding": [{"code": "discharge"}]}],
            "medicationCodeableConcept": _TWO,
            "extension": [
                {"url": f"{_EXT}dose-form", "valueCodeableConcept": {"text": "Tablet"}},
                {"url": f"{_EXT}strength", "valueQuantity": {"value": Decimal(5), "unit": "mg"}},
                {"url": f"{_EXT}medication-status-changed", "valueDateTime": "2026-01-02"},
                {"url": "https://other.example", "valueString": "x"},
            ],
            "dispenseRequest": {
                "quantity": {"value": 60},
                "numberOfRepeatsAllowed": 0,
                "expectedSupplyDuration": {"value": 1, "code": "mo"},
                "validityPeriod": {"end": "2026-12-31"},
            },
            "dosageInstruction": [
                {"timing": {"repeat": {"frequency": 1, "period": 12, "periodUnit": "h"}}}
            ],
            "priorPrescription": {"reference": "MedicationRequest/1"},
        }
    )
    assert order["codes"] == ["l|1", "r|2"]
    assert (order["form"], order["strength"]) == ("Tablet", "5 mg")
    assert order["status_changed"] == "2026-01-02"
    assert order["category"] == ["discharge"]
    assert (order["supply_days"], order["quantity"], order["refills"]) == ("30.4375", "60", 0)
    assert order["dosages"][0]["per_day"] == "2"
    assert order["valid_until"] == "2026-12-31"
    assert order["prior"] == "MedicationRequest/1"


@pytest.mark.parametrize(
    ("repeat", "often"),
    [
        ({"frequency": 3, "period": 1, "periodUnit": "d"}, "3"),
        (
            {"frequency": 1, "period": 1, "periodUnit": "wk", "dayOfWeek": ["mon", "fri"]},
            "0.285714",
        ),
        ({"when": ["MORN", "EVE"], "periodUnit": "d"}, "2"),
        ({"frequency": 1, "period": Decimal("1E400"), "periodUnit": "d"}, ""),
        ({"frequency": 1, "period": 1, "periodUnit": "parsec"}, ""),
        ({"count": 1}, ""),
    ],
)
def test_how_often_a_day(repeat: dict[str, Any], often: str) -> None:
    said = medication_order({"dosageInstruction": [{"timing": {"repeat": repeat}}]})
    assert said["dosages"][0].get("per_day", "") == often


@pytest.mark.parametrize(
    ("supply", "days"),
    [
        ({"value": Decimal("30.0"), "unit": "d"}, "30"),
        ({"value": 2, "unit": "weeks"}, "14"),
        ({"value": 90}, "90"),
        ({"value": 3, "unit": "boxes"}, ""),
        ({"value": -3, "unit": "d"}, ""),
        ({"unit": "d"}, ""),
    ],
)
def test_days_supply_of_a_fill(supply: dict[str, Any], days: str) -> None:
    fill = medication_event({"resourceType": "MedicationDispense", "daysSupply": supply})
    assert fill.get("supply_days", "") == days


def test_a_statement_has_one_category_and_its_context() -> None:
    listed = medication_order(
        {
            "resourceType": "MedicationStatement",
            "category": {"coding": [{"code": "community"}]},
            "context": {"reference": "Encounter/1"},
            "statusReason": [{"text": "several"}],
        }
    )
    assert listed["category"] == ["community"]
    assert listed["encounter"] == "Encounter/1"
    assert listed["status_reason"] == ""


def test_a_series_has_its_codes_only_if_there_are_several() -> None:
    assert medication_series({"medicationCodeableConcept": _TWO})["codes"] == ["l|1", "r|2"]
    one = {"coding": [{"system": "l", "code": "1"}]}
    assert "codes" not in medication_series({"medicationCodeableConcept": one})


def test_a_number_that_nobody_has_is_no_duration_and_stops_nothing() -> None:
    huge = 10**400
    repeat = {"frequency": huge, "period": 1, "periodUnit": "d"}
    dosage = [{"timing": {"repeat": repeat}, "doseAndRate": [{"doseQuantity": {"value": huge}}]}]
    supply = {"expectedSupplyDuration": {"value": huge, "unit": "d"}}
    order = {"resourceType": "MedicationRequest", "status": "active", "dosageInstruction": dosage}
    shown = medication_order({**order, "dispenseRequest": supply})
    assert not shown["supply_days"]
    assert "per_day" not in shown["dosages"][0]
    long = {**repeat, "frequency": 1, "period": huge}
    slow = medication_order({**order, "dosageInstruction": [{"timing": {"repeat": long}}]})
    assert "per_day" not in (slow.get("dosages") or [{}])[0]
    held: dict[str, tuple[int, int]] = {}
    note(held, "dosageInstruction", order, 1)
    assert len(held) == 1
