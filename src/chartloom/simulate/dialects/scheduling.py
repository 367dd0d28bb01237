"""Scheduling: SIU in 2.3 with unusual encoding characters (``MSH|$%~*``)."""

from __future__ import annotations

from typing import Final

from chartloom.simulate.catalog import DIAGNOSES
from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Appointment
from chartloom.simulate.times import MINUTE
from chartloom.simulate.writer import Dialect, Writer

DIALECT: Final = Dialect(
    application="CALENDAR",
    facility="SGH",
    version="2.3",
    component="$",
    repetition="%",
    escape_char="~",
    subcomponent="*",
)
WRITER: Final = Writer(DIALECT)

_STATUS: Final = {
    "booked": "Booked", "cancelled": "Cancelled", "noshow": "Noshow", "fulfilled": "Complete"
}  # fmt: skip


def render(scene: Scene) -> bytes:
    """SIU^S12, S13, S14, S15 or S26."""
    w, a = WRITER, scene.fact(Appointment)
    start, end = w.timestamp(a.start_us), w.timestamp(a.end_us)
    minutes = (a.end_us - a.start_us) // MINUTE
    code, text = DIAGNOSES[a.reason]
    segments = [
        w.header(common.message_type(scene.event.trigger), scene.control_id, scene.event.at_us),
        w.segment(
            "SCH",
            {
                1: (a.number, "CALENDAR"),
                2: (a.number, "CALENDAR"),
                6: (None, a.cancel_reason) if a.cancel_reason else ("ROUTINE", "Routine"),
                7: (code, text, "I10"),
                8: "Normal",
                9: minutes,
                10: ("min", "minutes"),
                11: (None, None, str(minutes), start, end),
                16: common.clinician_old(scene, a.clinician),
                25: _STATUS[a.status],
            },
        ),
        common.pid_short(w, scene),
        w.segment("RGS", {1: 1, 2: "A"}),
        w.segment("AIS", {1: 1, 2: "A", 3: (a.clinic, "Visit", "L"), 4: start, 7: minutes,
                          8: "min"}),
        w.segment("AIL", {1: 1, 2: "A", 3: common.place(a.clinic, "", "")}),
        w.segment("AIP", {1: 1, 2: "A", 3: common.clinician_old(scene, a.clinician)}),
    ]  # fmt: skip
    return w.encode(segments)
