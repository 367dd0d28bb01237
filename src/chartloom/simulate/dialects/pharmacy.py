"""The pharmacy: RDE, RDS and RAS in 2.5."""

from __future__ import annotations

from typing import Final

from chartloom.simulate.catalog import FORMULARY, Drug
from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Administration, Dispense, Medication
from chartloom.simulate.times import DAY
from chartloom.simulate.writer import Component, Composite, Dialect, Writer

DIALECT: Final = Dialect(application="DISPENSARY", facility="SGH", version="2.5")
WRITER: Final = Writer(DIALECT)

_FREQUENCY: Final = {"Q4H PRN": "Q4H", "Q6H PRN": "Q6H", "Q8H PRN": "Q8H", "DAILY": "QD"}


def render(scene: Scene) -> bytes:
    """RDE^O11, RDS^O13 or RAS^O17."""
    structure = scene.event.trigger.replace("^", "_")
    head = WRITER.header(
        common.message_type(scene.event.trigger, structure), scene.control_id, scene.event.at_us
    )
    body = {"RDE": _order, "RDS": _fill, "RAS": _given}[scene.event.trigger[:3]]
    return WRITER.encode([head, common.pid_short(WRITER, scene), *body(scene)])


def _code(drug: Drug) -> Composite:
    if drug.rxnorm:
        return (drug.key, drug.text, "SGHFORM", drug.rxnorm, drug.text, "RXNORM")
    return (drug.key, drug.text, "SGHFORM")


def _unit(unit: str) -> Composite:
    return (unit, unit, "UCUM") if unit in ("mg", "g", "mL", "[iU]") else unit


def _number(order: str) -> Composite:
    return (order, "DISPENSARY")


def _order(scene: Scene) -> list[str]:
    w, m = WRITER, scene.fact(Medication)
    drug = FORMULARY[m.drug]
    if m.status == "stopped":
        control, status = "DC", "DC"
    else:
        control, status = ("NW", "IP") if len(m.dose_history) == 1 else ("XO", "IP")
    last_us = m.start_us + m.duration_days * DAY if m.duration_days else 0
    repeat: tuple[Component, ...] = (_FREQUENCY.get(m.frequency, m.frequency),)
    return [
        common.pv1_short(w, scene, m.visit),
        w.segment(
            "ORC",
            {1: control, 2: _number(m.order), 5: status, 9: w.timestamp(scene.event.at_us),
             12: common.clinician(scene, m.prescriber)},
        ),
        w.segment(
            "RXE",
            {
                2: _code(drug),
                3: m.dose,
                5: _unit(m.dose_unit),
                6: drug.form,
                7: (None, f"{m.dose} {m.dose_unit} {m.frequency}"),
                10: drug.quantity,
                11: drug.form,
                12: 0 if m.duration_days else 11,
                15: m.order,
            },
        ),
        w.segment(
            "TQ1",
            {
                1: 1,
                3: repeat,
                7: w.timestamp(m.start_us),
                8: w.timestamp(m.end_us if m.status == "stopped" else last_us) or None,
                9: "R",
            },
        ),
        w.segment("RXR", {1: (*drug.route, "HL70162")}),
    ]  # fmt: skip


def _fill(scene: Scene) -> list[str]:
    w, fill = WRITER, scene.fact(Dispense)
    drug = FORMULARY[fill.drug]
    return [
        w.segment(
            "ORC", {1: "RE", 2: _number(fill.order), 3: (fill.number, "DISPENSARY"), 5: "CM"}
        ),
        w.segment("RXR", {1: (*drug.route, "HL70162")}),
        w.segment(
            "RXD",
            {
                1: int(fill.number[-5:]),
                2: _code(drug),
                3: w.timestamp(fill.at_us),
                4: fill.quantity,
                5: fill.unit,
                7: fill.number,
                9: f"Supply for {fill.days_supply} days",
            },
        ),
    ]


def _given(scene: Scene) -> list[str]:
    w, a = WRITER, scene.fact(Administration)
    drug = FORMULARY[a.drug]
    when = w.timestamp(a.at_us)
    return [
        w.segment("ORC", {1: "RE", 2: _number(a.order), 3: (a.number, "DISPENSARY"), 5: "IP"}),
        w.segment(
            "RXA",
            {
                1: 0,
                2: int(a.number[-5:]),
                3: when,
                4: when,
                5: _code(drug),
                6: a.dose if a.status == "CP" else "0",
                7: _unit(a.dose_unit),
                18: ("REF", "Refused", "L") if a.status == "RE" else None,
                20: a.status,
                21: "A",
            },
        ),
        w.segment("RXR", {1: (*drug.route, "HL70162")}),
    ]
