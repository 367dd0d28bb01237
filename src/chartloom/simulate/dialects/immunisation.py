"""The immunisation module: VXU in 2.5.1, also with history, refusals and deletions."""

from __future__ import annotations

from typing import Final

from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Immunization
from chartloom.simulate.writer import Dialect, Writer

DIALECT: Final = Dialect(
    application="SALTVAX", facility="SGH", version="2.5.1", declared="UNICODE UTF-8"
)
WRITER: Final = Writer(DIALECT)

_SITES: Final = {
    "LA": "Left arm", "RA": "Right arm", "LT": "Left thigh", "RT": "Right thigh"
}  # fmt: skip


def render(scene: Scene) -> bytes:
    """VXU^V04 with one order group per dose."""
    w = WRITER
    segments = [
        w.header(("VXU", "V04", "VXU_V04"), scene.control_id, scene.event.at_us),
        common.pid(w, scene),
    ]
    for dose in scene.facts(Immunization):
        segments += _dose(scene, dose)
    return w.encode(segments)


def _dose(scene: Scene, dose: Immunization) -> list[str]:
    w = WRITER
    refused = bool(dose.refusal)
    source = ("01", "Historical record", "NIP001") if dose.historical else (
        "00", "New record", "NIP001"
    )  # fmt: skip
    segments = [
        w.segment("ORC", {1: "RE", 3: (dose.number, "SALTVAX")}),
        w.segment(
            "RXA",
            {
                1: 0,
                2: 1,
                3: dose.occurrence,
                4: dose.occurrence,
                5: (dose.cvx, dose.text, "CVX"),
                6: "999" if dose.historical or refused else "0.5",
                7: None if dose.historical or refused else ("mL", None, "UCUM"),
                9: source,
                15: dose.lot or None,
                17: (dose.manufacturer, None, "MVX") if dose.manufacturer and not refused else None,
                18: ("00", dose.refusal, "NIP002") if refused else None,
                20: "RE" if refused else "CP",
                21: "D" if dose.status == "entered-in-error" else "A",
            },
        ),
    ]
    if dose.site:
        where = (dose.site, _SITES[dose.site], "HL70163")
        segments.append(w.segment("RXR", {1: ("IM", "Intramuscular", "HL70162"), 2: where}))
    return segments
