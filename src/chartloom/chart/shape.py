"""From a placed resource to what a chart shows of it: one table, resource type -> shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chartloom.chart import (
    shape_admin,
    shape_clinical,
    shape_decision,
    shape_medication,
    shape_stay,
)
from chartloom.chart.elements import business_ids, drop_empty
from chartloom.chart.since import since
from chartloom.domain.chart import PlacedState
from chartloom.domain.resource import ResourceState

_Json = dict[str, Any]
_Shape = Callable[[_Json], _Json]

#: One entry per resource.
ENTRIES: Final[dict[str, _Shape]] = {
    "Patient": shape_admin.patient,
    "RelatedPerson": shape_admin.related_person,
    "Encounter": shape_stay.encounter,
    "Condition": shape_clinical.condition,
    "AllergyIntolerance": shape_clinical.allergy,
    "MedicationRequest": shape_medication.medication_order,
    "MedicationStatement": shape_medication.medication_order,
    "Immunization": shape_clinical.immunization,
    "DocumentReference": shape_admin.document,
    "Composition": shape_admin.composition,
    "Appointment": shape_admin.appointment,
    "ServiceRequest": shape_clinical.service_request,
    "DiagnosticReport": shape_clinical.report,
    "Coverage": shape_admin.coverage,
    "Account": shape_admin.account,
    "List": shape_decision.decision,
    "ChargeItem": shape_admin.charge_item,
}

#: Resources that are points of a series: (point, what the series has in common). Both are written
#: without empty values.
POINTS: Final[dict[str, tuple[_Shape, _Shape]]] = {
    "Observation": (shape_clinical.observation, shape_clinical.observation_series),
    "MedicationDispense": (shape_medication.medication_event, shape_medication.medication_series),
    "MedicationAdministration": (
        shape_medication.medication_event,
        shape_medication.medication_series,
    ),
}


def entry_of(placed: PlacedState) -> _Json:
    """The entry of a resource that stands for itself."""
    state = placed.state
    resource = state.resource
    kind = resource["resourceType"]
    entry: _Json = {
        "id": resource["id"],
        "type": kind,
        "sort_us": placed.sort_us,
        "said_us": said_us(state),
        **drop_empty(ENTRIES[kind](resource)),
    }
    if kind == "Encounter":
        entry.update(shape_stay.whereabouts(state))
        entry.update(shape_stay.people(state))
    if "identifier" in resource and (keys := business_ids(resource)):
        entry["keys"] = keys
    if state.held and (held := since(state)):
        entry["since_us"] = held
    return entry


def point_of(placed: PlacedState) -> tuple[_Json, _Json]:
    """(point, common part) of a resource that belongs to a series."""
    resource = placed.state.resource
    point, common = POINTS[resource["resourceType"]]
    shown = {
        "id": resource["id"],
        "sort_us": placed.sort_us,
        "said_us": said_us(placed.state),
        **point(resource),
    }
    shared = {"type": resource["resourceType"], "series": placed.series, **common(resource)}
    return shown, shared


def said_us(state: ResourceState) -> int:
    """When a source last said something that holds in ``state``."""
    return max([stamp.event_us for stamp in state.stamps.values()], default=0)
