"""Consents, diets, software, licences of providers and moved visits: what rows cannot say."""

from __future__ import annotations

from typing import Any

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg, Prim, Sink
from chartloom.normalize.functions.identifiers import cx_identifier
from chartloom.normalize.functions.patient import prior_patient
from chartloom.normalize.functions.times import dtm_datetime, instant_of_us
from chartloom.normalize.registry import (
    REGISTRY,
    SegmentFunction,
    datatype,
    finisher,
    segment_function,
)

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_LICENCE_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0338"


_OTHER_PARTS = {str(n): "the prior record keeps its own identifiers" for n in (2, 3, *range(5, 11))}


def _unknown() -> FhirJson:
    return {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}


@finisher("consent")
def finish_consent(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """CON does not say what a consent is about in FHIR's terms: scope and policy are unknown."""
    out["scope"] = _unknown()
    out["policyRule"] = _unknown()
    weak += ["scope", "policyRule"]
    if "category" not in out:
        out["category"] = [_unknown()]
        weak.append("category")


@finisher("diet")
def finish_diet(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """A diet order needs a time: that of the message, if ORC-9 gives none."""
    if "dateTime" not in out and "_dateTime" not in out:
        out["dateTime"] = instant_of_us(m.event_us)
        weak.append("dateTime")


@finisher("agents")
def finish_agents(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """An agent must be somebody: software without a name (SFT-3) is called so."""
    for agent in out.get("agent", ()):
        if "who" not in agent:
            agent["who"] = {"display": "software without a name"}


@datatype(
    "PLN.Identifier",
    {"1": "value", "2": "type", "3": "assigner.display", "4": "period.end"},
    memo=True,
)
def pln_identifier(x: str, s: Sink) -> FhirJson | None:
    """PLN (licence or other number of a practitioner) -> Identifier."""
    value, kind, state, expiry = ([s.leaf(p) for p in x.split(s.env.comp)] + [""] * 4)[:4]
    if not value:
        return None
    out: FhirJson = {"value": value}
    if kind:
        code = "-".join(kind.split())
        out["type"] = {"coding": [{"system": _LICENCE_TYPES, "code": code}]}
    if state:
        out["assigner"] = {"display": state}
    end = dtm_datetime(expiry, s) if expiry else None
    if isinstance(end, Prim):
        out["period"] = {"_end": {"extension": [end.extension]}}
    elif end:
        out["period"] = {"end": end}
    return out


def moved_visit(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """MRG-5 of a moved or renumbered visit (A42, A45, A50): the number that it had.

    The visit as it was known before is withdrawn (``MRG.Encounter-before``). What refers to it,
    such as results, stays with the prior record: no message names all that moved.
    So an Issue tells it.
    """
    identifier: Any = cx_identifier(f[5].split(m.env.rep, 1)[0], m, "VN")
    if m.bad:
        m.flush(seg, 5)
    if not identifier:
        return
    prior = prior_patient(seg, m)
    known = {i.get("value") for i in out.get("identifier", ())}
    if identifier["value"] not in known:
        out.setdefault("identifier", []).append({**identifier, "use": "old"})
    elif not prior or prior == instance.patient:
        return
    m.issue("visit-moved", seg, 5)


@segment_function("MRG.record", {"1": "reference", "4.1": "reference"}, _OTHER_PARTS)
def prior_record(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """MRG-1 of a moved visit: whose visit it was."""
    out["subject"] = {"reference": f"Patient/{instance.patient}"}


REGISTRY.segment_functions["MRG.visit"] = SegmentFunction(
    "MRG.visit", moved_visit, REGISTRY.datatypes["CX.Identifier"].parts
)
