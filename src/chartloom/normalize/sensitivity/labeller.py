"""From a resource to its sensitivity labels. Pure; memoised look-ups, for the hot path.

What is looked at: every coded element of the resource (per type the elements that can reveal
something, for types not listed here all of them), the short text of an observation's value,
``meta.security``, the sender's flags of confidentiality, and what documents, reports and notes
list of drugs, allergies and problems, in codes and in words. Other free text is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from chartloom.domain.labels import SYSTEM, Label, security
from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir import KEPT
from chartloom.formats.fhir.codings import canonical
from chartloom.normalize.sensitivity.listed import may_list, named_in, parted
from chartloom.normalize.sensitivity.patterns import WORD, one_of
from chartloom.normalize.sensitivity.read_rules import (
    TEXT,
    Rule,
    Rules,
    dotless,
    read_rules,
    rules_of,
)

Labels = frozenset[Label]
_NO: Final[Labels] = frozenset()
_R: Final[Labels] = frozenset({Label.R})

#: About the hospital, never about a patient.
_DIRECTORY = frozenset({"Practitioner", "PractitionerRole", "Organization", "Location"})
#: Elements that are looked at, where not all are; always also ``extension`` and ``meta``.
_ELEMENTS: Final[dict[str, tuple[str, ...]]] = {
    "Observation": ("code", "valueCodeableConcept", "component", "focus", "bodySite", "method"),
    "Patient": (),
    "DiagnosticReport": ("code", "conclusionCode", "category"),
    "Encounter": ("type", "serviceType", "reasonCode", "hospitalization", "priority", "diagnosis"),
    "Provenance": (),
}
_LOOKED: Final = {kind: frozenset(names) for kind, names in _ELEMENTS.items()}
_SKIPPED = frozenset({"resourceType", "id", "meta", "text", "identifier", "subject", "patient"})
VALUE_TEXT_MAX = 256
_REMEMBERED = 50_000
#: Objects that come by the thousand: how many of those are held.
_CONCEPTS_MAX = 4096

_ICD10_SHAPE = re.compile(r"[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?")
_LOINC_SHAPE = re.compile(r"\d{1,7}-\d")
_FLAGS = ("confidential", "protection", "visit-protection")
_LEVELS = ("confidentiality", "sensitivity")
_LOCAL = "urn:chartloom:extension:"
FLAG_URLS = frozenset(_LOCAL + name for name in _FLAGS)
LEVEL_URLS = frozenset(_LOCAL + name for name in _LEVELS)
#: Allergy sensitivity (IAM-9) is no confidentiality.
NO_LEVELS = frozenset({"AllergyIntolerance"})
STRICT = frozenset({"ACTCODE", "CONFIDENTIALITY"})
_CODING: Final = ("system", "code", "display")
_WORDS: Final = frozenset({"text", "display", "valueString"})


class Labeller:
    """The compiled rules of a site. Thread-safe: memos are only ever added to or emptied."""

    def __init__(self, rules: Rules) -> None:
        self.fingerprint = rules.fingerprint  #: SHA-256 of the rule files, hexadecimal
        self.files = rules.files  #: what the rules were read from, name -> content
        self._rules: dict[str, list[Rule]] = {}
        for rule in rules.rules:
            self._rules.setdefault(rule.system, []).append(rule)
        self._systems = rules.systems
        self._judges = {system: _judge(held) for system, held in self._rules.items()}
        self._codes: dict[tuple[Any, Any, Any], Labels] = {}
        self._texts: dict[str, Labels] = {}
        #: objects that nobody changes, by identity, and their labels
        self._concepts: dict[int, tuple[FhirJson, Labels]] = {}

    def labels_of(self, resource: FhirJson, feed_sensitive: bool = False) -> Labels:
        """The labels of one resource; of the empty set most are.

        feed_sensitive: it came from a feed declared sensitive; then it is at least ``R``, unless
        a rule labels it.
        """
        kind = resource["resourceType"]
        if kind in _DIRECTORY:
            return _NO
        found: set[Label] = set()
        known_of = self._concepts.get
        looked = _LOOKED.get(kind)
        for element, value in resource.items():
            if value.__class__ is str:
                continue
            if element in _SKIPPED if looked is None else element not in looked:
                continue
            if value.__class__ is dict:
                known = known_of(id(value))
                if known is None:
                    self._object(value, found)
                elif known[1]:
                    found |= known[1]
            elif value.__class__ is list:
                for inner in value:
                    known = known_of(id(inner))
                    if known is None:
                        self._walk(inner, found)
                    elif known[1]:
                        found |= known[1]
        if "valueString" in resource and len(resource["valueString"]) <= VALUE_TEXT_MAX:
            found |= self._text(resource["valueString"])
        if "contained" in resource:
            self._walk(resource["contained"], found)
        if "extension" in resource:
            self._extensions(kind, resource["extension"], found)
        if may_list(resource):
            self._listed(resource, found)
        meta = resource.get("meta")
        if meta is not None and "security" in meta:
            for coding in meta["security"]:
                found |= self._security(coding)
        if feed_sensitive and not found - {Label.VIP, Label.EMP}:
            found.add(Label.R)
        return frozenset(found) if found else _NO

    def _listed(self, resource: FhirJson, found: set[Label]) -> None:
        for words, codes in named_in(resource):
            found |= self._text(words)
            for code in codes:
                found |= self.labels_of_code(*parted(code))

    def labels_in(self, value: Any) -> Labels:
        """The labels of whatever is coded or said in short words anywhere in any JSON at all: for
        what no resource was made of, because it is not valid or not kept. Never raises."""
        found: set[Label] = set()
        waiting = [value]
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += value
            elif isinstance(value, dict):
                found |= self._any_coding(*(_text_of(value, key) for key in _CODING))
                for key, inner in value.items():
                    if isinstance(inner, dict | list):
                        waiting.append(inner)
                    elif key in _WORDS and isinstance(inner, str) and len(inner) <= VALUE_TEXT_MAX:
                        found |= self._text(inner)
        return frozenset(found)

    def labels_of_words(self, text: str) -> Labels:
        """The labels of a short text anywhere; nothing of it is remembered."""
        if len(text) > VALUE_TEXT_MAX:
            return _NO
        return self._judges.get(TEXT, _silent)(text.casefold()) or _NO

    def labels_of_code(self, url: str, code: str) -> Labels:
        """The labels of a code of a system, or by its shape (``url`` is "")."""
        if len(code) > VALUE_TEXT_MAX:
            return _NO
        system = self.system_of(url, code)
        judge = self._judges.get(system)
        return (judge(canonical(code, dotless=dotless(system))) or _NO) if judge else _NO

    def _any_coding(self, url: str, code: str, display: str) -> Labels:
        if code and self._systems.get(url) in STRICT:
            return self._security({"system": url, "code": code})
        return self._judge_coding(url, code, display) if code else _NO

    def forget(self) -> None:
        """Forgets every text that was judged; what it judges does not change."""
        for known in (self._codes, self._texts, self._concepts):
            known.clear()

    def _walk(self, value: Any, found: set[Label]) -> None:
        """Judges whatever is coded in a JSON value."""
        kind = value.__class__
        if kind is dict:
            known = self._concepts.get(id(value))
            if known is None:
                self._object(value, found)
            elif known[1]:
                found |= known[1]
        elif kind is list:
            for inner in value:
                if inner.__class__ is dict or inner.__class__ is list:
                    self._walk(inner, found)

    def _object(self, value: FhirJson, found: set[Label]) -> None:
        """Judges a JSON object; what is found out about one that nobody changes is remembered."""
        if len(value) == 1 and "reference" in value:
            return
        if id(value) not in KEPT:
            self._inside(value, found)
            return
        own: set[Label] = set()
        self._inside(value, own)
        if len(self._concepts) >= _CONCEPTS_MAX:
            self._concepts.clear()
        self._concepts[id(value)] = value, frozenset(own)
        found |= own

    def _inside(self, value: FhirJson, found: set[Label]) -> None:
        for key, inner in value.items():
            kind = inner.__class__
            if kind is str:
                # not the narrative of a contained one, and the name of what is referred to
                if key == "text" or (key == "display" and not _is_coding(value)):
                    known = self._texts.get(inner)
                    if known is None:
                        known = self._text(inner)
                    if known:
                        found |= known
            elif key == "coding":
                codes = self._codes
                for coding in inner:
                    get = coding.get
                    known = codes.get((get("system"), get("code"), get("display")))
                    if known is None:
                        known = self._coding(coding)
                    if known:
                        found |= known
            elif kind is dict or kind is list:
                self._walk(inner, found)
        if _is_coding(value):
            found |= self._coding(value)

    def _extensions(self, kind: str, extensions: list[FhirJson], found: set[Label]) -> None:
        for extension in extensions:
            url = extension.get("url")
            if url in FLAG_URLS:
                if extension.get("valueBoolean"):
                    found.add(Label.R)
            elif url in LEVEL_URLS and kind not in NO_LEVELS:
                found |= self._level(extension.get("valueCodeableConcept") or {})
            elif kind != "Patient":  # demographics are the head of the chart, not a finding
                self._walk(extension, found)

    def _level(self, concept: FhirJson) -> Labels:
        """What the sender calls confidential: at least ``R`` unless a rule knows the code."""
        known: Labels = _NO
        judge = self._judges.get("V2-0177", _silent)
        for coding in concept.get("coding", ()):
            verdict = judge(canonical(coding.get("code", ""), dotless=False))
            if verdict is None:
                return _R
            known |= verdict
        return known if "coding" in concept else _R

    def _security(self, coding: FhirJson) -> Labels:
        system = self._systems.get(coding.get("system", ""), "")
        judge = self._judges.get(system, _silent)
        verdict = judge(canonical(coding.get("code", ""), dotless=False))
        if verdict is None:
            return _R if system in STRICT else _NO
        return verdict

    def _coding(self, coding: FhirJson) -> Labels:
        key = (coding.get("system"), coding.get("code"), coding.get("display"))
        known = self._codes.get(key)
        if known is None:
            if len(self._codes) >= _REMEMBERED:
                self._codes.clear()
            known = self._codes[key] = self._judge_coding(*key)
        return known

    def _judge_coding(self, url: str | None, code: str | None, display: str | None) -> Labels:
        labels: Labels = self._text(display) if display else _NO
        if not code:
            return labels
        system = self.system_of(url, code)
        judge = self._judges.get(system, _silent)
        return labels | (judge(canonical(code, dotless=dotless(system))) or _NO)

    def system_of(self, url: str | None, code: str) -> str:
        """The system by whose rules a code is judged: its own, or the one whose shape it has."""
        system = self._systems.get(url or "", url or "")
        if system not in self._judges:
            if _ICD10_SHAPE.fullmatch(code.strip().upper()):
                return "ICD10"
            if not _elsewhere(system) and _LOINC_SHAPE.fullmatch(code.strip()):
                return "LOINC"
        return system

    def named(self, url: str) -> str:
        """The short name of a code system, "" if it has none."""
        return self._systems.get(url, "")

    def rules_of(self, system: str) -> list[Rule]:
        """The rules of one system, in the order of files and lines."""
        return self._rules.get(system, [])

    def _text(self, text: str) -> Labels:
        known = self._texts.get(text)
        if known is None:
            if len(self._texts) >= _REMEMBERED:
                self._texts.clear()
            judge = self._judges.get(TEXT, _silent)
            known = self._texts[text] = judge(text.casefold()) or _NO
        return known


def elements_of(resource: FhirJson) -> tuple[str, ...]:
    """The elements that are looked at, besides extensions, contained resources and ``meta``."""
    found = _ELEMENTS.get(resource["resourceType"])
    return tuple([k for k in resource if k not in _SKIPPED]) if found is None else found


def _is_coding(value: FhirJson) -> bool:
    """Whether it is a Coding that stands in no CodeableConcept."""
    return "code" in value and "system" in value


def _text_of(value: FhirJson, key: str) -> str:
    text = value.get(key)
    return text if isinstance(text, str) else ""


def _elsewhere(system: str) -> bool:
    """A published code system without rules: its codes may look like LOINC (CDC race 2106-3)."""
    return system.startswith(("http:", "https:", "urn:oid:"))


def _silent(code: str) -> Labels | None:
    return None


def _judge(rules: list[Rule]) -> Callable[[str], Labels | None]:
    """Code (or text) to labels; ``None`` where no rule says anything."""
    by_label = {
        label: pattern
        for label in Label
        if (pattern := one_of(r.regex for r in rules if r.label is label)) is not None
    }
    excepted = one_of(r.regex for r in rules if r.label is None)
    if rules and rules[0].system == TEXT:
        firsts = frozenset(r.first for r in rules if r.label is not None)
        may_hold = None if "" in firsts else firsts

        def of_text(text: str) -> Labels | None:
            if may_hold is not None and may_hold.isdisjoint(WORD.findall(text)):
                return None
            if excepted is not None:
                text = excepted.sub(" ", text)
            return frozenset(label for label, p in by_label.items() if p.search(text)) or None

        return of_text

    def of_code(code: str) -> Labels | None:
        if excepted is not None and excepted.fullmatch(code):
            return _NO
        return frozenset(label for label, p in by_label.items() if p.fullmatch(code)) or None

    return of_code


def load_rules(overlays: Mapping[str, bytes] | None = None) -> Labeller:
    """The labeller of a site: built-in rules under the site's files (name -> content).

    Raises ``ConfigurationError`` with file and line.
    """
    return Labeller(read_rules(overlays))


def load_files(files: Mapping[str, bytes]) -> Labeller:
    """The labeller of these files alone: those of an earlier version, for example.

    Raises ``ConfigurationError`` with file and line.
    """
    return Labeller(rules_of(files))


@cache
def builtin() -> Labeller:
    """The labeller with the built-in rules alone."""
    return load_rules()


def labels_of(resource: FhirJson, feed_sensitive: bool = False) -> Labels:
    """The labels of a resource by the built-in rules; see :meth:`Labeller.labels_of`."""
    return builtin().labels_of(resource, feed_sensitive)


def with_labels(resource: FhirJson, labels: Labels) -> FhirJson:
    """The resource with its labels in ``meta.security``; other security codings are kept."""
    if not labels:
        return resource
    meta = dict(resource.get("meta") or {})
    there = {(c.get("system"), c.get("code")) for c in meta.get("security", ())}
    missing = [label for label in labels if (SYSTEM[label], label.value) not in there]
    if not missing:
        return resource
    meta["security"] = [*meta.get("security", ()), *security(missing)]
    return {**resource, "meta": meta}
