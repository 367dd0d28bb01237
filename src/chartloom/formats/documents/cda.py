"""Clinical documents (HL7 CDA R2, C-CDA 2.1): their lists of drugs, allergies and problems.

Read are the sections of medications, allergies and problems: their coded entries, and their
narrative where a section has none. Templates are not asked for; what counts is what an entry is: a
substanceAdministration, an allergy observation, a problem observation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from chartloom.formats.documents.lines import Line, markup_lines
from chartloom.formats.documents.xml_tree import Element, parse

#: LOINC code of a section -> what it lists. Drugs given during a stay (29549-3) are no list.
SECTIONS: Final = {
    "10160-0": "medications",
    "10183-2": "medications",
    "75311-1": "medications",
    "42346-7": "medications-on-admission",
    "48765-2": "allergies",
    "11450-4": "problems",
}
#: OID of a code system -> its URI in FHIR.
SYSTEMS: Final = {
    "2.16.840.1.113883.6.88": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "2.16.840.1.113883.6.69": "http://hl7.org/fhir/sid/ndc",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.6.90": "http://hl7.org/fhir/sid/icd-10-cm",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.103": "http://hl7.org/fhir/sid/icd-9-cm",
    "2.16.840.1.113883.4.9": "http://fdasis.nlm.nih.gov",
    "2.16.840.1.113883.12.292": "http://hl7.org/fhir/sid/cvx",
}
#: SNOMED CT: kinds of allergy, which stand where the substance is not said.
_KINDS: Final = frozenset(
    ("419199007", "416098002", "414285001", "420134006", "418038007", "419511003", "418471000",
     "59037007", "235719002", "426232007", "716186003", "64970000", "105590001")
)  # fmt: skip
#: SNOMED CT "drug or medication": no drug by itself.
_ANY_DRUG: Final = "410942007"
#: LOINC 33999-4, status of an allergy or a problem, in SNOMED CT.
_STATUSES: Final = {
    "55561003": "active", "73425007": "inactive", "413322009": "resolved",
}  # fmt: skip
_SEVERITIES: Final = {
    "255604002": "mild", "371923003": "moderate", "6736007": "moderate", "371924009": "severe",
    "24484000": "severe", "399166001": "severe",
}  # fmt: skip
_CRITICALITIES: Final = {"CRITH": "high", "CRITL": "low", "CRITU": "unable-to-assess"}
_CODES_MAX: Final = 8
_NAMES_MAX: Final = 8


class Stated(msgspec.Struct, frozen=True, omit_defaults=True):
    """One coded entry. codes: ``system|code``; status: of the act (``active``, ``completed``, ...).

    negated: it is said not to be so. start, end, said: FHIR dateTimes, "" if not said; said: when
    its author wrote it. first_byte, end_byte: in the document.
    """

    text: str
    codes: tuple[str, ...]
    status: str
    first_byte: int
    end_byte: int
    negated: bool = False
    start: str = ""
    end: str = ""
    said: str = ""
    reactions: tuple[str, ...] = ()
    severity: str = ""
    criticality: str = ""


class SectionRead(msgspec.Struct, frozen=True):
    """A section. lists: ``medications``, ``allergies``, ...; lines: of its narrative, where it has
    no entries."""

    lists: str
    entries: tuple[Stated, ...]
    lines: tuple[Line, ...]


class Cda(msgspec.Struct, frozen=True):
    """A clinical document. time: when it was made, a FHIR dateTime. about: its record target, in
    the words of a FHIR Patient (name, birthDate, identifier)."""

    time: str
    sections: tuple[SectionRead, ...]
    about: dict[str, Any] = {}


def read_cda(data: bytes) -> Cda | None:
    """What a clinical document lists; None if it is XML of another kind. ``UnreadError`` if it is
    not well-formed, too large, or declares types."""
    root = parse(data)
    if root.name != "ClinicalDocument":
        return None
    made = root.first("effectiveTime")
    found = (_section(s, data) for s in root.each("section"))
    time = time_of(made.get("value") if made else "")
    return Cda(
        time, tuple(s for s in found if s), _about(root.first("recordTarget", "patientRole"))
    )


def _about(role: Element | None) -> dict[str, Any]:
    if role is None:
        return {}
    patient = role.first("patient")
    born = patient.first("birthTime") if patient is not None else None
    names = [_name(n) for n in (patient.all("name") if patient is not None else ())][:_NAMES_MAX]
    ids = [
        {"system": f"urn:oid:{i.get('root')}"[:200], "value": i.get("extension")[:100]}
        for i in role.all("id")
        if i.get("root") and i.get("extension")
    ]
    found = {
        "name": [n for n in names if n],
        "birthDate": time_of(born.get("value"))[:10] if born is not None else "",
        "identifier": ids[:_NAMES_MAX],
    }
    return {key: value for key, value in found.items() if value}


def _name(name: Element) -> dict[str, Any]:
    family = " ".join(_words(f) for f in name.all("family"))
    given = [w for g in name.all("given") if (w := _words(g))]
    if family or given:
        return {"family": family, "given": given}
    return {"text": text} if (text := _words(name)) else {}


def _section(section: Element, data: bytes) -> SectionRead | None:
    code = section.first("code")
    lists = SECTIONS.get(code.get("code")) if code is not None else None
    if lists is None or section.get("nullFlavor"):
        return None
    words = _anchors(section.first("text"))
    read = _READERS[lists]
    entries = tuple(s for entry in section.all("entry") for s in read(entry, words))
    narrative = section.first("text")
    lines: tuple[Line, ...] = ()
    if not entries and narrative is not None:
        lines = tuple(markup_lines(data[narrative.start : narrative.end], narrative.start))
    return SectionRead(lists, entries, lines)


def _anchors(narrative: Element | None) -> dict[str, str]:
    """ID of a part of the narrative -> its words."""
    if narrative is None:
        return {}
    waiting, found = [narrative], {}
    while waiting:
        element = waiting.pop()
        if (id := element.get("ID")) and id not in found:
            found[id] = _words(element)
        waiting.extend(element.children)
    return found


def _words(element: Element) -> str:
    """All words of a small part; no more than a line of them."""
    parts, waiting, size = [], [element], 0
    while waiting and size < 300:
        one = waiting.pop()
        parts.append(one.text[:300])
        size += len(parts[-1]) + 1
        waiting.extend(reversed(one.children))
    return " ".join(" ".join(parts).split())[:300]


def _medications(entry: Element, words: dict[str, str]) -> Iterator[Stated]:
    for act in entry.all("substanceAdministration"):
        if act.get("moodCode") not in ("EVN", "INT", ""):
            continue
        drug = act.first("consumable", "manufacturedProduct", "manufacturedMaterial")
        code = drug.first("code") if drug is not None else None
        text, codes = _named(code, words)
        if not text and drug is not None and (name := drug.first("name")) is not None:
            text = _words(name)
        if (text or codes) and not any(c.endswith(f"|{_ANY_DRUG}") for c in codes):
            start, end = _period(act)
            yield Stated(
                text, codes, _status(act), act.start, act.end, act.get("negationInd") == "true",
                start, end, _said(act),
            )  # fmt: skip


def _allergies(entry: Element, words: dict[str, str]) -> Iterator[Stated]:
    for act in entry.all("act"):
        for observation in _observations(act):
            agent = observation.first("participant", "participantRole", "playingEntity")
            code = agent.first("code") if agent is not None else None
            text, codes = _named(code, words)
            if not text and agent is not None and (name := agent.first("name")) is not None:
                text = _words(name)
            negated = observation.get("negationInd") == "true"
            if not codes and not text:
                text, codes = _named(observation.first("value"), words)
            coded = {c.rpartition("|")[2] for c in codes}
            if coded and coded <= _KINDS | {_ANY_DRUG}:
                none = negated or "716186003" in coded
                denied = "drug " if _ANY_DRUG in coded else ""
                text, codes = (f"No known {denied}allergies" if none else ""), ()
                negated = False
            if text or codes:
                yield _allergy(act, observation, text, codes, negated=negated)


def _allergy(
    act: Element, observation: Element, text: str, codes: tuple[str, ...], *, negated: bool
) -> Stated:
    start, end = _period(observation)
    reactions, severities, criticality = [], [], ""
    for inner in observation.each("observation"):
        value = inner.first("value")
        code = inner.first("code")
        kind, said = code.get("code") if code else "", value.get("code") if value else ""
        if kind == "SEV":
            severities.append(_SEVERITIES.get(said, ""))
        elif kind == "82606-5":
            criticality = _CRITICALITIES.get(said, "")
        elif kind == "ASSERTION" and value is not None and value.get("displayName"):
            reactions.append(value.get("displayName"))
    worst = next((s for s in ("severe", "moderate", "mild") if s in severities), "")
    return Stated(
        text, codes, _concern(act, observation, end, done="active"),
        observation.start, observation.end, negated, start, end,
        _said(observation) or _said(act), tuple(dict.fromkeys(reactions))[:6], worst, criticality,
    )  # fmt: skip


def _problems(entry: Element, words: dict[str, str]) -> Iterator[Stated]:
    for act in entry.all("act"):
        for observation in _observations(act):
            text, codes = _named(observation.first("value"), words)
            if text or codes:
                start, end = _period(observation)
                yield Stated(
                    text, codes, _concern(act, observation, end, done="inactive"),
                    observation.start, observation.end,
                    observation.get("negationInd") == "true", start, end,
                    _said(observation) or _said(act),
                )  # fmt: skip


def _observations(act: Element) -> Iterator[Element]:
    """The observations that a concern is about; what qualifies them stands below these."""
    for related in act.all("entryRelationship"):
        if (
            related.get("typeCode") in ("SUBJ", "REFR", "")
            and related.get("inversionInd") != "true"
        ):
            yield from related.all("observation")


def _concern(act: Element, observation: Element, end: str, *, done: str) -> str:
    """Whether the thing goes on. done: what it means that somebody finished being concerned with
    it; an allergy does not end by that."""
    for inner in observation.each("observation"):
        code, value = inner.first("code"), inner.first("value")
        if code is not None and value is not None and code.get("code") == "33999-4":
            return _STATUSES.get(value.get("code"), "active")
    if end:
        return "resolved"
    finished = ("completed", "aborted", "suspended")
    return done if _status(act) in finished else "active"


def _named(code: Element | None, words: dict[str, str]) -> tuple[str, tuple[str, ...]]:
    """(name, codes) of a coded thing: as its author worded it, else as the code system does."""
    if code is None:
        return "", ()
    codes: list[str] = []
    display = ""
    for one in (code, *code.all("translation")):
        value, system = one.get("code").strip(), one.get("codeSystem").strip()
        if value and system and len(codes) < _CODES_MAX:
            codes.append(f"{SYSTEMS.get(system, f'urn:oid:{system}')}|{value}"[:200])
        display = display or one.get("displayName")
    original = code.first("originalText")
    told = ""
    if original is not None:
        reference = original.first("reference")
        told = words.get(reference.get("value").lstrip("#"), "") if reference is not None else ""
        told = told or _words(original)
    return " ".join((display or told).split())[:300], tuple(codes)


def _status(act: Element) -> str:
    found = act.first("statusCode")
    return found.get("code") if found is not None else ""


def _period(act: Element) -> tuple[str, str]:
    """(since when, until when) of the interval that an act has; a single time is no end."""
    for time in act.all("effectiveTime"):
        low, high = time.first("low"), time.first("high")
        if low is not None or high is not None:
            return (
                time_of(low.get("value") if low is not None else ""),
                time_of(high.get("value") if high is not None else ""),
            )
        if value := time_of(time.get("value")):
            return value, ""
    return "", ""


def _said(act: Element) -> str:
    found = act.first("author", "time")
    return time_of(found.get("value")) if found is not None else ""


def time_of(stamp: str) -> str:
    """A CDA point in time (``YYYYMMDDHHMMSS.UUUU+ZZZZ``) as a FHIR dateTime; "" if it is none.

    A time of day without a zone is left out: the day is what is known.
    """
    digits = stamp[:14].partition(".")[0].partition("+")[0].partition("-")[0].strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in (4, 6, 8, 10, 12, 14):
        return ""
    day = "-".join(p for p in (digits[:4], digits[4:6], digits[6:8]) if p)
    zone = stamp[len(digits) :].lstrip(".0123456789")
    if len(digits) < 12 or len(zone) != 5 or zone[0] not in "+-" or not zone[1:].isdigit():
        return day
    clock = f"{digits[8:10]}:{digits[10:12]}:{digits[12:14] or '00'}"
    return f"{day}T{clock}{zone[:3]}:{zone[3:]}"


_READERS: Final = {
    "medications": _medications,
    "medications-on-admission": _medications,
    "allergies": _allergies,
    "problems": _problems,
}
