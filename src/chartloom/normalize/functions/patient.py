"""Patient: contradictions about birth and death."""

from __future__ import annotations

from chartloom.domain.ids import source_patient_id
from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment, pick_patient
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.times import to_us
from chartloom.normalize.registry import finisher, segment_function

_DAY_US = 86_400_000_000


@finisher("patient")
def finish_patient(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """The dead are not said to live; nobody is born after the event."""
    dead_since = "deceasedDateTime" in out and seg is not None and seg.name == "PID"
    if dead_since and seg is not None and seg.value(30).strip().upper() == "N":
        m.issue("death-contradiction", seg, 30)
    born = out.get("birthDate")
    if born:
        us = to_us(born)
        if us is not None and m.is_after(us - _DAY_US):
            m.issue("birth-after-event", seg, 7)


@segment_function(
    "MRG.link",
    {"1": "other", "4.1": "other"},
    {str(n): "the merged record keeps its own identifiers" for n in range(2, 11)},
)
def merged_link(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """MRG-1 (else MRG-4) -> Patient.link: this record replaces the merged one."""
    prior = prior_patient(seg, m)
    if prior and prior != out["id"]:
        link = {"other": {"reference": f"Patient/{prior}"}, "type": "replaces"}
        out.setdefault("link", []).append(link)


def prior_patient(seg: Segment, m: Msg) -> str:
    """The source patient id of the merged record; ``""`` if MRG names none."""
    authority, identifier = pick_patient(seg, 1, 4)
    if not identifier:
        return ""
    env = m.env
    return source_patient_id(env.namespace, env.scope, authority, identifier)
