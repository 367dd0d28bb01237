"""The chart of a person, put together from the section views of all their source patients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from chartloom.chart.fold import BOUNDS, newest_first
from chartloom.chart.strangers import without_strangers
from chartloom.domain.chart import Section, SectionView

_Json = dict[str, Any]
#: Sections whose entries may be documents.
_LISTING = tuple(s.name.lower() for s in (Section.DOCUMENTS, Section.REPORTS, Section.RESULTS))


class ChartSection(msgspec.Struct, frozen=True):
    """One section of a person's chart.

    total: visible resources behind it. truncated: not all of them are in ``entries``; page through
    the timeline for the rest. said_us: when a source last said something that stands in it, per
    source patient; measure freshness from it (0 if nothing was ever said). owners: id of an entry
    or point -> source patient, where there are several. labels: id -> mask, for those with labels.
    """

    section: Section
    total: int
    truncated: bool
    entries: tuple[_Json, ...]
    said_us: dict[str, int]
    owners: dict[str, str] = {}
    labels: dict[str, int] = {}

    def owner(self, resource_id: str) -> str:
        """The source patient of an entry or point; "" if it does not stand here."""
        if found := self.owners.get(resource_id):
            return found
        return next(iter(self.said_us), "") if len(self.said_us) == 1 else ""

    @property
    def name(self) -> str:
        """``problems``, ``results``, ..."""
        return self.section.name.lower()


class ChartSummary(msgspec.Struct, frozen=True):
    """What a clinician reads first. ``made_at_us`` is when it was put together, not data time.

    patient: the newest demographics entry; None if no source sent any. patients: those of all
    sources, newest first. contacts: relatives. sections: every section, also empty ones.
    """

    source_patients: tuple[str, ...]
    made_at_us: int
    patient: _Json | None
    patients: tuple[_Json, ...]
    contacts: tuple[_Json, ...]
    sections: dict[str, ChartSection]

    def section(self, section: Section) -> ChartSection:
        """One section by its number."""
        return self.sections[section.name.lower()]


def summary(views: Iterable[SectionView], now_us: int) -> ChartSummary:
    """The chart of one person from all section views of the person's source patients.

    Copies that several sources hold of the same thing (a common business identifier) are shown
    once: the one said last, with ``also`` naming the others. Result series are drawn together.
    Documents that are about somebody else list nothing.
    """
    by_section: dict[Section, list[SectionView]] = {}
    for view in views:
        by_section.setdefault(view.key.section, []).append(view)
    sections = {
        section.name.lower(): _section(section, by_section.get(section, ()))
        for section in Section
        if section is not Section.NONE
    }
    people = sections["demographics"].entries
    patients = sorted(
        (e for e in people if e["type"] == "Patient"), key=lambda e: (-e["said_us"], e["id"])
    )
    for name in _LISTING:
        entries = without_strangers(sections[name].entries, patients)
        sections[name] = msgspec.structs.replace(sections[name], entries=entries)
    return ChartSummary(
        source_patients=tuple(
            sorted({v.key.source_patient for group in by_section.values() for v in group})
        ),
        made_at_us=now_us,
        patient=patients[0] if patients else None,
        patients=tuple(patients),
        contacts=tuple(e for e in people if e["type"] != "Patient"),
        sections=sections,
    )


def _section(section: Section, views: Sequence[SectionView]) -> ChartSection:
    said: dict[str, int] = {}
    singles: list[_Json] = []
    series: dict[tuple[int, str], list[_Json]] = {}
    kept = 0
    owners: dict[str, str] = {}
    for view in views:
        owner = view.key.source_patient
        for entry in view.entries:
            if entry["said_us"] > said.get(owner, 0):
                said[owner] = entry["said_us"]
            if "series" in entry:
                kept += entry["count"]
                series.setdefault((view.key.part, entry["series"]), []).append(entry)
            else:
                kept += 1
                singles.append(entry)
    several = len({v.key.source_patient for v in views}) > 1
    if several:
        owners = _owners(views)
        singles = _without_copies(singles)
    joined = [group[0] if len(group) == 1 else _join(section, group) for group in series.values()]
    if len(views) > 1:
        joined = _without_gaps(section, views, series, joined)
    entries = sorted(singles + joined, key=newest_first)
    if section is Section.MEDICATIONS:
        entries = _with_doses(entries)
    total = sum(v.total for v in views)
    return ChartSection(section, total, total > kept, tuple(entries), said, owners, _labels(views))


def _owners(views: Sequence[SectionView]) -> dict[str, str]:
    return {
        one["id"]: view.key.source_patient
        for view in views
        for entry in view.entries
        for one in entry.get("points", (entry,))
    }


def _labels(views: Sequence[SectionView]) -> dict[str, int]:
    return {
        one["id"]: view.key.labels
        for view in views
        if view.key.labels
        for entry in view.entries
        for one in entry.get("points", (entry,))
    }


def _without_copies(entries: list[_Json]) -> list[_Json]:
    """One entry per business identifier and type: the one said last."""
    kept: list[_Json] = []
    by_key: dict[tuple[str, str], int] = {}
    for entry in sorted(entries, key=lambda e: (-e["said_us"], e["id"])):
        keys = [(entry["type"], k) for k in entry.get("keys", ())]
        known = next((by_key[k] for k in keys if k in by_key), None)
        if known is None or entry["type"] == "Patient":
            by_key.update(dict.fromkeys(keys, len(kept)))
            kept.append(entry)
        else:
            original = kept[known]
            kept[known] = {**original, "also": [*original.get("also", ()), entry["id"]]}
    return kept


def _join(section: Section, group: list[_Json]) -> _Json:
    """One series from the same series of several source patients."""
    newest = min(group, key=lambda s: (-s["sort_us"], s["id"]))
    points = sorted((p for s in group for p in s["points"]), key=newest_first)
    return {
        **newest,
        "count": sum(s["count"] for s in group),
        "points": points[: BOUNDS[section].points],
    }


def _without_gaps(
    section: Section,
    views: Sequence[SectionView],
    series: Iterable[tuple[int, str]],
    joined: Iterable[_Json],
) -> list[_Json]:
    """Series without points that may not be next to each other.

    A view that overflowed may have points of a series that it does not show, none newer than the
    last series it shows. So of what other views show of that series, only what is newer stands:
    else a value would look like the latest while a later one is left out.
    """
    ends: dict[int, list[tuple[Any, frozenset[str]]]] = {}
    for view in views:
        shown = [e for e in view.entries if "series" in e]
        kept = len(view.entries) - len(shown) + sum(e["count"] for e in shown)
        if len(shown) >= BOUNDS[section].series > 0 and view.total > kept:
            names = frozenset(e["series"] for e in shown)
            ends.setdefault(view.key.part, []).append((newest_first(shown[-1]), names))
    whole = []
    for (part, name), entry in zip(series, joined, strict=True):
        end = min((end for end, names in ends.get(part, ()) if name not in names), default=None)
        if end is not None:
            entry = {**entry, "points": [p for p in entry["points"] if newest_first(p) < end]}
        if entry["points"]:
            whole.append(entry)
    return whole


def _with_doses(entries: list[_Json]) -> list[_Json]:
    """Orders with the last dispense and administration of the same drug (or of that order)."""
    doses = [e for e in entries if "series" in e]
    by_code: dict[tuple[str, str], _Json] = {}
    by_order: dict[tuple[str, str], _Json] = {}
    for dose in reversed(doses):  # newest last, so that it stays
        what = dose.get("code") or dose.get("text", "")
        by_code[dose["type"], what] = dose["points"][0]
        for point in reversed(dose["points"]):
            if request := point.get("request"):
                by_order[dose["type"], request.rpartition("/")[2]] = point
    shown = []
    for entry in entries:
        if "series" not in entry and doses:
            what = entry.get("code") or entry.get("text", "")
            entry = dict(entry)
            for kind, name in (
                ("MedicationDispense", "last_dispense"),
                ("MedicationAdministration", "last_administration"),
            ):
                last = by_order.get((kind, entry["id"])) or by_code.get((kind, what))
                if last:
                    entry[name] = last
        shown.append(entry)
    return shown
