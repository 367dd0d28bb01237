"""What else tells about allergies: challenges and tests among results, drugs that were taken."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from chartloom.chart.reconcile.allergens import Allergens
from chartloom.chart.reconcile.heard import Entry, fact_of, folded, ordered, stripped
from chartloom.chart.reconcile.lines import Fact
from chartloom.chart.reconcile.rules_allergies import AllergyRules
from chartloom.chart.reconcile.substances import Named, Substance, Substances
from chartloom.chart.summary import ChartSummary
from chartloom.domain.chart import Section

#: Points that say that a drug reached the person. (type, status) -> what the fact says.
_TAKEN: Final = {
    ("MedicationAdministration", "completed"): "given",
    ("MedicationDispense", "completed"): "dispensed",
}
_POSITIVE: Final = frozenset(("POS", "DET"))
_NEGATIVE: Final = frozenset(("NEG", "ND"))
_WORD: Final = re.compile(r"[^\W_]+")


def challenges(
    chart: ChartSummary, rules: AllergyRules, substances: Substances, said: Mapping[str, str]
) -> Iterator[tuple[Named, Fact]]:
    """Results of challenges and allergy tests, each with the substance that its name names."""
    section = chart.section(Section.RESULTS)
    for series in section.entries:
        name = folded(series.get("text", ""))
        kind = _kind(name, rules)
        if not kind:
            continue
        substance = _substance_in(name, substances)
        if substance is None:
            continue
        for point in series["points"]:
            outcome = _outcome(point, rules)
            if outcome and point.get("status") not in ("cancelled", "entered-in-error"):
                at_us = point["sort_us"] or point["said_us"]
                detail = stripped({"value": point.get("value"), "test": series.get("text")})
                fact = fact_of(
                    point, section, said, f"{kind}-{outcome}", at_us, series.get("text", ""),
                    detail, "Observation",
                )  # fmt: skip
                yield Named(substance, "name"), fact


def _kind(name: str, rules: AllergyRules) -> str:
    if any(word in name for word in rules.challenges):
        return "challenge"
    padded = f" {name} "
    return "test" if any(f" {word} " in padded for word in rules.tests) else ""


def _substance_in(name: str, substances: Substances) -> Substance | None:
    """The substance whose name begins earliest in the name of a test."""
    words = name.split()
    for start in range(len(words)):
        found = substances.within(" ".join(words[start : start + 3]))
        if found is not None and found.kind != "none":
            return found
    return None


def _outcome(point: Entry, rules: AllergyRules) -> str:
    """What came out: ``positive``, ``negative``, or nothing where it cannot be told.

    What speaks for both is never negative: that would end an allergy.
    """
    heard = tuple(_heard(str(point.get("value", "")), rules))
    flags = set(point.get("flags", ()))
    if (heard and heard[0] == "positive") or flags & _POSITIVE:
        return "positive"
    if heard:
        return "negative" if set(heard) == {"negative"} else ""
    return "negative" if flags & _NEGATIVE else ""


def _heard(value: str, rules: AllergyRules) -> Iterator[str]:
    """What each telling phrase of a value says, in their order; longer phrases before shorter."""
    phrases = {_plain(p): "negative" for p in rules.negative}
    phrases.update((_plain(p), "positive") for p in rules.positive)
    for found in _telling(tuple(phrases)).finditer(_plain(value)):
        says = phrases[found["phrase"] or found["denied"]]
        if found["control"] or (found["denied"] and says == "positive"):
            yield "unclear"  # it is the control's; "no anaphylaxis" leaves room for hives
        else:
            yield "positive" if found["denied"] else says


@lru_cache(maxsize=16)
def _telling(phrases: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(filter(None, phrases), key=len, reverse=True)
    one = "|".join(map(re.escape, longest_first)) or "(?!)"
    return re.compile(
        rf"\b(?:(?P<phrase>{one})|(?:no|not|never|non|without) (?P<denied>{one}))\b"
        r"(?P<control> controls?\b)?"
    )


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.casefold()))


class Taken:
    """The drugs of a chart that reached the person, by substance and by class."""

    def __init__(self) -> None:
        self.by_substance: dict[str, list[Fact]] = {}
        self.by_class: dict[str, list[tuple[str, Fact]]] = {}
        self.unnamed: list[tuple[str, Fact]] = []

    def add(self, text: str, substance: Substance | None, fact: Fact) -> None:
        """Takes one dose or fill."""
        if substance is None:
            self.unnamed.append((folded(text), fact))
            return
        self.by_substance.setdefault(substance.key, []).append(fact)
        for one in substance.classes:
            self.by_class.setdefault(one, []).append((substance.key, fact))

    def since(self, substance: Substance, at_us: int) -> tuple[list[Fact], list[Fact]]:
        """Facts after a moment: of the substance itself, and of its class (or its members)."""
        own = list(self.by_substance.get(substance.key, ()))
        if ":" in substance.key and substance.name:  # not in the table: by the text it begins with
            name = folded(substance.name)
            own += [fact for text, fact in self.unnamed if name and text.startswith(name)]
        groups = (substance.key,) if substance.kind == "class" else substance.classes
        related = [
            fact
            for group in groups
            for key, fact in self.by_class.get(group, ())
            if key != substance.key
        ]
        after = [ordered(f for f in facts if f.at_us > at_us) for facts in (own, related)]
        return after[0], after[1]


def taken_of(chart: ChartSummary, allergens: Allergens, said: Mapping[str, str]) -> Taken:
    """What of the medications was given or handed over."""
    section = chart.section(Section.MEDICATIONS)
    taken = Taken()
    for entry in section.entries:
        if "series" not in entry:
            continue
        text = entry.get("text", "")
        codes = tuple(entry.get("codes") or ((entry["code"],) if entry.get("code") else ()))
        substance = allergens.taken(codes, text)
        for point in entry["points"]:
            says = _TAKEN.get((entry["type"], point.get("status", "")))
            if says and point["sort_us"]:
                fact = fact_of(
                    point, section, said, says, point["sort_us"], text, None, entry["type"]
                )
                taken.add(text, substance, fact)
    return taken
