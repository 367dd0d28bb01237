"""The formulary: what drug a code or a name means. Pure; a snapshot with a fingerprint."""

from chartloom.registry.formulary.issues import CODE_UNRESOLVED
from chartloom.registry.formulary.load import COLUMNS, builtin_formulary, kind_of, load_formulary
from chartloom.registry.formulary.model import (
    NDC,
    RXNORM,
    Component,
    Drug,
    Ingredient,
    Known,
    key_of,
)
from chartloom.registry.formulary.ndc import ndc_candidates
from chartloom.registry.formulary.snapshot import Formulary

__all__ = [
    "CODE_UNRESOLVED",
    "COLUMNS",
    "NDC",
    "RXNORM",
    "Component",
    "Drug",
    "Formulary",
    "Ingredient",
    "Known",
    "builtin_formulary",
    "key_of",
    "kind_of",
    "load_formulary",
    "ndc_candidates",
]
