"""What the documents of a chart list, wherever they stand: documents, reports, results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chartloom.chart.summary import ChartSection, ChartSummary
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section
from chartloom.registry.formulary import Formulary, Known

_Json = dict[str, Any]


def in_documents(
    chart: ChartSummary, name: str
) -> Iterator[tuple[ChartSection, _Json, int, _Json]]:
    """(section, entry or point, number, line) of every line of a list: ``drugs``, ``allergies``
    or ``problems``."""
    for section, one in documents(chart):
        for number, line in enumerate(one.get(name, ())):
            yield section, one, number, line


def documents(chart: ChartSummary) -> Iterator[tuple[ChartSection, _Json]]:
    """(section, entry or point) of everything that may list something."""
    for kind in (Section.DOCUMENTS, Section.REPORTS, Section.RESULTS):
        section = chart.section(kind)
        for entry in section.entries:
            for one in entry.get("points", (entry,)):
                yield section, _typed(one, entry)


def named_drugs(chart: ChartSummary, formulary: Formulary) -> dict[str, frozenset[str] | None]:
    """Document id -> every ingredient that its lists of drugs name, also in lines that say nothing
    sure. None: the list is not whole, because it was cut or something in it is not known; then
    nobody knows what it leaves out."""
    found: dict[str, frozenset[str] | None] = {}
    for _, one in documents(chart):
        if "drugs" in one or "mentions" in one:
            found[one["id"]] = None if _is_cut(one) else _ingredients(one, formulary)
    return found


def _is_cut(one: _Json) -> bool:
    return bool(one.get("clipped") or one.get("unread"))


def _ingredients(one: _Json, formulary: Formulary) -> frozenset[str] | None:
    lines = [(tuple(x.get("codes", ())), x["text"]) for x in one.get("drugs", ())]
    lines += [((), text) for text in one.get("mentions", ())]
    drugs = [formulary.resolve(codes, text) for codes, text in lines]
    if any(d.known in (Known.WORDS, Known.NOTHING) for d in drugs):
        return None
    return frozenset(i for d in drugs for i in d.ingredients)


def _typed(one: _Json, entry: _Json) -> _Json:
    return one if "type" in one else {**one, "type": entry.get("type", "Observation")}


def document_us(entry: _Json, line: _Json) -> int:
    """When a document says a line: when its author wrote it, else of what time the document is."""
    written_us = to_us(line.get("said"))
    made_us = int(entry["sort_us"] or entry["said_us"])
    return min(written_us, made_us) if written_us else made_us


def document_place(line: _Json) -> dict[str, str]:
    """Where in the document a line stands, for whoever looks at the evidence."""
    if "bytes" not in line:
        return {}
    start, end = line["bytes"]
    part = f" of part {line['part'] + 1}" if line.get("part") else ""
    return {"place": f"bytes {start} to {end}{part}"}
