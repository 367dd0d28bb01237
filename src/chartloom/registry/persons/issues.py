"""What of identity somebody has to act on."""

from __future__ import annotations

from typing import Final

from chartloom.domain.issues import IssueCode, Severity, register_codes

IDENTITY_REVIEW: Final = "identity-review"

register_codes(
    IssueCode(
        IDENTITY_REVIEW,
        Severity.WARNING,
        "What a message says leaves open whether two records are one person.",
        "Look at the pair and say what is so: page Identity of the console, or "
        "`chartloom identity queue`. Until then they are two persons.",
    )
)
