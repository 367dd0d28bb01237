"""FHIR R4 JSON: strict reading with every digit kept, byte spans of values, and validation."""

from __future__ import annotations

from chartloom.formats.fhir.invariants import moment, references
from chartloom.formats.fhir.json_text import decode_json, locate, pointers, scan
from chartloom.formats.fhir.kept import KEPT, forget, keep
from chartloom.formats.fhir.leaves import is_primitive
from chartloom.formats.fhir.validation import is_resource_type, validate

__all__ = [
    "KEPT",
    "decode_json",
    "forget",
    "is_primitive",
    "is_resource_type",
    "keep",
    "locate",
    "moment",
    "pointers",
    "references",
    "scan",
    "validate",
]
