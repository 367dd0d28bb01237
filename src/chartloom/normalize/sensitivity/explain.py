"""Why a resource has its labels: the rules that matched, and on which element.

The slow twin of ``Labeller.labels_of``: it looks at the same elements and finds the same labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from chartloom.domain.labels import Label
from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir.codings import canonical
from chartloom.normalize.sensitivity.labeller import (
    FLAG_URLS,
    LEVEL_URLS,
    NO_LEVELS,
    STRICT,
    VALUE_TEXT_MAX,
    Labeller,
    elements_of,
)
from chartloom.normalize.sensitivity.listed import may_list, named_in, parted
from chartloom.normalize.sensitivity.read_rules import TEXT, dotless

#: The rule behind a flag of the sender, and behind one of its codes that no row knows.
FLAG_RULE = "sensitivity/flag"
STRICT_RULE = "sensitivity/unknown-code"
_LEVEL = "V2-0177"


class Reason(msgspec.Struct, frozen=True):
    """One rule that matched. rule: ``sensitivity/laboratory.csv:7``, or what stands for no row."""

    label: Label
    element: str  #: path within the resource: ``code.coding[0]``
    rule: str


def explain(labeller: Labeller, resource: FhirJson) -> list[Reason]:
    """Every reason for every label, but that its feed is declared sensitive."""
    return list(dict.fromkeys(_Explainer(labeller).of(resource)))


class _Explainer:
    def __init__(self, labeller: Labeller) -> None:
        self._labeller = labeller

    def of(self, resource: FhirJson) -> Iterator[Reason]:
        for element in elements_of(resource):
            if element in resource:
                yield from self._walk(resource[element], element)
        text = resource.get("valueString", "")
        if text and len(text) <= VALUE_TEXT_MAX:
            yield from self._text(text, "valueString")
        if "contained" in resource:
            yield from self._walk(resource["contained"], "contained")
        for number, extension in enumerate(resource.get("extension", ())):
            yield from self._extension(resource, extension, f"extension[{number}]")
        if may_list(resource):
            yield from self._listed(resource)
        for number, coding in enumerate((resource.get("meta") or {}).get("security", ())):
            yield from self._security(coding, f"meta.security[{number}]")

    def _listed(self, resource: FhirJson) -> Iterator[Reason]:
        """What the documents of a resource list; the element is the one that holds them."""
        holders = ("content", "presentedForm", "section", "valueString", "extension")
        path = next((e for e in holders if e in resource), "text")
        for words, codes in named_in(resource):
            yield from self._text(words, path)
            for code in codes:
                system, value = parted(code)
                yield from self._coding({"system": system, "code": value}, path)

    def _walk(self, value: Any, path: str) -> Iterator[Reason]:
        if isinstance(value, list):
            for number, inner in enumerate(value):
                yield from self._walk(inner, f"{path}[{number}]")
        elif isinstance(value, dict):
            for key, inner in value.items():
                if key == "coding":
                    for number, coding in enumerate(inner):
                        yield from self._coding(coding, f"{path}.coding[{number}]")
                elif key in ("text", "display") and isinstance(inner, str):
                    if key == "text" or not ("code" in value and "system" in value):
                        yield from self._text(inner, f"{path}.{key}")
                elif isinstance(inner, dict | list):
                    yield from self._walk(inner, f"{path}.{key}")
            if "code" in value and "system" in value:
                yield from self._coding(value, path)

    def _coding(self, coding: FhirJson, path: str) -> Iterator[Reason]:
        if display := coding.get("display"):
            yield from self._text(display, f"{path}.display")
        if code := coding.get("code"):
            system = self._labeller.system_of(coding.get("system"), code)
            yield from self._code(system, canonical(code, dotless=dotless(system)), path)

    def _code(self, system: str, code: str, path: str) -> Iterator[Reason]:
        rules = self._labeller.rules_of(system)
        if any(r.label is None and re.fullmatch(r.regex, code) for r in rules):
            return
        for rule in rules:
            if rule.label is not None and re.fullmatch(rule.regex, code):
                yield Reason(rule.label, path, f"sensitivity/{rule.where}")

    def _text(self, text: str, path: str) -> Iterator[Reason]:
        rules = self._labeller.rules_of(TEXT)
        text = text.casefold()
        excepted = "|".join(f"(?:{r.regex})" for r in rules if r.label is None)
        if excepted:
            text = re.sub(excepted, " ", text)
        for rule in rules:
            if rule.label is not None and re.search(rule.regex, text):
                yield Reason(rule.label, path, f"sensitivity/{rule.where}")

    def _extension(self, resource: FhirJson, extension: FhirJson, path: str) -> Iterator[Reason]:
        kind, url = resource["resourceType"], extension.get("url")
        if url in FLAG_URLS:
            if extension.get("valueBoolean"):
                yield Reason(Label.R, path, FLAG_RULE)
        elif url in LEVEL_URLS and kind not in NO_LEVELS:
            concept = extension.get("valueCodeableConcept") or {}
            codes = [canonical(c.get("code", ""), dotless=False) for c in concept.get("coding", ())]
            if "coding" not in concept or any(not self._known(_LEVEL, c) for c in codes):
                yield Reason(Label.R, path, FLAG_RULE)
                return
            for code in codes:
                yield from self._code(_LEVEL, code, path)
        elif kind != "Patient":
            yield from self._walk(extension, path)

    def _known(self, system: str, code: str) -> bool:
        return any(re.fullmatch(r.regex, code) for r in self._labeller.rules_of(system))

    def _security(self, coding: FhirJson, path: str) -> Iterator[Reason]:
        system = self._labeller.named(coding.get("system", ""))
        code = canonical(coding.get("code", ""), dotless=False)
        if self._known(system, code):
            yield from self._code(system, code, path)
        elif system in STRICT:
            yield Reason(Label.R, path, STRICT_RULE)
