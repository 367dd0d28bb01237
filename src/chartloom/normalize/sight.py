"""Which segments speak about a resource."""

from __future__ import annotations

from collections.abc import Sequence

from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance
from chartloom.normalize.engine import Builder


def notes_of(instance: Instance) -> list[Segment] | None:
    """NTE comments on what stands right before it: on a result its own, not on all of a patient's.

    Groups within an order or a specimen that are no observations share the order's notes.
    """
    at: Instance | None = instance
    while at is not None and (found := at.held.get("NTE")) is None:
        if "OBX" in at.held or "PID" in at.held:
            return None
        at = at.parent
        if at is None or "PID" in at.held:
            return None
    return found


def in_sight(builder: Builder, instance: Instance, name: str) -> Sequence[Segment]:
    """The segments of that name that speak about a resource of this instance.

    They are the resource's own, so that they were looked at is not noted.
    """
    if name == "NTE":
        return notes_of(instance) or ()
    if name in builder.definition.own:
        return instance.held.get(name, ())
    return instance.sight.get(name, ())
