"""Medications that cross a recorded allergy: named on both lists."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from msgspec.structs import replace

from chartloom.chart.reconcile.allergens import Allergens
from chartloom.chart.reconcile.lines import Discrepancy, Line, ReconciledList
from chartloom.chart.reconcile.rules import Rules
from chartloom.registry.formulary import Formulary

#: What is taken, or may be: an allergy is no less one where the list is not sure.
_CURRENT: Final = frozenset(("active", "on-hold", "unknown"))
#: What a medication is told -> what the allergy is told.
_BOTH: Final = {
    "allergy-to-ingredient": "on-list-despite-allergy",
    "allergy-to-class": "on-list-despite-allergy",
    "allergy-in-class": "related-on-list",
}
_Found = dict[str, dict[str, set[str]]]


def cross(
    medications: ReconciledList, allergies: ReconciledList, formulary: Formulary, rules: Rules
) -> tuple[ReconciledList, ReconciledList]:
    """Both lists, with every medication named that an active allergy speaks against. Pure.

    The same ingredient, whatever it is called and however it is given; a member of a class that
    somebody is allergic to; and another member of the class of such a drug, where the table says
    that they cross. Intolerances count as well: who prescribes shall see them.
    """
    allergens = Allergens(rules.substances, formulary, rules.allergies)
    against = [(x, _reach(x)) for x in allergies.lines if _stands(x)]
    if not against:
        return medications, allergies
    named: _Found = {}
    warned: _Found = {}
    for line in medications.lines:
        if line.status not in _CURRENT:
            continue
        ingredients, classes = _contents(line, allergens)
        for allergy, reach in against:
            code = _crosses(ingredients, classes, *reach)
            if code:
                ids = {_evidence(line), _evidence(allergy)} - {""}
                named.setdefault(line.key, {}).setdefault(code, set()).update(ids)
                warned.setdefault(allergy.key, {}).setdefault(_BOTH[code], set()).update(ids)
    return (
        _told(medications, named, rules.medications.discrepancies),
        _told(allergies, warned, rules.allergies.discrepancies),
    )


def _stands(allergy: Line) -> bool:
    return allergy.status == "active" and allergy.detail.get("substance") in ("drug", "class")


def _reach(allergy: Line) -> tuple[frozenset[str], str, frozenset[str]]:
    """(ingredients, its own key if it is a class, classes that cross) of an allergy."""
    detail = allergy.detail
    own = allergy.key.removeprefix("substance:") if detail["substance"] == "class" else ""
    ingredients = frozenset(i for i in detail.get("ingredients", "").split(" / ") if i)
    return ingredients, own, frozenset(detail.get("classes", "").split())


def _contents(line: Line, allergens: Allergens) -> tuple[frozenset[str], frozenset[str]]:
    """(ingredients, classes) of a medication; by its words where the formulary does not know it."""
    ingredients = frozenset(i for i in line.detail.get("ingredients", "").split(" / ") if i)
    classes = tuple(line.detail.get("classes", "").split())
    known = {f"class:{c}" for c in classes} | set(allergens.classes_of(classes))
    substance = allergens.substances.within(" / ".join(sorted(ingredients)) or line.text)
    if substance is not None and substance.kind == "drug":
        known |= set(substance.classes)
        ingredients = ingredients or frozenset(allergens.ingredients_of(substance))
    return ingredients, frozenset(known)


def _crosses(
    ingredients: frozenset[str],
    classes: frozenset[str],
    allergy_to: frozenset[str],
    class_key: str,
    allergy_classes: frozenset[str],
) -> str:
    if ingredients & allergy_to:
        return "allergy-to-ingredient"
    if class_key and class_key in classes:
        return "allergy-to-class"
    return "allergy-in-class" if allergy_classes & classes else ""


def _evidence(line: Line) -> str:
    """What the line rests on: its newest order, listing or entry."""
    words = ("MedicationRequest", "MedicationStatement", "AllergyIntolerance")
    told = [f.resource_id for f in line.facts if f.resource_type in words]
    return (told or [f.resource_id for f in line.facts] or [""])[0]


def _told(found: ReconciledList, added: _Found, shown: Collection[str]) -> ReconciledList:
    if not added:
        return found
    lines = (_with(x, added.get(x.key, {}), shown) for x in found.lines)
    return replace(found, lines=tuple(lines))


def _with(line: Line, added: dict[str, set[str]], shown: Collection[str]) -> Line:
    new: Iterable[Discrepancy] = (
        Discrepancy(code, tuple(sorted(ids))) for code, ids in added.items() if code in shown
    )
    # An allergy comes first: of all that does not fit, it is what may harm at once.
    return replace(line, discrepancies=(*sorted(new, key=lambda d: d.code), *line.discrepancies))
