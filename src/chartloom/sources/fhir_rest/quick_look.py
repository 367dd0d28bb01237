"""What can be known of a FHIR body before it is landed."""

from __future__ import annotations

from typing import NamedTuple

from chartloom.formats.fhir import decode_json, is_resource_type


class FhirLook(NamedTuple):
    """The resource type, "" if the body is not a FHIR JSON resource."""

    resource_type: str = ""


def quick_look(body: bytes) -> FhirLook:
    """Reads the JSON once; never raises."""
    value, _ = decode_json(body)
    kind = value.get("resourceType") if isinstance(value, dict) else None
    return FhirLook(kind if isinstance(kind, str) and is_resource_type(kind) else "")
