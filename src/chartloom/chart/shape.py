"""From a placed resource to what a chart shows of it: one table, resource type -> shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from chartloom.chart import shape_admin, shape_clinical
from chartloom.chart.elements import business_ids, drop_empty
from chartloom.domain.chart import PlacedState
from chartloom.domain.resource import ResourceState

_Json = dict[str, Any]
_Shape = Callable[[_Json], _Json]

#: One entry per resource.
ENTRIES: Final[dict[str, _Shape]] = {
    "Patient": shape_admin.patient,
    "RelatedPerson": shape_admin.related_person,
    "Encounter": shape_admin.encounter,
    "Condition": shape_clinical.condition,
    "AllergyIntolerance": shape_clinical.allergy,
    "MedicationRequest": shape_clinical.medication_order,
    "MedicationStatement": shape_clinical.medication_order,
    "Immunization": shape_clinical.immunization,
    "DocumentReference": shape_admin.document,
    "Appointment": shape_admin.appointment,
    "ServiceRequest": shape_clinical.service_request,
    "DiagnosticReport": shape_clinical.report,
    "Coverage": shape_admin.coverage,
    "Account": shape_admin.account,
    "ChargeItem": shape_admin.charge_item,
}

#: Resources that are points of a series: (point, what the series has in common).
POINTS: Final[dict[str, tuple[_Shape, _Shape]]] = {
    "Observation": (shape_clinical.observation, shape_clinical.observation_series),
    "MedicationDispense": (shape_clinical.medication_event, shape_clinical.medication_series),
    "MedicationAdministration": (
        shape_clinical.medication_event,
        shape_clinical.medication_series,
    ),
}


def entry_of(placed: PlacedState) -> _Json:
    """The entry of a resource that stands for itself."""
    resource = placed.state.resource
    entry = drop_empty(ENTRIES[resource["resourceType"]](resource))
    if resource["resourceType"] == "Encounter":
        entry.update(shape_admin.whereabouts(placed.state))
    if keys := business_ids(resource):
        entry["keys"] = keys
    state = placed.state
    return {
        "id": state.id,
        "type": state.type,
        "sort_us": placed.sort_us,
        "said_us": said_us(state),
        **entry,
    }


def point_of(placed: PlacedState) -> tuple[_Json, _Json]:
    """(point, common part) of a resource that belongs to a series."""
    resource = placed.state.resource
    point, common = POINTS[resource["resourceType"]]
    shared = {"type": resource["resourceType"], "series": placed.series}
    shown = {
        "id": placed.state.id,
        "sort_us": placed.sort_us,
        "said_us": said_us(placed.state),
        **drop_empty(point(resource)),
    }
    return shown, shared | drop_empty(common(resource))


def said_us(state: ResourceState) -> int:
    """When a source last said something that holds in ``state``."""
    return max((s.event_us for s in state.stamps.values()), default=0)
