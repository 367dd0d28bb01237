"""The laboratory: another vendor, 2.3.1, ISO 8859-1 without saying so, local times, own codes.

It writes the record number into PID-2 as well, names in capitals, local codes first and LOINC as
the alternate, units in its own spelling, and for cultures an SPM segment that its version of the
standard does not have.
"""

from __future__ import annotations

from typing import Final

from chartloom.simulate.catalog import CULTURE, PANELS, SUSCEPTIBILITY, TESTS
from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Result
from chartloom.simulate.house import LAB_NAME
from chartloom.simulate.writer import Dialect, Value, Writer, fold

DIALECT: Final = Dialect(
    application="MERIDIAN LIS",
    facility="MLAB",
    version="2.3.1",
    charset="iso-8859-1",
    offset=False,
    padded={"OBR": 27, "OBX": 17},
)
WRITER: Final = Writer(DIALECT)

_LOINC: Final = {local: (loinc, text) for local, text, loinc in SUSCEPTIBILITY} | {
    t.local: (t.loinc, t.text) for t in (*TESTS.values(), CULTURE)
}


def render(scene: Scene) -> bytes:
    """ORU^R01 for one report."""
    w, results = WRITER, scene.facts(Result)
    first = results[0]
    head = w.header(("ORU", "R01"), scene.control_id, scene.event.at_us)
    segments = [head, _pid(scene), common.pv1_short(w, scene, first.visit), _obr(scene, results)]
    for i, result in enumerate(results, 1):
        segments.append(_obx(i, result))
        if result.note:
            segments += [
                w.segment("NTE", {1: n, 2: "L", 3: line})
                for n, line in enumerate(result.note.split("\n"), 1)
            ]
    if first.test == CULTURE.local:
        segments.append(_spm(first))
    return w.encode(segments)


def _pid(scene: Scene) -> str:
    d = scene.patient.demographics
    number = scene.patient.person.index
    return WRITER.segment(
        "PID",
        {
            1: 1,
            2: scene.mrn,
            3: [
                (scene.mrn, None, None, common.HOUSE, "MR"),
                (f"M{number:08d}", None, None, "MERIDIAN", "PI"),
            ],
            5: (fold(d.family).upper() if number % 2 else d.family.upper(), d.given.upper()),
            7: d.birth_date,
            8: d.sex,
        },
    )


def _obr(scene: Scene, results: list[Result]) -> str:
    w, first = WRITER, results[0]
    panel = PANELS[first.panel]
    states = {r.status for r in results}
    status = next(s for s in ("C", "W", "P", "F") if s in states)
    return w.segment(
        "OBR",
        {
            1: 1,
            2: first.placer or None,
            3: first.filler,
            4: (panel.local, panel.text, "L", panel.loinc, panel.text, "LN"),
            7: w.minute(first.observed_us),
            14: w.minute(first.observed_us + 300_000_000),
            15: panel.specimen,
            16: common.clinician_old(scene, scene.patient.person.index % len(scene.patient.staff)),
            22: w.timestamp(first.reported_us),
            24: "MB" if first.test == CULTURE.local else "LAB",
            25: "F" if status == "W" else status,
        },
    )


def _obx(index: int, result: Result) -> str:
    w = WRITER
    loinc, text = _LOINC[result.test]
    numeric = result.test in TESTS
    kind, value = "NM" if numeric else "ST", result.value
    written: Value = value
    if result.test == CULTURE.local and not value.startswith("No growth"):
        kind, written = "CE", (value[:4].upper(), value, "L")
    return w.segment(
        "OBX",
        {
            1: index,
            2: kind,
            3: (result.test, text, "L", loinc, text, "LN"),
            4: result.sub_id or None,
            5: written,
            6: result.unit or None,
            7: result.reference or None,
            8: result.flag or None,
            11: result.status,
            14: w.minute(result.observed_us),
            15: ("MLAB", LAB_NAME),
            16: ("TECH7", "Bench", "Seven"),
        },
    )


def _spm(result: Result) -> str:
    w = WRITER
    return w.segment(
        "SPM",
        {1: 1, 2: (None, (result.filler, "MERIDIAN")), 4: ("BLD", "Whole blood", "HL70487"),
         17: w.minute(result.observed_us)},
    )  # fmt: skip
