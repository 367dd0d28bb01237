"""What the documents of a chart list, wherever they stand: documents, reports, results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chartloom.chart.summary import ChartSection, ChartSummary
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section

_Json = dict[str, Any]


def in_documents(
    chart: ChartSummary, name: str
) -> Iterator[tuple[ChartSection, _Json, int, _Json]]:
    """(section, entry or point, number, line) of every line of a list: ``drugs``, ``allergies``
    or ``problems``."""
    for kind in (Section.DOCUMENTS, Section.REPORTS, Section.RESULTS):
        section = chart.section(kind)
        for entry in section.entries:
            for one in entry.get("points", (entry,)):
                for number, line in enumerate(one.get(name, ())):
                    yield section, _typed(one, entry), number, line


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
