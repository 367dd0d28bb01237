"""What the sources of simulated therapies send: HL7 v2 of the house, FHIR of everybody else."""

from __future__ import annotations

from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from chartloom.domain.codec import encode
from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.simulate.therapies.model import Happening
from chartloom.simulate.times import SITE_ZONE, iso
from chartloom.simulate.writer import Component, Composite, Dialect, Writer

_Json = dict[str, Any]
_W: Final = Writer(Dialect(application="DISPENSARY", facility="SGH", version="2.5"))
_CONTROL: Final = {
    "order": ("NW", "IP"), "change": ("XO", "IP"), "stop": ("DC", "DC"), "hold": ("HD", "HD"),
    "complete": ("XO", "CM"),
}  # fmt: skip
_STATUS: Final = {
    "order": "active", "change": "active", "stop": "stopped", "hold": "on-hold",
    "complete": "completed",
}  # fmt: skip
_FREQUENCY: Final = {1.0: "QD", 2.0: "BID", 3.0: "TID", 4.0: "QID"}

#: The feeds, each of which numbers people on its own.
SOURCES: Final[dict[str, Feed]] = {
    name: Feed(
        name=name, department=name, owner=name, source="http", format=format, mapping=format.value,
        namespace=f"therapies-{name}", zone=SITE_ZONE,
    )
    for name, format in (
        ("house", Format.HL7V2), ("clinic", Format.FHIR), ("retail", Format.FHIR),
        ("portal", Format.FHIR),
    )
}  # fmt: skip


def write(happening: Happening, person: int) -> bytes:
    """The message that the source sends of it."""
    if happening.source == "house":
        return _v2(happening, person)
    resource = {
        "fill": _dispense, "list": _statement, "unlist": _statement,
    }.get(happening.what, _request)(happening)  # fmt: skip
    subject = f"p{person}"
    patient = {
        "resourceType": "Patient",
        "id": subject,
        "identifier": [{"system": f"urn:sim:{happening.source}", "value": f"SIM{person:06d}"}],
    }
    resource["subject"] = {"reference": f"Patient/{subject}"}
    bundle = {
        "resourceType": "Bundle",
        "id": _id(happening.own or happening.number, happening.what, str(happening.at_us)),
        "type": "collection",
        "timestamp": iso(happening.at_us),
        "entry": [
            {"fullUrl": f"https://sim.example.org/{r['resourceType']}/{r['id']}", "resource": r}
            for r in (patient, resource)
        ],
    }
    return encode(bundle)


def _id(*parts: str) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(parts)))


def _stamped(h: Happening, kind: str, number: str) -> _Json:
    return {
        "resourceType": kind,
        "id": _id(kind, number),
        "meta": {"lastUpdated": iso(h.at_us)},
        "identifier": [{"system": f"urn:sim:{h.source}:numbers", "value": number}],
        "medicationCodeableConcept": {"text": h.name},
    }


def _dosage(h: Happening) -> _Json:
    per_day = h.drug.per_day
    every = {"frequency": round(per_day), "period": 1, "periodUnit": "d"}
    if per_day < 1:
        every = {"frequency": 1, "period": round(1 / per_day), "periodUnit": "d"}
    dosage: _Json = {
        "timing": {"repeat": every},
        "doseAndRate": [{"doseQuantity": {"value": float(h.dose or 1), "unit": h.drug.unit}}],
    }
    if h.drug.kind == "prn":
        dosage["asNeededBoolean"] = True
    if h.end_us:
        dosage["timing"]["repeat"]["boundsPeriod"] = {
            "start": iso(h.since_us),
            "end": iso(h.end_us),
        }
    return dosage


def _request(h: Happening) -> _Json:
    return {
        **_stamped(h, "MedicationRequest", h.number),
        "status": _STATUS[h.what],
        "intent": "order",
        "authoredOn": iso(h.since_us),
        "dosageInstruction": [_dosage(h)],
    }


def _statement(h: Happening) -> _Json:
    listed = h.what == "list"
    found = {
        **_stamped(h, "MedicationStatement", h.number),
        "status": "active" if listed else "not-taken",
        "dateAsserted": iso(h.at_us),
        "effectiveDateTime": iso(h.at_us),
    }
    return {**found, "dosage": [_dosage(h)]} if listed else found


def _dispense(h: Happening) -> _Json:
    found = {
        **_stamped(h, "MedicationDispense", h.own),
        "status": "completed",
        "whenHandedOver": iso(h.at_us),
        "quantity": {"value": h.quantity},
    }
    if h.days:
        found["daysSupply"] = {
            "value": h.days,
            "unit": "days",
            "system": "http://unitsofmeasure.org",
            "code": "d",
        }
    return found


def _v2(h: Happening, person: int) -> bytes:
    trigger, structure = ("RAS^O17", "RAS_O17") if h.what == "give" else ("RDE^O11", "RDE_O11")
    code, _, event = trigger.partition("^")
    control = _id(h.number, h.own, h.what, str(h.at_us))[:20]
    head = _W.header((code, event, structure), control, h.at_us)
    number = f"SIM{person:06d}"
    pid = _W.segment("PID", {1: 1, 3: (number, None, None, "SGH", "MR"), 5: ("DOE", "JANE")})
    body = _given(h) if h.what == "give" else _ordered(h)
    return _W.encode([head, pid, *body])


def _ordered(h: Happening) -> list[str]:
    control, status = _CONTROL[h.what]
    named: Composite = (None, h.name)
    every: Component = _FREQUENCY.get(h.drug.per_day, "QW" if h.drug.per_day < 1 else "QD")
    last_us = h.at_us if h.what == "stop" else h.end_us
    asked: list[Composite] = [(every,), ("PRN",)] if h.drug.kind == "prn" else [(every,)]
    return [
        _W.segment("ORC", {1: control, 2: (h.number, "DISPENSARY"), 5: status,
                           9: _W.timestamp(h.at_us)}),
        _W.segment("RXE", {2: named, 3: h.dose, 5: h.drug.unit, 12: 11}),
        _W.segment("TQ1", {1: 1, 3: list(asked), 7: _W.timestamp(h.since_us),
                           8: _W.timestamp(last_us) if last_us else None}),
        _W.segment("RXR", {1: (h.drug.route, None, "HL70162")}),
    ]  # fmt: skip


def _given(h: Happening) -> list[str]:
    when = _W.timestamp(h.at_us)
    return [
        _W.segment("ORC", {1: "RE", 2: (h.number, "DISPENSARY"), 3: (h.own, "DISPENSARY"),
                           5: "IP"}),
        _W.segment("RXA", {1: 0, 2: 1, 3: when, 4: when, 5: (None, h.name), 6: h.dose,
                           7: h.drug.unit, 20: "CP", 21: "A"}),
        _W.segment("RXR", {1: (h.drug.route, None, "HL70162")}),
    ]  # fmt: skip
