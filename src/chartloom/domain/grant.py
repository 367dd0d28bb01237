"""Grants: the signed permission without which no PHI is read."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from chartloom.domain.withholding import Withholding


class Purpose(StrEnum):
    """Purpose of use (codes of HL7 v3 PurposeOfUse where there is one)."""

    TREATMENT = "TREAT"
    OPERATIONS = "HOPERAT"
    QUALITY = "HQUALIMP"
    RESEARCH = "HRESCH"
    BREAK_GLASS = "BTG"  #: emergency: against a missing care relation, recorded and reviewed


#: ``Grant.persons`` of a grant that covers every person of the site.
EVERYONE = ("*",)


class Grant(msgspec.Struct, frozen=True):
    """Who may see what, why, and until when. Minted and signed by ``guard``, checked by the store.

    persons: source patient ids covered, or :data:`EVERYONE`. labels: sensitivity labels covered.
    withheld: what of that is not shown all the same, since its patient withholds it.
    mac: HMAC-SHA256 over the other fields with the site's grant key.
    """

    actor: str
    purpose: Purpose
    persons: tuple[str, ...]
    labels: tuple[str, ...]
    expires_at_us: int
    grant_id: str
    policy_version: str = ""
    mac: bytes = b""
    withheld: tuple[Withholding, ...] = ()
