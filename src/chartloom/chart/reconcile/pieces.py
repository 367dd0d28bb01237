"""Entries of medication as pieces of evidence: what each says about a therapy, and when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from chartloom.chart.reconcile.heard import DAY_US, began_us, fact_of
from chartloom.chart.reconcile.in_documents import document_place, document_us, in_documents
from chartloom.chart.reconcile.lines import Fact
from chartloom.chart.summary import ChartSection, ChartSummary
from chartloom.chart.times import day_of, to_us
from chartloom.domain.chart import Section
from chartloom.registry.formulary import Drug, Formulary, Known

_Json = dict[str, Any]

#: The type of what a document says in words.
NOTE: Final = "DocumentReference"
#: ``Encounter.class`` of stays in which drugs are given by staff.
_STAYS: Final = frozenset(("IMP", "ACUTE", "NONAC", "EMER", "OBSENC", "SS"))
_HOME: Final = frozenset(("discharge", "community", "outpatient", "patientspecified"))
_PROPOSED: Final = frozenset(("proposal", "plan", "option"))
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")

#: (type, status) -> what an entry says. Of a status that is not here: ``<type>-unknown``.
SAYS: Final[dict[str, dict[str, str]]] = {
    "MedicationRequest": {
        "active": "order-active",
        "on-hold": "order-on-hold",
        "cancelled": "order-cancelled",
        "completed": "order-completed",
        "stopped": "order-stopped",
        "draft": "order-proposed",
        "": "order-active",
    },
    "MedicationStatement": {
        "active": "listed",
        "intended": "listed",
        "completed": "listed-completed",
        "stopped": "listed-stopped",
        "on-hold": "listed-on-hold",
        "not-taken": "listed-not-taken",
        "": "listed",
    },
    "MedicationDispense": {
        "completed": "filled",
        "": "filled",
        "in-progress": "fill-prepared",
        "preparation": "fill-prepared",
        "on-hold": "fill-prepared",
        "stopped": "fill-not-made",
        "declined": "fill-not-made",
    },
    "MedicationAdministration": {
        "completed": "given",
        "in-progress": "given",
        "": "given",
        "stopped": "given",
        "not-done": "not-given",
        "on-hold": "not-given",
    },
}
SAYS_UNKNOWN: Final = {
    "MedicationRequest": "order-unknown",
    "MedicationStatement": "listed-unknown",
    "MedicationDispense": "fill-prepared",
    "MedicationAdministration": "not-given",
}

#: How well a line of a text must have been understood: dose and directions stand beside the name.
_READ: Final = (Known.NAME, Known.PART)
#: What holds from its beginning on; everything else is said of its end.
_BEGIN: Final = frozenset(("order-active", "order-unknown", "order-proposed", "listed"))


class Piece(msgspec.Struct):
    """One order, listing, fill or dose. Times in microseconds, 0 if unknown; days, 0 if unknown.

    ends_us: when it stops by its own words (a stop, the end of a course). setting: ``ward``,
    ``home`` or "". stay_end_us: when the stay it belongs to ended. request: the order that a fill
    or dose was for. each: dose as said; per_day: how often. whole_us: of a fill, since when no fill
    of its series is left out of the chart. document: a document says it, in whatever form.
    directions: in words. dosed_us: since when the dose is what it is.
    """

    id: str
    kind: str
    source: str
    says: str
    at_us: int
    drug: Drug
    text: str
    fact: Fact
    ends_us: int = 0
    setting: str = ""
    in_stay: bool = False
    stay_end_us: int = 0
    request: str = ""
    supply_days: float = 0.0
    refills: int = 0
    quantity: float = 0.0
    each: str = ""
    per_day: float = 0.0
    as_needed: bool = False
    discharge: bool = False
    document: bool = False
    whole_us: int = 0
    directions: str = ""
    dosed_us: int = 0


class Entry(msgspec.Struct):
    """An entry of the chart with its pieces; they stay together. codes: as the source gave them."""

    id: str
    drug: Drug
    codes: tuple[str, ...]
    pieces: list[Piece]
    request: str = ""


def entries_of(
    chart: ChartSummary, formulary: Formulary, speakers: Mapping[str, str]
) -> list[Entry]:
    """All entries of the medication section. speakers: resource id -> who spoke of it last."""
    section = chart.section(Section.MEDICATIONS)
    stays = {e["id"]: e for e in chart.section(Section.ENCOUNTERS).entries}
    found = [_entry(e, section, stays, formulary, speakers) for e in section.entries]
    return found + _noted(chart, formulary, speakers)


def _noted(chart: ChartSummary, formulary: Formulary, speakers: Mapping[str, str]) -> list[Entry]:
    """What documents list: coded entries, and lines in which every ingredient was recognised."""
    found = []
    for section, entry, number, line in in_documents(chart, "drugs"):
        coded = line["says"] == "coded"
        codes = tuple(line.get("codes", ()))
        drug = formulary.resolve(codes, line["text"])
        if not coded and (not drug.ingredients or drug.known not in _READ):
            continue
        piece = _in_document(entry, section, line, drug, speakers)
        found.append(Entry(f"{entry['id']}#{number}", drug, codes, [piece]))
    return found


def _in_document(
    entry: _Json, section: ChartSection, line: _Json, drug: Drug, speakers: Mapping[str, str]
) -> Piece:
    """A coded entry is a word like that of any list; a line of text is only noted."""
    coded = line["says"] == "coded"
    status = line.get("status", "")
    kind = "MedicationStatement" if coded else NOTE
    says = SAYS[kind].get(status, SAYS_UNKNOWN[kind]) if coded else line["says"]
    at_us, ends_us = document_us(entry, line), to_us(line.get("end"))
    if says not in _BEGIN:
        ends_us = min(ends_us or at_us, at_us)
    detail = {k: str(line[k]) for k in ("status", "start", "end") if line.get(k)}
    detail |= document_place(line)
    fact = fact_of(
        entry, section, speakers, says, ends_us if says not in _BEGIN and coded else at_us,
        line["text"], detail, entry.get("type") or NOTE,
    )  # fmt: skip
    return Piece(
        entry["id"], kind, fact.source, says, at_us, drug, line["text"], fact,
        ends_us=ends_us if coded else 0, document=True,
    )  # fmt: skip


def _entry(
    entry: _Json,
    section: ChartSection,
    stays: Mapping[str, _Json],
    formulary: Formulary,
    speakers: Mapping[str, str],
) -> Entry:
    codes = tuple(entry.get("codes") or ((entry["code"],) if entry.get("code") else ()))
    text = str(entry.get("text", ""))
    drug = formulary.resolve(codes, text, entry.get("form") or "", _route(entry))
    if "points" in entry:
        pieces = [_event(entry, p, drug, section, speakers) for p in entry["points"]]
        request = next((p.request for p in pieces if p.request), "")
        return Entry(entry["id"], drug, codes, pieces, request)
    order = _order(entry, drug, section, speakers)
    _settle(order, entry, stays)
    pieces = [order, *(_copy(order, also, section) for also in entry.get("also", ()))]
    return Entry(entry["id"], drug, codes, pieces)


def _route(entry: _Json) -> str:
    for dosage in entry.get("dosages") or entry.get("points") or ():
        if route := dosage.get("route"):
            return str(route)
    return ""


def _order(entry: _Json, drug: Drug, section: ChartSection, speakers: Mapping[str, str]) -> Piece:
    kind, status = entry["type"], str(entry.get("status", ""))
    says = SAYS[kind].get(status, SAYS_UNKNOWN[kind])
    if entry.get("intent") in _PROPOSED:
        says = "order-proposed"
    if entry.get("not_to_do"):
        says = "not-to-do"
    dosage: _Json = next(iter(entry.get("dosages", ())), {})
    start_us = to_us(entry.get("start")) or entry["sort_us"]
    ends_us = _end(entry, start_us)
    since_us = start_us if says in _BEGIN else ends_us or start_us
    dosed_us = _dosed_us(entry, start_us)
    said = _order_detail(entry, dosage)
    if dosed_us > start_us:
        said["dose_changed"] = day_of(dosed_us)
    fact = fact_of(entry, section, speakers, says, since_us, detail=said)
    return Piece(
        id=entry["id"],
        kind=kind,
        source=fact.source,
        says=says,
        at_us=start_us,
        drug=drug,
        text=str(entry.get("text", "")),
        fact=fact,
        ends_us=ends_us,
        supply_days=_float(entry.get("supply_days")),
        refills=entry.get("refills") or 0,
        quantity=_float(entry.get("quantity")),
        each=str(dosage.get("dose") or dosage.get("text", "")),
        per_day=sum(_float(d.get("per_day")) for d in entry.get("dosages", ())),
        as_needed=any(d.get("as_needed") for d in entry.get("dosages", ())),
        directions=str(dosage.get("text", "")),
        dosed_us=dosed_us,
    )


def _dosed_us(entry: _Json, start_us: int) -> int:
    """Since when an order or a list says the dose that it says: later than it began, if its source
    changed it."""
    element = "dosage" if entry["type"] == "MedicationStatement" else "dosageInstruction"
    after_us, by_us = began_us(entry, element)
    return max(start_us, by_us) if after_us else start_us


def _settle(piece: Piece, entry: _Json, stays: Mapping[str, _Json]) -> None:
    """On a ward or at home, and whether that stay is over."""
    categories = entry.get("category", ())
    piece.discharge = "discharge" in categories
    if "inpatient" in categories:
        piece.setting = "ward"
    elif not _HOME.isdisjoint(categories):
        piece.setting = "home"
    stay = stays.get(str(entry.get("encounter", "")).rpartition("/")[2])
    if stay is not None and stay.get("class") in _STAYS:
        piece.in_stay = True
        if stay.get("status") == "finished" or stay.get("end"):
            piece.stay_end_us = to_us(stay.get("end")) or stay["said_us"]


def _end(entry: _Json, start_us: int) -> int:
    """When it stops by its own words: since when the status holds, else the end of the course."""
    status = entry.get("status")
    if status not in (None, "active", "draft", "unknown", "intended"):
        changed, end_us = to_us(entry.get("status_changed")), to_us(entry.get("end"))
        _, by_us = began_us(entry, "status")
        return changed or (end_us if 0 < end_us <= entry["said_us"] else by_us)
    if end_us := to_us(entry.get("end")):
        return end_us
    days = _float(entry.get("course_days"))
    return start_us + int(days * DAY_US) if days and start_us else 0


def _event(
    series: _Json, point: _Json, drug: Drug, section: ChartSection, speakers: Mapping[str, str]
) -> Piece:
    kind = series["type"]
    says = SAYS[kind].get(str(point.get("status", "")), SAYS_UNKNOWN[kind])
    dose = "quantity" if kind == "MedicationDispense" else "dose"
    names = {"dose": dose, "route": "route", "supply_days": "supply_days"}
    detail = {name: str(point[k]) for k, name in names.items() if point.get(k)}
    text, points = str(series.get("text", "")), series["points"]
    fact = fact_of(point, section, speakers, says, point["sort_us"], text, detail, kind)
    return Piece(
        id=point["id"],
        kind=kind,
        source=fact.source,
        says=says,
        at_us=point["sort_us"],
        drug=drug,
        text=text,
        fact=fact,
        supply_days=_float(point.get("supply_days")),
        quantity=_float(point.get("dose")) if kind == "MedicationDispense" else 0.0,
        request=str(point.get("request", "")).rpartition("/")[2],
        whole_us=points[-1]["sort_us"] if series.get("count", 0) > len(points) else 0,
    )


def _copy(original: Piece, id: str, section: ChartSection) -> Piece:
    """Another source's copy of the same resource (a common identifier): shown, not counted."""
    owner = section.owner(id)
    fact = msgspec.structs.replace(
        original.fact, resource_id=id, says="copy", source_patient=owner, source=owner
    )
    return msgspec.structs.replace(original, id=id, says="copy", source=owner, fact=fact)


def _order_detail(entry: _Json, dosage: _Json) -> dict[str, str]:
    found = {k: str(dosage[k]) for k in ("text", "dose", "timing", "route") if dosage.get(k)}
    for key in ("status", "supply_days", "quantity", "form", "strength", "status_reason", "end"):
        if entry.get(key):
            found[key] = str(entry[key])
    return found


def _float(text: Any) -> float:
    """The number at the beginning of a text; 0 if there is none."""
    found = _NUMBER.match(str(text)) if text else None
    value = float(found[0]) if found else 0.0
    return value if value < 1e9 else 0.0
