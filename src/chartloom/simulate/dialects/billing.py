"""Billing: DFT in 2.3, several FT1 per message, reversals with a negative amount."""

from __future__ import annotations

from typing import Final

from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Charge
from chartloom.simulate.writer import Dialect, Writer

DIALECT: Final = Dialect(application="LEDGER", facility="SGH", version="2.3", offset=False)
WRITER: Final = Writer(DIALECT)


def render(scene: Scene) -> bytes:
    """DFT^P03."""
    w, charges = WRITER, scene.facts(Charge)
    segments = [
        w.header(("DFT", "P03"), scene.control_id, scene.event.at_us),
        w.segment("EVN", {1: "P03", 2: w.timestamp(scene.event.at_us)}),
        common.pid_short(w, scene),
        common.pv1_short(w, scene, charges[0].visit),
    ]
    segments += [
        w.segment(
            "FT1",
            {
                1: i,
                2: c.number,
                4: w.timestamp(c.at_us),
                5: w.timestamp(scene.event.at_us),
                6: c.kind,
                7: (c.code, c.text, "C4"),
                10: 1 if c.kind == "CG" else -1,
                11: ((c.amount, "USD"),),
                16: common.place("BILLING", "", ""),
                25: (c.code, c.text, "C4"),
            },
        )
        for i, c in enumerate(charges, 1)
    ]
    return w.encode(segments)
