"""Order entry: ORM in 2.5, and OML for cultures."""

from __future__ import annotations

from typing import Final

from chartloom.simulate.catalog import PANELS
from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Order
from chartloom.simulate.writer import Dialect, Writer

DIALECT: Final = Dialect(application="SALTORDERS", facility="SGH", version="2.5")
WRITER: Final = Writer(DIALECT)

_CONTROL: Final = {"active": ("NW", "IP"), "completed": ("SC", "CM"), "cancelled": ("CA", "CA")}


def render(scene: Scene) -> bytes:
    """ORM^O01 or OML^O21."""
    w, order = WRITER, scene.fact(Order)
    panel = PANELS[order.panel]
    control, status = _CONTROL[order.status]
    structure = "OML_O21" if scene.event.trigger.startswith("OML") else "ORM_O01"
    who = common.clinician(scene, order.orderer)
    segments = [
        w.header(
            common.message_type(scene.event.trigger, structure),
            scene.control_id,
            scene.event.at_us,
        ),
        common.pid_short(w, scene),
        common.pv1_short(w, scene, order.visit),
        w.segment(
            "ORC",
            {1: control, 2: (order.placer, "SALTORDERS"), 5: status,
             9: w.timestamp(scene.event.at_us), 12: who},
        ),
    ]  # fmt: skip
    if structure == "OML_O21":
        when, how = w.timestamp(order.at_us), (order.priority, None, "HL70485")
        segments.append(w.segment("TQ1", {1: 1, 7: when, 9: how}))
    segments.append(
        w.segment(
            "OBR",
            {
                1: 1,
                2: (order.placer, "SALTORDERS"),
                4: (panel.local, panel.text, "L", panel.loinc, panel.text, "LN"),
                5: order.priority if structure == "ORM_O01" else None,
                6: w.timestamp(order.at_us),
                16: who,
                27: (None, None, None, w.timestamp(order.at_us), None, order.priority),
            },
        )
    )
    return w.encode(segments)
