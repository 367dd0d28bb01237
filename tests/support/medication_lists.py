"""Charts of orders, fills, doses and lists, and the medications reconciled from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from chartloom.chart import ChartSummary, merge, place, rebuild_part, summary, view_key
from chartloom.chart.reconcile import (
    Decision,
    Line,
    ReconciledList,
    builtin_rules,
    reconcile_medications,
)
from chartloom.chart.times import to_us
from chartloom.domain.resource import Contribution, FhirJson, Stamp
from chartloom.registry.formulary import Formulary, builtin_formulary

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOW_US = to_us(NOW.isoformat())

#: (whose record, resource)
Told = tuple[str, FhirJson]


def day(ago: float) -> str:
    """A FHIR instant so many days before now."""
    return (NOW - timedelta(days=ago)).isoformat(timespec="seconds")


def _named(kind: str, id: str, drug: str, codes: Sequence[tuple[str, str]]) -> FhirJson:
    concept: FhirJson = {"text": drug} if drug else {}
    if codes:
        concept["coding"] = [{"system": s, "code": c} for s, c in codes]
    return {"resourceType": kind, "id": id, "medicationCodeableConcept": concept}


def order(
    id: str,
    drug: str,
    ago: float,
    *,
    status: str = "active",
    who: str = "house",
    dose: tuple[float, str, int] | None = None,
    until: float | None = None,
    codes: Sequence[tuple[str, str]] = (),
    **more: Any,
) -> Told:
    """An order written ``ago`` days before now. dose: (amount, unit, a day). until: its end."""
    resource = _named("MedicationRequest", id, drug, codes)
    resource |= {"status": status, "intent": "order", "authoredOn": day(ago)}
    dosage: FhirJson = {}
    if dose:
        amount, unit, often = dose
        dosage["doseAndRate"] = [{"doseQuantity": {"value": amount, "unit": unit}}]
        dosage["timing"] = {"repeat": {"frequency": often, "period": 1, "periodUnit": "d"}}
    if until is not None:
        period = {"start": day(ago), "end": day(until)}
        dosage.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = period
    if dosage:
        resource["dosageInstruction"] = [dosage]
    return who, resource | more


def ended(told: Told, status: str, ago: float) -> Told:
    """The same order with another status since ``ago`` days before now."""
    url = "urn:chartloom:extension:medication-status-changed"
    since = {"url": url, "valueDateTime": day(ago)}
    return told[0], told[1] | {"status": status, "extension": [since]}


def fill(
    id: str,
    drug: str,
    ago: float,
    days: int | None = 30,
    *,
    who: str = "retail",
    of: str = "",
    codes: Sequence[tuple[str, str]] = (),
    **more: Any,
) -> Told:
    """A fill handed over."""
    resource = _named("MedicationDispense", id, drug, codes)
    resource |= {"status": "completed", "whenHandedOver": day(ago)}
    if days is not None:
        resource["daysSupply"] = {"value": days, "unit": "d"}
    if of:
        resource["authorizingPrescription"] = [{"reference": f"MedicationRequest/{of}"}]
    return who, resource | more


def given(id: str, drug: str, ago: float, *, who: str = "house", of: str = "") -> Told:
    """A dose that staff gave."""
    resource = _named("MedicationAdministration", id, drug, ())
    resource |= {"status": "completed", "effectiveDateTime": day(ago)}
    if of:
        resource["request"] = {"reference": f"MedicationRequest/{of}"}
    return who, resource


def listed(
    id: str, drug: str, ago: float, *, status: str = "active", who: str = "portal", **more: Any
) -> Told:
    """A line of somebody's list."""
    resource = _named("MedicationStatement", id, drug, ())
    return who, resource | {"status": status, "effectiveDateTime": day(ago)} | more


def stay(id: str, ago: float, until: float | None, *, who: str = "house") -> Told:
    """A stay on a ward."""
    period = {"start": day(ago)} | ({"end": day(until)} if until is not None else {})
    status = "in-progress" if until is None else "finished"
    kind = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}
    return who, {
        "resourceType": "Encounter", "id": id, "status": status, "class": kind, "period": period,
    }  # fmt: skip


def chart_of(told: Sequence[Told]) -> ChartSummary:
    """The chart of one person from what was told, through merge, views and summary."""
    rows = defaultdict(list)
    for position, (who, resource) in enumerate(told, start=1):
        stamp = Stamp(1, NOW_US, position)
        placed = place(merge(None, Contribution(resource, who), stamp))
        if (key := view_key(placed)) is not None:
            rows[key].append(placed)
    return summary([rebuild_part(key, placed) for key, placed in rows.items()], NOW_US)


def reconciled(
    *told: Told,
    formulary: Formulary | None = None,
    decisions: Sequence[Decision] = (),
    now_us: int = NOW_US,
) -> ReconciledList:
    """The list of what was told."""
    known = formulary or builtin_formulary()
    chart = chart_of(told)
    return reconcile_medications(chart, known, builtin_rules(), now_us, decisions=decisions)


def only(found: ReconciledList) -> Line:
    """The only line."""
    (line,) = found.lines
    return line


def misfits(line: Line) -> set[str]:
    """Codes of what does not fit."""
    return {d.code for d in line.discrepancies}
