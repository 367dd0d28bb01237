"""``chartloom chart``: a person's summary in the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.text import Text

from chartloom.chart import ChartSection, ChartSummary, summary
from chartloom.cli.output import OUT, Table, when
from chartloom.domain.chart import SectionView
from chartloom.domain.store import SearchHit

_Json = dict[str, Any]
_SHOWN_MAX = 15


NOT_WHOLE = (
    "Charts are being made anew: what is not there may yet come. Look again in some minutes."
)


def chart_json(
    hit: SearchHit, views: Iterable[SectionView], now_us: int, *, complete: bool = True
) -> _Json:
    """The summary for machines. complete: whether charts are not being made anew."""
    made = summary(views, now_us)
    return {
        "person": hit.person_id,
        "sourcePatients": hit.source_patients,
        "madeAtUs": made.made_at_us,
        "complete": complete,
        "patient": made.patient,
        "contacts": made.contacts,
        "sections": {
            name: {"total": s.total, "truncated": s.truncated, "entries": s.entries}
            for name, s in made.sections.items()
            if s.total
        },
    }


def _result(e: _Json) -> tuple[str, str, str]:
    points = e.get("points") or [e]
    newest = points[0]
    value = f"{newest.get('comparator') or ''}{newest.get('value', '')} {newest.get('unit') or ''}"
    limits = newest.get("range") or {}
    text = limits.get("text") or " – ".join(str(limits[k]) for k in ("low", "high") if k in limits)
    flags = " ".join(newest.get("flags") or ())
    earlier = ", ".join(str(p.get("value", "")) for p in points[1:4])
    context = (newest.get("time"), text and f"range {text}", earlier and f"before {earlier}")
    shown = f"{value.strip()} {flags}".strip()
    return e.get("text", ""), shown, "; ".join(p for p in context if p)


def _medication(e: _Json) -> tuple[str, str, str]:
    dosage = (e.get("dosages") or [{}])[0]
    dose = dosage.get("text") or " ".join(
        str(dosage[k]) for k in ("dose", "route", "timing") if dosage.get(k)
    )
    if "points" in e:
        return e.get("text", ""), f"{e['type']}, {e.get('count', len(e['points']))} times", ""
    return e.get("text", ""), e.get("status") or "", dose or e.get("time") or ""


def _allergy(e: _Json) -> tuple[str, str, str]:
    reactions = ", ".join(
        " ".join(p for p in (r.get("text"), r.get("severity") and f"({r['severity']})") if p)
        for r in e.get("reactions", ())
    )
    criticality = e.get("criticality")
    status = e.get("status") or e.get("verification") or ""
    context = (reactions, criticality and f"criticality {criticality}")
    return e.get("text", ""), status, "; ".join(p for p in context if p)


def _usual(e: _Json) -> tuple[str, str, str]:
    time = e.get("start") or e.get("time") or e.get("recorded") or ""
    if e.get("end"):
        time += f" to {e['end']}"
    context = "  ".join(p for p in (time, e.get("location")) if p)
    return e.get("text") or e["type"], e.get("status") or "", context


_SECTIONS: dict[str, Callable[[_Json], tuple[str, str, str]]] = {
    "allergies": _allergy,
    "problems": _usual,
    "medications": _medication,
    "results": _result,
    "encounters": _usual,
    "immunisations": _usual,
    "documents": _usual,
    "appointments": _usual,
    "orders": _usual,
}


def print_chart(views: Iterable[SectionView], now_us: int) -> None:
    """The summary for people, with when each section was last spoken of."""
    made = summary(views, now_us)
    _print_banner(made)
    for name, line in _SECTIONS.items():
        section = made.sections[name]
        if section.total:
            _print_section(name, section, line)


def _print_banner(made: ChartSummary) -> None:
    patient = made.patient
    if patient is None:
        OUT.print("[bold]No demographics yet[/]")
        return
    banner = Text(str(patient.get("name") or "name unknown"), style="bold")
    for part in (patient.get("birth_date"), patient.get("sex")):
        banner.append(f"  {part or '?'}", style="default")
    OUT.print(banner)
    identifiers = ", ".join(
        f"{i.get('value')} ({i.get('authority') or i.get('system') or i.get('type') or '?'})"
        for i in patient.get("identifiers", ())
    )
    OUT.print(Text(identifiers, style="bright_black"))


def _print_section(
    name: str, section: ChartSection, line: Callable[[_Json], tuple[str, str, str]]
) -> None:
    said = max(section.said_us.values(), default=0)
    title = f"{name.capitalize()} ({section.total}), as of {when(said)}"
    table = Table(title=title, title_justify="left", show_header=False, expand=True)
    table.add_column(ratio=3)
    table.add_column(ratio=2)
    table.add_column(ratio=4, style="bright_black")
    for entry in section.entries[:_SHOWN_MAX]:
        table.add_row(*(Text(part) for part in line(entry)))
    OUT.print(table)
    hidden = section.total - min(len(section.entries), _SHOWN_MAX)
    if hidden > 0 and len(section.entries) > _SHOWN_MAX:
        OUT.print(f"  and {len(section.entries) - _SHOWN_MAX} more (--json has them)")
