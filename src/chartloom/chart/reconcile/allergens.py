"""What an allergy is about: by the table of substances, else by the formulary.

A brand, an ingredient and a code of a product are one allergen with the ingredient; a class of
drugs is one that all its members belong to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from chartloom.chart.reconcile.heard import bounded
from chartloom.chart.reconcile.rules_allergies import AllergyRules
from chartloom.chart.reconcile.substances import Named, Substance, Substances, bare_name
from chartloom.registry.formulary import Drug, Formulary, Known

#: How much of a drug's name must have been understood before an allergy is taken to be about it.
_SURE: Final = (Known.CODE, Known.NAME)
#: Between the substances of a line, where not in parentheses; between a substance and a reaction.
_NEXT: Final = re.compile(r",(?![^(]*\))|\s+and\s+(?![^(]*\))")
_REACTION: Final = re.compile(r"\s*(?:[(\[:=]|\s[-\u2013\u2014]+\s|\bcauses?\b|->)\s*")


class Allergens(msgspec.Struct, frozen=True):
    """The table of substances over a formulary. rules: which classes of drugs cross."""

    substances: Substances
    formulary: Formulary
    rules: AllergyRules

    def find(self, codes: tuple[str, ...], text: str) -> Named:
        """The substance that codes (``system|code``) and a text name, or an ``unresolved`` one."""
        named = self.substances.find(codes, text)
        if named.how != "unresolved":
            return named
        for words in dict.fromkeys((text, bare_name(text))):
            drug = self.formulary.resolve(codes, words)
            if drug.ingredients and drug.known in _SURE and "codes-disagree" not in drug.doubts:
                how = "code" if drug.known is Known.CODE else "name"
                return Named(self.of_drug(drug), how)
        if group := self.formulary.class_named(bare_name(text)):
            return Named(self._class(group, text), "name")
        return named

    def in_words(self, text: str) -> Iterator[tuple[Named, str]]:
        """The known substances that a line of a text names, each with its reaction, if it says one.

        Nothing is found in what denies.
        """
        whole = self.find((), text)
        if whole.substance.kind == "none":
            return
        found = False
        for part in _NEXT.split(text):
            name, *reaction = _REACTION.split(part.strip(), maxsplit=1)
            if name and _is_known(named := self.find((), name)):
                found = True
                yield named, " ".join(reaction).strip(" )]")
        if not found and _is_known(whole):
            yield whole, ""

    def of_drug(self, drug: Drug) -> Substance:
        """The substance that a drug is, with the classes of the table that it belongs to."""
        if len(drug.ingredients) == 1 and (known := self.substances.named(drug.ingredients[0])):
            return known
        name = " / ".join(drug.ingredients)
        classes = self.classes_of(drug.classes)
        return Substance(f"drug:{bounded(name)}", name[:1].upper() + name[1:], "drug", classes)

    def taken(self, codes: tuple[str, ...], text: str) -> Substance | None:
        """The substance of what was given or handed over: by the table, else by the formulary."""
        if (known := self.substances.within(text)) is not None:
            return known
        drug = self.formulary.resolve(codes, text)
        return self.of_drug(drug) if drug.ingredients else None

    def classes_of(self, drug_classes: tuple[str, ...]) -> tuple[str, ...]:
        """Classes of the formulary as those of the table across which allergies are warned of."""
        crossing = self.rules.class_of_drugs
        return tuple(sorted({crossing[c] for c in drug_classes if c in crossing}))

    def ingredients_of(self, substance: Substance) -> tuple[str, ...]:
        """The ingredients of a drug that an allergy is about, as the formulary calls them."""
        if substance.kind != "drug":
            return ()
        found = self.formulary.resolve((), substance.name).ingredients
        return found or (substance.name.casefold(),)

    def _class(self, group: str, text: str) -> Substance:
        key = self.rules.class_of_drugs.get(group, "")
        known = self.substances.by_key.get(key)
        return known or Substance(f"class:{group}", " ".join(text.split()), "class")


def _is_known(named: Named) -> bool:
    return named.how in ("code", "name") and named.substance.kind != "none"
