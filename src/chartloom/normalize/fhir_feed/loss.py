"""The loss report of a FHIR message: every leaf of the JSON text, by pointer and byte span."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from chartloom.domain.resource import Disposition, Evidence, LossCounts, LossReport, LossRow
from chartloom.formats.fhir import pointers
from chartloom.normalize.fhir_feed.plan import Outcome, Plan

_ENTRY: Final = re.compile(r"/entry/(\d+)(/resource)?(?=/|\Z)")
_VERSION: Final = ("/meta/versionId", "/meta/lastUpdated")
_VERSION_REASON: Final = "Chartloom keeps versions of its own; the time orders statements"
_ENVELOPE_REASON: Final = "the envelope addresses resources and states nothing about a patient"
_COPY: Final = "fhir:copy"
_REFERENCE: Final = "fhir:reference"
_ID: Final = "fhir:id"


def count(value: Any, plan: Plan) -> LossCounts:
    """The totals that :func:`report` would find, without looking at the text."""
    mapped = ignored = unmapped = 0
    for outcome in plan.outcomes:
        resource = outcome.entry.resource
        leaves = _leaves(resource) if resource is not None else 0
        if outcome.disposition is Disposition.MAPPED:
            versions = _versions(resource)
            mapped += leaves - versions
            ignored += versions
        elif outcome.disposition is Disposition.IGNORED:
            ignored += leaves
        else:
            unmapped += leaves if resource is not None else _leaves_of_request(value, outcome)
    total = _leaves(value)
    if plan.quarantine:
        return LossCounts(0, 0, total)
    return LossCounts(mapped, total - mapped - unmapped, unmapped)


def _leaves(value: Any) -> int:
    if type(value) is dict:
        return sum(map(_leaves, value.values())) if value else 1
    if type(value) is list:
        return sum(map(_leaves, value)) if value else 1
    return 1


def _versions(resource: Any) -> int:
    meta = resource.get("meta", {}) if resource else {}
    return sum(_leaves(meta[k]) for k in ("versionId", "lastUpdated") if k in meta)


def _leaves_of_request(value: Any, outcome: Outcome) -> int:
    return _leaves(value["entry"][outcome.entry.index])


def report(body: bytes, plan: Plan) -> LossReport:
    """One row per leaf of the text."""
    by_index = {o.entry.index: o for o in plan.outcomes}
    return LossReport(tuple(_row(p, (a, b), plan, by_index) for p, a, b in pointers(body)))


def _row(pointer: str, span: tuple[int, int], plan: Plan, by_index: dict[int, Outcome]) -> LossRow:
    if plan.quarantine:
        return LossRow(pointer, span, Disposition.UNMAPPED)
    outcome, rest = _find(pointer, plan, by_index)
    if outcome is None or (rest is None and outcome.disposition is not Disposition.UNMAPPED):
        return LossRow(pointer, span, Disposition.IGNORED, "fhir:envelope", (), _ENVELOPE_REASON)
    if outcome.disposition is Disposition.UNMAPPED:
        if rest is None and outcome.entry.resource is not None:
            return LossRow(
                pointer, span, Disposition.IGNORED, "fhir:envelope", (), _ENVELOPE_REASON
            )
        return LossRow(pointer, span, Disposition.UNMAPPED)
    if outcome.disposition is Disposition.IGNORED:
        return LossRow(pointer, span, Disposition.IGNORED, "fhir:type", (), outcome.reason)
    assert rest is not None
    if rest.startswith(_VERSION):
        return LossRow(pointer, span, Disposition.IGNORED, "fhir:version", (), _VERSION_REASON)
    kind = outcome.contribution.type if outcome.contribution else ""
    target = f"{kind}.{element_of(rest)}"
    return LossRow(pointer, span, Disposition.MAPPED, _rule(rest), (target,))


def _find(
    pointer: str, plan: Plan, by_index: dict[int, Outcome]
) -> tuple[Outcome | None, str | None]:
    """The entry a leaf belongs to, and its pointer below the resource (None: the envelope)."""
    if not plan.is_bundle:
        return by_index.get(0), pointer
    match = _ENTRY.match(pointer)
    if match is None:
        return None, None
    outcome = by_index.get(int(match[1]))
    return outcome, pointer[match.end() :] if match[2] else None


def _rule(rest: str) -> str:
    if rest == "/id":
        return _ID
    return _REFERENCE if rest.endswith("/reference") else _COPY


def element_of(pointer: str) -> str:
    """``/name/0/family`` -> ``name[0].family``."""
    result = ""
    for step in pointer.split("/")[1:]:
        if step.isdecimal():
            result += f"[{step}]"
        else:
            result += ("." if result else "") + step
    return result


def evidence(rows: LossReport, plan: Plan) -> Iterator[Evidence]:
    """Where each value of the contributed resources stands in the text."""
    by_index = {o.entry.index: o for o in plan.outcomes}
    for row in rows.rows:
        if row.disposition is not Disposition.MAPPED:
            continue
        outcome, rest = _find(row.location, plan, by_index)
        if outcome is not None and outcome.contribution is not None and rest is not None:
            yield Evidence(
                outcome.contribution.id, element_of(rest), row.rule, row.location, (row.span,)
            )
