"""Which resources a patient's Consents withhold: the rules of a Consent, applied to one resource.

R4 (6.2.10): a provision holds for what meets all its conditions, and each provision within is an
exception to it, for what also meets the conditions outside. Of exceptions side by side a denial
wins. What cannot be told (a resource without a time, a code in another element than the one that
says what it is) counts for denials and not for permits, nor for permits within such denials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import msgspec

from chartloom.chart.place import PLACES
from chartloom.chart.times import to_us
from chartloom.domain.labels import PERSON_MASK, labels_of
from chartloom.domain.resource import FhirJson
from chartloom.domain.withholding import DENY, NONE, OPEN, PERMIT, Rule, Withholding
from chartloom.formats.fhir.codings import (
    BY_PREFIX,
    CLINICAL,
    FINDINGS,
    NDC,
    may_name,
    ndc_products,
    normal,
)
from chartloom.guard.denied_drugs import OF_DRUGS, UNKNOWN, ingredients_of

_NORMAL: Final = ""
_FOREVER_US: Final = 2**62
#: Values in words that are longer are sentences, in which anything may be said.
_VALUE_CHARS_MAX: Final = 100
#: The element that says what a resource is.
_WHAT: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("AllergyIntolerance", "Condition", "Observation", "DiagnosticReport", "Procedure",
         "ServiceRequest", "Medication", "ChargeItem"),
        "code",
    ),
    **dict.fromkeys(
        ("MedicationRequest", "MedicationStatement", "MedicationAdministration",
         "MedicationDispense"),
        "medicationCodeableConcept",
    ),
    **dict.fromkeys(("DocumentReference", "Composition"), "type"),
    "Immunization": "vaccineCode",
}  # fmt: skip

_MEDICINES: Final = frozenset(k for k, e in _WHAT.items() if e == "medicationCodeableConcept")
#: What tells in words what nobody has coded.
_IN_WORDS: Final = frozenset({"DocumentReference", "Composition"})
_REPORTED: Final = ("presentedForm", "conclusion", "text")
#: Elements that tell why, or what was found, beside the one that says what it is.
_WHY: Final = ("reasonCode", "conclusionCode", "valueCodeableConcept", "diagnosis", "indication")


class _Meets(IntEnum):
    NO = 0
    MAYBE = 1
    YES = 2


class _Thing(msgspec.Struct, frozen=True):
    """A resource, with all codings and references in it."""

    resource: FhirJson
    codings: frozenset[tuple[str, str]]
    refers_to: frozenset[str]


def withholds(
    withheld: Sequence[Withholding], source_patient: str, resource: FhirJson, labels: int
) -> bool:
    """Whether a resource of a source patient is withheld. labels: its mask."""
    mine = [w for w in withheld if source_patient in w.source_patients]
    if not mine:
        return False
    thing = _thing(resource)
    cells = [label.value for label in labels_of(labels & ~PERSON_MASK)] or [_NORMAL]
    return any(_effect(w, cell, thing) == DENY for w in mine for cell in cells)


def hides_patient(withheld: Sequence[Withholding], source_patients: Sequence[str]) -> bool:
    """Whether one does not learn from the chart who one of these is."""
    return any(
        withholds(withheld, patient, {"resourceType": "Patient", "id": patient}, 0)
        for patient in source_patients
    )


def effect_on_cell(said: Withholding, cell: str) -> str:
    """What holds for a label (``""``: for what has none) as a whole."""
    return _effect(said, cell, None)


def _effect(said: Withholding, cell: str, thing: _Thing | None) -> str:
    found = [_of(rule, cell, thing, sure=True) for rule in said.rules]
    return _strictest(found) or said.base


def _of(rule: Rule, cell: str, thing: _Thing | None, *, sure: bool) -> str:
    meets = _meets(rule, cell, thing)
    if meets is _Meets.NO:
        return NONE
    sure = sure and rule.certain and meets is _Meets.YES
    excepted = _strictest([_of(inner, cell, thing, sure=sure) for inner in rule.inner])
    if excepted:
        return excepted
    return rule.effect if sure or rule.effect == DENY else NONE


def _strictest(effects: Sequence[str]) -> str:
    return next((e for e in (DENY, PERMIT, OPEN) if e in effects), NONE)


def _meets(rule: Rule, cell: str, thing: _Thing | None) -> _Meets:
    if rule.labels is not None and cell not in rule.labels:
        return _Meets.NO
    if not rule.fine:
        return _Meets.YES
    if thing is None:
        return _Meets.NO  # it is about some of it only
    return min(check(rule, thing) for check in _CONDITIONS)


def _types(rule: Rule, thing: _Thing) -> _Meets:
    if rule.types is None or thing.resource["resourceType"] in rule.types:
        return _Meets.YES
    within = thing.resource.get("contained", ())
    some = any(isinstance(c, dict) and c.get("resourceType") in rule.types for c in within)
    return _Meets.MAYBE if some else _Meets.NO


def _codes(rule: Rule, thing: _Thing) -> _Meets:
    if rule.codes is None:
        return _Meets.YES
    said = _said(rule.codes)
    kind = thing.resource["resourceType"]
    name = _WHAT.get(kind, "")
    own = set(_codings(thing.resource.get(name)))
    if own & said.codes:
        return _Meets.YES
    if any(_like(said, *found) for found in thing.codings):
        return _Meets.MAYBE
    if _told_in_words(thing.resource) and not said.families.isdisjoint(CLINICAL):
        return _Meets.MAYBE
    if _other_finding(said, thing.resource):
        return _Meets.MAYBE
    if not name:
        return _Meets.NO
    if rule.drugs is not None and (told := _drug(rule.drugs, thing.resource)) is not None:
        # What another system names besides is not among the ingredients.
        others = said.families - OF_DRUGS
        if told is not _Meets.NO or not any(may_name(of, kind) for of in others):
            return told
    families = {of for of, _ in own}
    if not families or not said.families:
        return _Meets.NO if families else _Meets.MAYBE  # in words only
    # In another system's words, nobody can say whether it is the same.
    strange = any(of not in families and may_name(of, kind) for of in said.families)
    return _Meets.MAYBE if strange else _Meets.NO


def _told_in_words(resource: FhirJson) -> bool:
    """Whether a resource holds text in which anything may be said."""
    kind = resource["resourceType"]
    if kind == "DiagnosticReport":
        return any(name in resource for name in _REPORTED)
    if kind == "Observation":  # a note sent as a result: long, of several lines, or attached
        attached = any("valueAttachment" in e for e in resource.get("extension", ()))
        said = [note.get("text", "") for note in resource.get("note", ())]
        said.append(resource.get("valueString", ""))
        return attached or any("\n" in text or len(text) > _VALUE_CHARS_MAX for text in said)
    return kind in _IN_WORDS


def _other_finding(said: _Said, resource: FhirJson) -> bool:
    """Whether a reason or a finding is told in another system than the one that was said, only."""
    mine = said.families & FINDINGS
    if not mine:
        return False
    for element in _WHY:
        held = resource.get(element)
        for concept in held if isinstance(held, list) else [held]:
            families = {of for of, _ in _codings(concept)}
            if families & FINDINGS and not families & mine:
                return True
    return False


def _drug(denied: tuple[str, ...], resource: FhirJson) -> _Meets | None:
    """What ingredients tell of a medicine or an allergy; ``None``: nothing."""
    kind = resource["resourceType"]
    if kind not in _MEDICINES and kind not in ("Medication", "AllergyIntolerance"):
        return None
    found = {*ingredients_of(resource.get(_WHAT[kind]))}
    if not found.isdisjoint(set(denied) - {UNKNOWN}):
        return _Meets.MAYBE
    if UNKNOWN not in found and UNKNOWN not in denied:
        return _Meets.NO
    return None if kind == "AllergyIntolerance" else _Meets.MAYBE


class _Said(msgspec.Struct, frozen=True):
    """Codes of a rule, to be found quickly. families: of those that come with a system; begins:
    codes that are broader than one that was said; bare: codes alone, by those with no system."""

    codes: frozenset[tuple[str, str]]
    families: frozenset[str]
    begins: frozenset[tuple[str, str]]
    bare: frozenset[str]
    all: frozenset[str]


@lru_cache(256)
def _said(codes: tuple[tuple[str, str], ...]) -> _Said:
    found = frozenset(normal(*coding) for coding in codes)
    return _Said(
        found,
        frozenset(of for of, _ in found if of),
        frozenset(
            (of, code[:n]) for of, code in found if of in BY_PREFIX for n in range(3, len(code))
        ),
        frozenset(code for of, code in found if not of),
        frozenset(code for _, code in found),
    )


def _like(said: _Said, of: str, code: str) -> bool:
    """Whether a code in a resource may be one that was said."""
    if (of, code) in said.codes or (of, code) in said.begins or code in said.bare:
        return True
    if not of:
        return code in said.all
    if of == NDC:
        mine = ndc_products(code) or {code}
        return any(not mine.isdisjoint(ndc_products(c) or {c}) for o, c in said.codes if o == NDC)
    if of not in BY_PREFIX:
        return False
    return any((of, code[:n]) in said.codes or code[:n] in said.bare for n in range(1, len(code)))


def _data(rule: Rule, thing: _Thing) -> _Meets:
    if rule.data is None:
        return _Meets.YES
    best = _Meets.NO
    for meaning, id in rule.data:
        if thing.resource.get("id") == id:
            return _Meets.YES
        if meaning != "instance" and id in thing.refers_to:
            best = max(best, _Meets.YES if meaning == "dependents" else _Meets.MAYBE)
    return best


def _span(rule: Rule, thing: _Thing) -> _Meets:
    if rule.span is None:
        return _Meets.YES
    if thing.resource["resourceType"] == "Patient":
        return _Meets.NO  # who somebody is, is of no time
    times = _times(thing.resource)
    if times is None:
        return _Meets.MAYBE
    (start, end), (perhaps, surely, surely_until, perhaps_until) = times, rule.span
    if end < perhaps or start > perhaps_until:
        return _Meets.NO
    return _Meets.YES if start >= surely and end <= surely_until else _Meets.MAYBE


_CONDITIONS: Final[tuple[Callable[[Rule, _Thing], _Meets], ...]] = (_types, _codes, _data, _span)


def _times(resource: FhirJson) -> tuple[int, int] | None:
    """From when to when a resource is about, as the chart places it; ``None`` if nobody knows."""
    place = PLACES.get(resource["resourceType"])
    for path in place.times if place else ():
        holder: Any = resource
        for name in path[:-1]:
            holder = holder.get(name) if isinstance(holder, dict) else None
        value = holder.get(path[-1]) if isinstance(holder, dict) else None
        at_us = to_us(value)
        if not at_us:
            continue
        if path[-1] != "start":
            return at_us, _end_of(str(value), at_us)
        end = holder.get("end")
        end_us = to_us(end)
        return at_us, _end_of(str(end), end_us) if end_us else _FOREVER_US
    return None


def _end_of(text: str, at_us: int) -> int:
    """The last moment that a date may stand for."""
    days = {4: 366, 7: 31, 10: 1}.get(len(text), 0)
    return at_us + max(days * 86_400_000_000 - 1, 0)


def _thing(resource: FhirJson) -> _Thing:
    return _Thing(
        resource,
        frozenset(_codings(resource)),
        frozenset(text.rpartition("/")[2] for text in _references(resource)),
    )


def _codings(value: Any) -> Iterator[tuple[str, str]]:
    """All codings in a value, as they are compared."""
    if isinstance(value, dict):
        system, code = value.get("system", ""), value.get("code")
        if isinstance(code, str) and isinstance(system, str):
            yield normal(system, code)
        for name, child in value.items():
            if name != "meta":
                yield from _codings(child)
    elif isinstance(value, list):
        for child in value:
            yield from _codings(child)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        text = value.get("reference")
        if isinstance(text, str):
            yield text
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def without_references(value: Any, gone: Callable[[str], bool]) -> Any:
    """A resource without its references to what is withheld, and what they are called there.

    gone: whether a reference (``Type/id``) leads to something withheld.
    """
    if isinstance(value, dict):
        if isinstance(text := value.get("reference"), str) and gone(text):
            return None
        kept = {k: without_references(v, gone) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v is not None or value[k] is None} or None
    if isinstance(value, list):
        found = [without_references(v, gone) for v in value]
        return [v for v, was in zip(found, value, strict=True) if v is not None or was is None] or (
            None if value else []
        )
    return value
