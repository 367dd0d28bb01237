"""What of identity somebody has to act on."""

from __future__ import annotations

from typing import Final

from chartloom.domain.issues import IssueCode, Severity, register_codes

IDENTITY_REVIEW: Final = "identity-review"
IDENTITY_LARGE: Final = "identity-large-person"
IDENTITY_CROWDED: Final = "identity-crowded"
IDENTITY_UNREAD: Final = "identity-unread"
IDENTITY_NUMEROUS: Final = "identity-numerous"

register_codes(
    IssueCode(
        IDENTITY_REVIEW,
        Severity.WARNING,
        "What a message says leaves open whether two records are one person.",
        "Look at the pair and say what is so: page Identity of the console, or "
        "`chartloom identity queue`. Until then they are two persons, "
        "unless a source joined them: then it asks whether that was right.",
    ),
    IssueCode(
        IDENTITY_LARGE,
        Severity.WARNING,
        "One person has come to have some hundred records.",
        "Look at its history (`chartloom identity history`): so many merges or links onto one "
        "record are most often a mistake of the feed (a test patient, a filler number). Have the "
        "source unlink them, or say that they are not the same person.",
    ),
    IssueCode(
        IDENTITY_CROWDED,
        Severity.WARNING,
        "A patient may not be found again: too many share what is said of it.",
        "Look for a filler in what the feed sends (a number of zeros, one telephone for all) and "
        "have the source leave it out.",
    ),
    IssueCode(
        IDENTITY_NUMEROUS,
        Severity.WARNING,
        "A patient has more identifiers than are compared: by some of them nobody is found.",
        "Sixteen are compared, those of systems and states first. Have the source leave out what "
        "is no number of the patient (accounts, visits, orders), give such numbers their type "
        "(HL7 table 0203), or unlink records of somebody else.",
    ),
    IssueCode(
        IDENTITY_UNREAD,
        Severity.ERROR,
        "A record that a patient has to be compared with does not open.",
        "What was decided about the two stands. The record is damaged, or was sealed with other "
        "keys: `chartloom doctor`; once the keys are right, `chartloom replay` decides anew.",
    ),
)
