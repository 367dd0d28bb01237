"""People and places of the hospital: NPPES and a site's own tables, one golden record of each."""

from chartloom.registry.directory.issues import (
    LOCATION_UNRESOLVED,
    ORGANIZATION_UNRESOLVED,
    PRACTITIONER_UNRESOLVED,
)
from chartloom.registry.directory.load import builtin_rules, load_directory
from chartloom.registry.directory.model import (
    DirectoryKind,
    Golden,
    Identifier,
    Question,
    Statement,
    Value,
)
from chartloom.registry.directory.npi import NPI_SYSTEM, is_npi
from chartloom.registry.directory.nppes import NPPES, nppes_rows, read_nppes
from chartloom.registry.directory.snapshot import Directory
from chartloom.registry.directory.survive import Rule, Rules, golden_records

__all__ = [
    "LOCATION_UNRESOLVED",
    "NPI_SYSTEM",
    "NPPES",
    "ORGANIZATION_UNRESOLVED",
    "PRACTITIONER_UNRESOLVED",
    "Directory",
    "DirectoryKind",
    "Golden",
    "Identifier",
    "Question",
    "Rule",
    "Rules",
    "Statement",
    "Value",
    "builtin_rules",
    "golden_records",
    "is_npi",
    "load_directory",
    "nppes_rows",
    "read_nppes",
]
