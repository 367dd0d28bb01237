"""What can be known of a FHIR body before it is landed."""

from __future__ import annotations

import hashlib
from typing import NamedTuple
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.message import Arrival
from chartloom.formats.fhir import decode_json, is_resource_type
from chartloom.normalize.fhir_feed import Whose, whose


class FhirLook(NamedTuple):
    """resource_type: "" if the body is not a FHIR JSON resource. whose: whom it is about."""

    sha256: bytes
    resource_type: str = ""
    whose: Whose = Whose()

    def arrival(self, feed: Feed, body: bytes, received_at_us: int, control_id: str) -> Arrival:
        """The arrival for ``body``, which this was a look at."""
        return Arrival(
            feed.name,
            body,
            received_at_us,
            self.sha256,
            control_id,
            self.resource_type,
            self.whose.source_patient,
            self.whose.parts,
        )


def quick_look(body: bytes, feed: Feed, namespace: UUID) -> FhirLook:
    """Reads the JSON once; never raises."""
    sha256 = hashlib.sha256(body).digest()
    value, _ = decode_json(body)
    kind = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(kind, str) or not is_resource_type(kind):
        return FhirLook(sha256)
    return FhirLook(sha256, kind, whose(body, value, feed, namespace, sha256))
