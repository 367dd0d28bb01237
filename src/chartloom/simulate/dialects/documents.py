"""Transcription: MDM in 2.5 with the text; ISO 8859-1 where the name allows it, else UTF-8."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Document
from chartloom.simulate.writer import Dialect, Writer

DIALECT: Final = Dialect(
    application="SCRIBE", facility="SGH", version="2.5", charset="iso-8859-1", declared="8859/1"
)
WRITER: Final = Writer(DIALECT)
_UNICODE: Final = Writer(replace(DIALECT, charset="utf-8", declared="UNICODE UTF-8"))

#: status -> TXA-17, TXA-19
_STATUS: Final = {
    "preliminary": ("IP", "UC"), "final": ("AU", "AV"), "superseded": ("AU", "OB"),
}  # fmt: skip


def render(scene: Scene) -> bytes:
    """MDM^T02, T08 (edited), T10 (replacement; the parent document is named)."""
    note = scene.fact(Document)
    d = scene.patient.demographics
    author = scene.patient.staff[note.author]
    everything = "".join((note.text, d.family, d.given, d.second, author.family, author.given))
    w = WRITER if all(ord(c) < 256 for c in everything) else _UNICODE
    event = scene.event.trigger[4:]
    completion, availability = _STATUS[note.status]
    segments = [
        w.header(("MDM", event, "MDM_T02"), scene.control_id, scene.event.at_us),
        w.segment("EVN", {1: event, 2: w.timestamp(scene.event.at_us)}),
        common.pid_short(w, scene),
        common.pv1_short(w, scene, note.visit),
        w.segment(
            "TXA",
            {
                1: 1,
                2: (note.type, note.title, "LN"),
                3: "TX",
                4: w.timestamp(note.at_us),
                5: common.clinician(scene, note.author),
                6: w.timestamp(note.at_us),
                9: common.clinician(scene, note.author),
                12: (note.number, "SCRIBE"),
                13: (note.replaces, "SCRIBE") if note.replaces else None,
                17: completion,
                19: availability,
            },
        ),
    ]
    segments += [
        w.segment("OBX", {1: i, 2: "TX", 3: (note.type, note.title, "LN"), 5: line, 11: "F"})
        for i, line in enumerate(note.text.split("\n"), 1)
    ]
    return w.encode(segments)
