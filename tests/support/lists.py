"""Charts written down as entries, for the rules that make one list of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chartloom.chart import ChartSummary, summary
from chartloom.chart.reconcile import Line, ReconciledList
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section, SectionView, ViewKey

NOW_US = to_us("2026-06-01T12:00:00Z")
DAY_US = 86_400_000_000
SNOMED, RXNORM = "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm"
ICD10, LOINC = "http://hl7.org/fhir/sid/icd-10-cm", "http://loinc.org"


def chart(*entries: dict[str, Any]) -> ChartSummary:
    """A chart of entries as :func:`allergy`, :func:`problem`, ... write them."""
    views: dict[ViewKey, list[dict[str, Any]]] = {}
    for entry in entries:
        told = dict(entry)
        key = ViewKey(told.pop("owner"), told.pop("section"), 0, told.pop("labels", 0))
        views.setdefault(key, []).append(told)
    made = [SectionView(k, sum(e.get("count", 1) for e in v), tuple(v)) for k, v in views.items()]
    return summary(made, NOW_US)


def _entry(section: Section, type: str, id: str, day: str, owner: str, said: str) -> dict[str, Any]:
    return {
        "section": section, "owner": owner, "id": id, "type": type,
        "sort_us": to_us(day), "said_us": to_us(said or day or "2026-01-01"),
    }  # fmt: skip


def allergy(
    id: str, text: str, day: str = "2025-01-01", *, owner: str = "house", said: str = "",
    status: str = "active", verification: str = "confirmed", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """An AllergyIntolerance of an owner, recorded on a day and last said on another."""
    entry = _entry(Section.ALLERGIES, "AllergyIntolerance", id, day, owner, said)
    return {**entry, "text": text, "status": status, "verification": verification, **more}


def problem(
    id: str, code: str, day: str = "2025-01-01", *, owner: str = "house", said: str = "",
    category: str = "problem-list-item", text: str = "", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """A Condition. code: ICD-10, or ``sct|...``; category ``encounter-diagnosis`` has a visit."""
    entry = _entry(Section.PROBLEMS, "Condition", id, day, owner, said)
    system, bar, value = code.rpartition("|")
    entry["code"] = f"{SNOMED if system == 'sct' else system or ICD10}|{value}"
    if bar and not value:
        del entry["code"]
    entry |= {"text": text or value, "category": [category], "recorded": day}
    if category == "encounter-diagnosis" and "encounter" not in more:
        entry["encounter"] = f"Encounter/visit-{id}"
    return {**entry, **more}


def visit(id: str, kind: str, owner: str = "house") -> dict[str, Any]:
    """An Encounter of a class (``IMP``, ``AMB``)."""
    return {**_entry(Section.ENCOUNTERS, "Encounter", id, "2025-01-01", owner, ""), "class": kind}


def results(
    id: str, loinc: str, unit: str, *values: tuple[str, str], owner: str = "house",
    text: str = "", kind: str = "quantity", local: str = "",
) -> dict[str, Any]:  # fmt: skip
    """A series of Observations: (time, value), newest first."""
    points = [
        {
            "id": f"{id}-{n}", "sort_us": to_us(at), "said_us": to_us(at), "time": at,
            "value": value, "kind": kind, "unit": unit, "status": "final",
        }
        for n, (at, value) in enumerate(values)
    ]  # fmt: skip
    entry = _entry(Section.RESULTS, "Observation", points[0]["id"], values[0][0], owner, "")
    code = {"code": f"urn:local|{local}", "loinc": loinc} if local else {"code": f"{LOINC}|{loinc}"}
    if not loinc:
        code = {"code": f"urn:local|{local or id}"}
    return {
        **entry, **code, "series": f"series-{id}", "text": text or loinc, "unit": unit,
        "count": len(points), "points": points,
    }  # fmt: skip


def doses(
    id: str, text: str, *days: str, owner: str = "house", type: str = "MedicationAdministration",
    status: str = "completed",
) -> dict[str, Any]:  # fmt: skip
    """Doses given (or fills) of a drug."""
    points = [
        {"id": f"{id}-{n}", "sort_us": to_us(d), "said_us": to_us(d), "time": d, "status": status}
        for n, d in enumerate(days)
    ]
    entry = _entry(Section.MEDICATIONS, type, points[0]["id"], days[0], owner, "")
    return {
        **entry, "series": f"series-{id}", "text": text, "count": len(points), "points": points,
    }  # fmt: skip


def order(id: str, text: str, day: str = "2025-06-01", owner: str = "house") -> dict[str, Any]:
    """A prescription."""
    entry = _entry(Section.MEDICATIONS, "MedicationRequest", id, day, owner, "")
    return {**entry, "text": text, "status": "active", "intent": "order"}


def line(made: ReconciledList, text: str) -> Line:
    """The one line of this name."""
    found = [x for x in made.lines if x.text == text]
    assert len(found) == 1, [x.text for x in made.lines]
    return found[0]


def misfits(one: Line) -> set[str]:
    """What does not fit of a line."""
    return {d.code for d in one.discrepancies}


def entries_behind(made: ReconciledList) -> set[str]:
    """Ids of everything that stands in some line."""
    return {f.resource_id for x in made.lines for f in x.facts}


def ids_of(entries: Sequence[Mapping[str, Any]]) -> set[str]:
    """Ids of entries and points."""
    return {p["id"] for e in entries for p in e.get("points", (e,))}
