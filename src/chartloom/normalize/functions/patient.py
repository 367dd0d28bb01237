"""Patient: contradictions about birth and death."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.times import to_us
from chartloom.normalize.registry import finisher

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
