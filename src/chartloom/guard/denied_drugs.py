"""Drugs that a Consent denies by code, and the drugs of a chart, told apart by their ingredients.

A product has other codes than its ingredient, and every package one of its own: by codes alone,
nobody can tell that 600 mg tablets of a drug are that drug.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir.codings import NDC, family
from chartloom.registry.formulary import Known, builtin_formulary

#: Families of which ingredients are told.
OF_DRUGS: Final = frozenset({"rxnorm", NDC})
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
#: One that nobody knows.
UNKNOWN: Final = ""
_NAMED: Final = frozenset({Known.CODE, Known.NAME, Known.PART})


def denied_drugs(concepts: Iterable[FhirJson]) -> tuple[str, ...] | None:
    """The ingredients of what codes of RxNorm and NDC name, sorted; ``UNKNOWN`` is among them if
    one is not known. ``None`` if no such code is there. concepts: ``Consent.provision.code``."""
    found: set[str] = set()
    for concept in concepts:
        if any(_is_drug(coding) for coding in concept.get("coding", ())):
            found.update(ingredients_of(concept))
    return tuple(sorted(found)) if found else None


def ingredients_of(concept: Any) -> tuple[str, ...]:
    """The ingredients that a CodeableConcept names by its codes and words, sorted; ``UNKNOWN`` is
    among them if there may be another."""
    if not isinstance(concept, dict):
        return (UNKNOWN,)
    codings = [c for c in concept.get("coding", ()) if isinstance(c, dict)]
    codes = [f"{RXNORM}|{c.get('code')}" for c in codings if family(_text(c, "system")) == "rxnorm"]
    texts = [_text(concept, "text"), *(_text(c, "display") for c in codings)]
    drugs = [builtin_formulary().resolve(codes, text) for text in texts if text or codes]
    known = [drug for drug in drugs if drug.known in _NAMED]
    found = {name for drug in known for name in drug.ingredients}
    if not any(drug.known in (Known.CODE, Known.NAME) for drug in known):
        found.add(UNKNOWN)
    return tuple(sorted(found))


def _is_drug(coding: Any) -> bool:
    return isinstance(coding, dict) and family(_text(coding, "system")) in OF_DRUGS


def _text(value: FhirJson, key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""
