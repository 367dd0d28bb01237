"""People and places that messages named, as the store keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chartloom.domain.resource import FhirJson

if TYPE_CHECKING:
    from chartloom.wiring.site import OpenSite


def named_in_messages(opened: OpenSite) -> list[FhirJson]:
    """All Practitioner, Organization and Location resources; they hold nothing of a patient."""
    from chartloom.engines.postgres.facts import PostgresFacts

    return PostgresFacts(opened.store).directory(opened.grant())
