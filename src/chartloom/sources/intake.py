"""Bytes to arrivals: the quick look that finds control id, type and patient before the landing."""

from __future__ import annotations

import hashlib
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.ids import source_patient_id
from chartloom.domain.message import Arrival
from chartloom.formats.hl7v2 import Peek


class Hl7Intake:
    """Makes arrivals from HL7 v2 bodies of one feed."""

    __slots__ = ("_feed", "_namespace", "_patient_namespace")

    def __init__(self, feed: Feed, namespace: UUID) -> None:
        self._feed = feed.name
        self._patient_namespace = feed.patient_namespace
        self._namespace = namespace

    def arrival(self, body: bytes, seen: Peek, received_at_us: int) -> Arrival:
        """The arrival for ``body`` whose header was ``seen``."""
        patient = ""
        if seen.patient_identifier:
            patient = source_patient_id(
                self._namespace,
                self._patient_namespace,
                seen.patient_authority,
                seen.patient_identifier,
            )
        return Arrival(
            self._feed,
            body,
            received_at_us,
            hashlib.sha256(body).digest(),
            seen.control_id,
            seen.message_type,
            patient,
        )
