"""What can be found wrong with references to drugs."""

from __future__ import annotations

from chartloom.domain.issues import IssueCode, Severity, register_codes

CODE_UNRESOLVED = "drug-code-unresolved"
REFERENCE_UNRESOLVED = "formulary-reference-unresolved"
NAME_UNREAD = "formulary-name-unread"

register_codes(
    IssueCode(
        CODE_UNRESOLVED,
        Severity.WARNING,
        "The formulary does not know a drug's code, though it knows others of its code system.",
        "Add the code to registry/formulary/products*.csv, or load a newer formulary "
        "(`chartloom formulary load`). Until then the drug is recognised by its name, if at all.",
    ),
    IssueCode(
        REFERENCE_UNRESOLVED,
        Severity.WARNING,
        "A row of the formulary refers to a drug that is not in it.",
        "Add the drug it refers to, or remove the row; the row is left out.",
    ),
    IssueCode(
        NAME_UNREAD,
        Severity.WARNING,
        "A row of the formulary names no known ingredient, neither in a column nor in its name.",
        "Fill the column `ingredients`, or add a row to registry/formulary/ingredients*.csv.",
    ),
)
