"""What can be found wrong with people and places."""

from __future__ import annotations

from chartloom.domain.issues import IssueCode, Severity, register_codes

PRACTITIONER_UNRESOLVED = "practitioner-unresolved"
ORGANIZATION_UNRESOLVED = "organization-unresolved"
LOCATION_UNRESOLVED = "location-unresolved"
NPI_CHECK_DIGIT = "npi-check-digit"
NPI_DEACTIVATED = "npi-deactivated"
VALUES_DIFFER = "directory-values-differ"
NUMBER_SHARED = "directory-number-shared"
DUPLICATE_POSSIBLE = "directory-duplicate-possible"
PART_UNKNOWN = "directory-part-unknown"

register_codes(
    IssueCode(
        PRACTITIONER_UNRESOLVED,
        Severity.INFORMATION,
        "The message names a practitioner by a number that the site's directory does not know.",
        "Add the practitioner to registry/directory/practitioners*.csv, say whose number it is "
        "with `chartloom directory decide`, or correct it at its source. `chartloom directory "
        "unresolved` lists all of them.",
    ),
    IssueCode(
        ORGANIZATION_UNRESOLVED,
        Severity.INFORMATION,
        "The message names an organisation that the site's directory does not know.",
        "Add it to registry/directory/organizations*.csv.",
    ),
    IssueCode(
        LOCATION_UNRESOLVED,
        Severity.INFORMATION,
        "The message names a ward, room or bed that the site's directory does not know.",
        "Add the place to registry/directory/locations*.csv.",
    ),
    IssueCode(
        NPI_CHECK_DIGIT,
        Severity.WARNING,
        "A number given as an NPI does not fit its check digit.",
        "Correct it at its source; until then it identifies nobody.",
    ),
    IssueCode(
        NPI_DEACTIVATED,
        Severity.WARNING,
        "The message names somebody by an NPI that was deactivated before.",
        "Correct it at its source, or ask the practitioner; if it was reactivated, put the file of "
        "the week in with `chartloom directory take --increment`.",
    ),
    IssueCode(
        VALUES_DIFFER,
        Severity.INFORMATION,
        "Sources differ about a person or place, and no rule says who is right.",
        "Say which is right with `chartloom directory decide`, add the source to "
        "registry/directory/survivorship.csv, or correct one of them.",
    ),
    IssueCode(
        NUMBER_SHARED,
        Severity.WARNING,
        "One number is given to people of quite different names.",
        "One of the sources has a wrong number; correct it there. Until then the two stay apart.",
    ),
    IssueCode(
        DUPLICATE_POSSIBLE,
        Severity.INFORMATION,
        "Two records say the same of who or what they are, and have no number in common.",
        "Say whether they are one, on the page Directory or with `chartloom directory decide`.",
    ),
    IssueCode(
        PART_UNKNOWN,
        Severity.WARNING,
        "A place or organisation is part of one that is not in the directory, or of itself.",
        "Add the other, or correct the column `part_of`.",
    ),
)
