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
    """deceased[x] is one element; nobody is born after the event."""
    if "deceasedDateTime" in out:
        indicator = out.pop("deceasedBoolean", None)
        if indicator is False:
            m.issue("death-contradiction", seg, 30)
    if "multipleBirthInteger" in out:
        out.pop("multipleBirthBoolean", None)
    born = out.get("birthDate")
    if born:
        us = to_us(born)
        if us is not None and us > m.event_us + _DAY_US:
            m.issue("birth-after-event", seg, 7)


@segment_function("MRG.link")
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
