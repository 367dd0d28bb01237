"""People and places of the hospital: NPPES and a site's own tables, one golden record of each."""

from chartloom.registry.directory.history import Change, changes_of, day_of, record_on
from chartloom.registry.directory.issues import (
    DUPLICATE_POSSIBLE,
    LOCATION_UNRESOLVED,
    NPI_CHECK_DIGIT,
    NUMBER_SHARED,
    ORGANIZATION_UNRESOLVED,
    PART_UNKNOWN,
    PRACTITIONER_UNRESOLVED,
    VALUES_DIFFER,
)
from chartloom.registry.directory.load import (
    Tables,
    builtin_rules,
    directory_of,
    load_directory,
    load_tables,
)
from chartloom.registry.directory.model import (
    Claim,
    DirectoryKind,
    Golden,
    Identifier,
    Question,
    Statement,
    Value,
)
from chartloom.registry.directory.npi import NPI_SYSTEM, is_npi
from chartloom.registry.directory.nppes import NPPES, nppes_rows, read_nppes
from chartloom.registry.directory.snapshot import Directory, about_of
from chartloom.registry.directory.survive import STEWARD, Rule, Rules, golden_records, rule_of
from chartloom.registry.directory.words import (
    DRUG,
    ITEMS_MAX,
    TEXT_MAX,
    About,
    Said,
    Told,
    Word,
    is_day,
    seen_of,
    told_by,
)

__all__ = [
    "DRUG",
    "DUPLICATE_POSSIBLE",
    "ITEMS_MAX",
    "LOCATION_UNRESOLVED",
    "NPI_CHECK_DIGIT",
    "NPI_SYSTEM",
    "NPPES",
    "NUMBER_SHARED",
    "ORGANIZATION_UNRESOLVED",
    "PART_UNKNOWN",
    "PRACTITIONER_UNRESOLVED",
    "STEWARD",
    "TEXT_MAX",
    "VALUES_DIFFER",
    "About",
    "Change",
    "Claim",
    "Directory",
    "DirectoryKind",
    "Golden",
    "Identifier",
    "Question",
    "Rule",
    "Rules",
    "Said",
    "Statement",
    "Tables",
    "Told",
    "Value",
    "Word",
    "about_of",
    "builtin_rules",
    "changes_of",
    "day_of",
    "directory_of",
    "golden_records",
    "is_day",
    "is_npi",
    "load_directory",
    "load_tables",
    "nppes_rows",
    "read_nppes",
    "record_on",
    "rule_of",
    "seen_of",
    "told_by",
]
