"""Segments that several systems of the house write alike."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from chartloom.simulate.catalog import DIAGNOSES
from chartloom.simulate.facts import Encounter, Fact
from chartloom.simulate.house import AUTHORITY, AUTHORITY_OID, FACILITY
from chartloom.simulate.patient import Event, Patient
from chartloom.simulate.writer import NULL, Component, Composite, Fields, Value, Writer

_F = TypeVar("_F")
HOUSE: Component = (AUTHORITY, AUTHORITY_OID, "ISO")


class Scene(msgspec.Struct, frozen=True):
    """What a message is written from."""

    patient: Patient
    event: Event
    control_id: str

    @property
    def mrn(self) -> str:
        """The record number in use."""
        return self.event.mrn or self.patient.person.mrn

    def fact(self, kind: type[_F]) -> _F:
        """The first fact of a kind."""
        return next(f for f in self.event.facts if isinstance(f, kind))

    def facts(self, kind: type[_F]) -> list[_F]:
        """All facts of a kind."""
        return [f for f in self.event.facts if isinstance(f, kind)]

    def has(self, kind: type[Fact]) -> bool:
        """Whether there is a fact of a kind."""
        return any(isinstance(f, kind) for f in self.event.facts)


def message_type(trigger: str, structure: str = "") -> Composite:
    """MSH-9 from ``ADT^A01``."""
    code, _, event = trigger.partition("^")
    return (code, event, structure or None)


def clinician(scene: Scene, index: int) -> Composite:
    """XCN with the house's number."""
    c = scene.patient.staff[index]
    return (
        c.number, c.family, c.given, None, None, c.prefix, c.degree, None, AUTHORITY, "L",
        None, None, "EI",
    )  # fmt: skip


def clinician_old(scene: Scene, index: int) -> Composite:
    """XCN as systems before 2.5 write it."""
    c = scene.patient.staff[index]
    return (c.number, c.family, c.given, None, None, c.prefix)


def name(scene: Scene) -> Composite:
    """XPN, legal."""
    d = scene.patient.demographics
    return (d.family, d.given, d.second, None, None, None, "L")


def address(scene: Scene) -> Composite:
    """XAD, home."""
    d = scene.patient.demographics
    return (d.street, None, d.city, d.state, d.postal_code, "USA", "H")


def pid(w: Writer, scene: Scene, *, account: str = "") -> str:
    """The house's PID with everything that registration knows."""
    d = scene.patient.demographics
    names: list[Composite] = [name(scene)]
    if d.maiden_name:
        names.append((d.maiden_name, d.given, None, None, None, None, "M"))
    identifiers: list[Composite] = [(scene.mrn, None, None, HOUSE, "MR", FACILITY)]
    if account:
        identifiers.append((f"A{account[1:]}", None, None, HOUSE, "AN", FACILITY))
    fields: dict[int, Value] = {
        1: 1,
        3: identifiers,
        5: names,
        7: d.birth_date,
        8: d.sex,
        11: address(scene),
        13: telecom(scene),
        15: (d.language, None, "ISO6392"),
        16: (d.marital, None, "HL70002"),
        18: (account, None, None, HOUSE, "VN") if account else None,
    }
    if scene.patient.mother is not None:
        fields[21] = [(scene.patient.mother.mrn, None, None, HOUSE, "MR", FACILITY)]
        fields[24], fields[25] = "N", None
    if d.deceased_us and d.deceased_us <= scene.event.at_us:
        fields[29], fields[30] = w.timestamp(d.deceased_us), "Y"
    return w.segment("PID", fields)


def telecom(scene: Scene) -> Value:
    """Telephones, then e-mail; explicitly empty once the telephones were given up."""
    d = scene.patient.demographics
    items: list[Composite] = [
        (p, "PRN" if i == 0 else "ORN", "PH" if i == 0 else "CP") for i, p in enumerate(d.phones)
    ]
    if d.email:
        items.append((None, "NET", "Internet", d.email))
    return items or NULL


def pid_short(w: Writer, scene: Scene) -> str:
    """The PID of departmental systems: who it is, nothing more."""
    d = scene.patient.demographics
    return w.segment(
        "PID",
        {
            1: 1,
            3: (scene.mrn, None, None, HOUSE, "MR", FACILITY),
            5: name(scene),
            7: d.birth_date,
            8: d.sex,
        },
    )


def pv1(w: Writer, scene: Scene, encounter: Encounter, extra: Fields | None = None) -> str:
    """PV1 with class, place, attending, visit number and times."""
    fields: dict[int, Value] = {
        1: 1,
        2: encounter.patient_class,
        7: clinician(scene, encounter.attending),
        10: encounter.service,
        16: "VIP" if "VIP" in scene.patient.person.sensitive else None,
        19: visit_number(encounter.visit),
        36: encounter.disposition or None,
        44: w.timestamp(encounter.start_us) or None,
        45: w.timestamp(encounter.end_us) or None,
    }
    if encounter.stays:
        fields[3] = place(encounter.stays[-1].unit, encounter.stays[-1].room,
                          encounter.stays[-1].bed)  # fmt: skip
    fields.update(extra or {})
    return w.segment("PV1", fields)


def pv1_short(w: Writer, scene: Scene, visit: str) -> str:
    """PV1 as departmental systems copy it: class, place, number; class U without a visit."""
    known = scene.patient.visits.get(visit)
    fields: dict[int, Value] = {1: 1, 2: "U", 19: visit_number(visit)}
    if known is not None:
        last = known.stays[-1]
        fields[2], fields[3] = known.patient_class, place(last.unit, last.room, last.bed)
    return w.segment("PV1", fields)


def visit_number(visit: str) -> Composite:
    """CX of a visit; None for no visit."""
    return (visit, None, None, HOUSE, "VN") if visit else None


def place(unit: str, room: str, bed: str) -> Composite:
    """PL."""
    return (unit, room, bed, FACILITY)


def icd(code: str, text: str) -> Composite:
    """CE with ICD-10-CM."""
    return (code, text, "I10")


def diagnosis_name(name: str) -> Composite:
    """CE for a name that the stories use."""
    return icd(*DIAGNOSES[name])
