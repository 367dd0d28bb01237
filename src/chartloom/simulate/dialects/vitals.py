"""The wards' monitors: ORU in 2.6, LOINC only, UCUM, one message per set of vital signs."""

from __future__ import annotations

from typing import Final

from chartloom.simulate.catalog import VITALS
from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Result
from chartloom.simulate.writer import Dialect, Writer

DIALECT: Final = Dialect(application="BEDSIDE GW", facility="SGH", version="2.6")
WRITER: Final = Writer(DIALECT)


def render(scene: Scene) -> bytes:
    """ORU^R01."""
    w, results = WRITER, scene.facts(Result)
    first = results[0]
    when = w.timestamp(first.observed_us)
    segments = [
        w.header(("ORU", "R01", "ORU_R01"), scene.control_id, scene.event.at_us),
        common.pid_short(w, scene),
        common.pv1_short(w, scene, first.visit),
        w.segment(
            "OBR",
            {
                1: 1,
                3: (first.filler, "BEDSIDE"),
                4: ("85353-1", "Vital signs panel", "LN"),
                7: when,
                22: w.timestamp(first.reported_us),
                25: "F",
            },
        ),
    ]
    for i, r in enumerate(results, 1):
        test = VITALS[r.test]
        segments.append(
            w.segment(
                "OBX",
                {
                    1: i,
                    2: "NM",
                    3: (test.loinc, test.text, "LN"),
                    5: r.value,
                    6: (r.unit, None, "UCUM"),
                    7: r.reference or None,
                    8: r.flag or None,
                    11: r.status,
                    14: when,
                },
            )
        )
    return w.encode(segments)
