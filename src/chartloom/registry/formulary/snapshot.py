"""The formulary as it stands: codes and names to drugs. Frozen, pure, with a fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from chartloom.registry.formulary.model import NDC, RXNORM, Component, Drug, Ingredient, Known
from chartloom.registry.formulary.ndc import ndc_candidates
from chartloom.registry.formulary.parse import Names, parse_name
from chartloom.registry.formulary.words import Form, fold, form_of, route_of, words_of

_REMEMBERED_MAX: Final = 20_000


class Formulary:
    """Ingredients, names and coded drugs. Made by :func:`~.load.load_formulary`.

    Remembers what it was asked; that changes no answer.
    """

    def __init__(
        self,
        ingredients: Mapping[str, Ingredient],
        names: Names,
        drugs: Mapping[str, Drug],
        ndc: Mapping[str, str],
        fingerprint: str,
    ) -> None:
        """drugs: ``system|code`` -> drug. ndc: eleven digits -> key of ``drugs``."""
        self.ingredients = ingredients
        self.drugs = drugs
        self.fingerprint = fingerprint
        self._names = names
        self._ndc = ndc
        self._by_code = {f"{RXNORM}|{i.code}": i for i in ingredients.values() if i.code}
        self._systems = frozenset(k.partition("|")[0] for k in drugs) | ({NDC} if ndc else set())
        classes = {c for i in ingredients.values() for c in i.classes}
        self._classes = {c.replace("-", " "): c for c in sorted(classes)}
        self._resolved: dict[tuple[object, ...], Drug] = {}
        self._ndc_by_drug: dict[str, tuple[str, ...]] | None = None  # made when first asked for

    def resolve(
        self, codes: Sequence[str] = (), text: str = "", form: str = "", route: str = ""
    ) -> Drug:
        """The drug that codes (``system|code``) and a text name. Never raises.

        form, route: in words, as a source gives them apart; they fill what is not known otherwise.
        A code wins over the text; where they name other ingredients, ``doubts`` says so.
        """
        asked = (*codes, "", text, form, route)
        known = self._resolved.get(asked)
        if known is None:
            known = self._resolve(codes, text, form, route)
            if len(self._resolved) >= _REMEMBERED_MAX:
                self._resolved.clear()
            self._resolved[asked] = known
        return known

    @property
    def ndc_count(self) -> int:
        """How many NDC it knows."""
        return len(self._ndc)

    def ndc_of(self, key: str) -> tuple[str, ...]:
        """The NDC (eleven digits) of a drug by its ``system|code``."""
        if self._ndc_by_drug is None:
            found: dict[str, list[str]] = {}
            for ndc, drug in self._ndc.items():
                found.setdefault(drug, []).append(ndc)
            self._ndc_by_drug = {drug: tuple(sorted(some)) for drug, some in found.items()}
        return self._ndc_by_drug.get(key, ())

    def unresolved(self, codes: Iterable[str]) -> list[str]:
        """Codes that this formulary should know (it has others of their systems) and does not."""
        return [
            code
            for code in codes
            if code.partition("|")[0] in self._systems and self._coded(code) is None
        ]

    def class_named(self, text: str) -> str:
        """The therapeutic class that a text names ("beta blockers" -> ``beta-blocker``), or ""."""
        words = " ".join(words_of(fold(text))).replace("-", " ")
        return self._classes.get(words) or self._classes.get(words.removesuffix("s"), "")

    def classes_of(self, ingredients: Iterable[str]) -> tuple[str, ...]:
        """Therapeutic classes of the ingredients, sorted."""
        found: set[str] = set()
        for name in ingredients:
            if known := self.ingredients.get(name):
                found.update(known.classes)
        return tuple(sorted(found))

    def _resolve(self, codes: Sequence[str], text: str, form: str, route: str) -> Drug:
        read = parse_name(text, self._names) if text else Drug()
        coded = [drug for code in codes if (drug := self._coded(code)) is not None]
        found = max(coded, key=_detail) if coded else read
        doubts = set(found.doubts)
        if len({drug.ingredients for drug in coded}) > 1:
            doubts.add("codes-disagree")
        if coded and read.known is Known.NAME:
            if read.ingredients != found.ingredients:
                doubts.add("text-disagrees")
            else:
                found = _filled(found, read)
        said, way = form_of(form) if form else Form(), route_of(route) if route else ""
        found = _made(found, said, way)
        return replace(
            found,
            classes=found.classes or self.classes_of(found.ingredients),
            name=found.name or " ".join(text.split()),
            doubts=tuple(sorted(doubts)),
        )

    def _coded(self, code: str) -> Drug | None:
        if (drug := self.drugs.get(code)) is not None:
            return drug
        system, _, value = code.partition("|")
        if system == NDC or (not system and len(value) in (10, 11, 12, 13)):
            hits = {self._ndc[c] for c in ndc_candidates(value) if c in self._ndc}
            if len(hits) == 1:
                return replace(self.drugs[hits.pop()], code=code)
        if (one := self._by_code.get(code)) is not None:
            return Drug((Component(one.name),), known=Known.CODE, name=one.name, code=code)
        return None

    def ingredient_of(self, text: str) -> str:
        """The one ingredient that a text names, or "": for substances, not for drugs."""
        hit = self._names.get(tuple(words_of(fold(text))))
        return hit[0][0] if hit is not None and len(hit[0]) == 1 else ""


def _detail(drug: Drug) -> tuple[int, int, int]:
    """How much a drug says: strengths, form, brand."""
    return (bool(drug.strength), bool(drug.form), bool(drug.brand))


def _filled(drug: Drug, read: Drug) -> Drug:
    """``drug`` with what only its name says."""
    components = drug.components
    if not drug.strength and read.strength:
        components = read.components
    return replace(
        drug,
        components=components,
        form=drug.form or read.form,
        route=drug.route or read.route,
        release=drug.release or read.release,
        brand=drug.brand or read.brand,
    )


def _made(drug: Drug, said: Form, route: str) -> Drug:
    """``drug`` with form and route that its source gives apart.

    A route that was ordered wins over the one that the form suggests, except where the form leaves
    no other: a sublingual tablet is not swallowed because a system has only "oral".
    """
    form = drug.form or said.form
    way = drug.route or said.route
    if route and (not way or (way in ("injected", "oral", "topical") and form != "sublingual")):
        way = route
    return replace(drug, form=form, route=way, release=drug.release or said.release)
