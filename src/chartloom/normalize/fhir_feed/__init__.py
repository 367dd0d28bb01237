"""The mapping ``fhir``: resources and Bundles that come in as FHIR R4 JSON."""

from __future__ import annotations

from chartloom.normalize.fhir_feed.mapping import FhirMapping, load_fhir_mapping
from chartloom.normalize.fhir_feed.plan import SOURCE_ID
from chartloom.normalize.fhir_feed.whose import Whose, whose

__all__ = ["SOURCE_ID", "FhirMapping", "Whose", "load_fhir_mapping", "whose"]
