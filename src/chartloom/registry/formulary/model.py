"""Nouns of the formulary: ingredients, drugs, and how surely a drug was recognised."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC: Final = "http://hl7.org/fhir/sid/ndc"
#: Short names of code systems that a table may use.
SYSTEMS: Final = {"RXNORM": RXNORM, "NDC": NDC}


class Known(StrEnum):
    """How a drug was recognised, best first."""

    CODE = "code"  #: a code of the formulary
    NAME = "name"  #: every ingredient was read from its name
    PART = "part"  #: some of the name was not understood: there may be another ingredient
    WORDS = "words"  #: no ingredient is known; the words stand for it
    NOTHING = "nothing"  #: neither a known code nor a name


class Ingredient(msgspec.Struct, frozen=True):
    """A substance. name: folded; classes: therapeutic, ours; code: RxNorm's, or ""."""

    name: str
    classes: tuple[str, ...] = ()
    code: str = ""


class Component(msgspec.Struct, frozen=True, order=True):
    """An ingredient in a drug. salt: makes it the precise ingredient. strength: ``500 mg``."""

    ingredient: str
    salt: str = ""
    strength: str = ""


class Drug(msgspec.Struct, frozen=True):
    """A drug as far as it is known; an empty text is "not known".

    components: ordered by ingredient. form: ``tablet``, ``inhaler``, ...; route: ``oral``, ...;
    release: ``er``, ``dr`` or "". code: ``system|code`` by which it was found. doubts: codes of
    what does not fit (``codes-disagree``, ``text-disagrees``).
    """

    components: tuple[Component, ...] = ()
    form: str = ""
    route: str = ""
    release: str = ""
    brand: str = ""
    classes: tuple[str, ...] = ()
    known: Known = Known.NOTHING
    name: str = ""
    code: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def ingredients(self) -> tuple[str, ...]:
        """Names, sorted, each once."""
        return tuple(dict.fromkeys(c.ingredient for c in self.components))

    @property
    def strength(self) -> str:
        """``8 mg / 2 mg``, or "" unless every component has one."""
        strengths = [c.strength for c in self.components]
        return " / ".join(strengths) if strengths and all(strengths) else ""


def key_of(system: str, code: str) -> str:
    """``system|code`` as charts write it; short names of HL7 v2 systems become ``urn:id:``."""
    if system in SYSTEMS:
        return f"{SYSTEMS[system]}|{code}"
    return f"{system}|{code}" if ":" in system else f"urn:id:{system}|{code}"
