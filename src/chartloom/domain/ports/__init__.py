"""Ports: what the rooms need from the outside, as protocols. Engines implement them.

Every function that can return PHI takes a :class:`~chartloom.domain.grant.Grant` as its first
argument and raises ``GrantRefused`` if the grant is missing, forged or expired. What the grant does
not cover is simply not there.
"""

from chartloom.domain.ports.directory import DirectoryRecords
from chartloom.domain.ports.identity import Identities
from chartloom.domain.ports.parts import Clock, GrantCoverage, GrantVerifier, Sealer
from chartloom.domain.ports.protection import (
    AccessFacts,
    AuditLog,
    DataUses,
    GlassRecords,
    LabelRecords,
    Sessions,
    Shreddings,
    SubjectKeys,
    UsedTokens,
)
from chartloom.domain.ports.spine import Charts, Landing, Lanes, Messages

__all__ = [
    "AccessFacts",
    "AuditLog",
    "Charts",
    "Clock",
    "DataUses",
    "DirectoryRecords",
    "GlassRecords",
    "GrantCoverage",
    "GrantVerifier",
    "Identities",
    "LabelRecords",
    "Landing",
    "Lanes",
    "Messages",
    "Sealer",
    "Sessions",
    "Shreddings",
    "SubjectKeys",
    "UsedTokens",
]
