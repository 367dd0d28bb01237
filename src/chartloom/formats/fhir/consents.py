"""What an R4 Consent's provision says about data: labels, classes, codes, single things, times.

A condition that is not understood is left out and named in ``doubts``: whoever withholds then
withholds the more, and whoever opens opens nothing. (FHIR R4, 6.2, ``Consent.provision``.)
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec

from chartloom.domain.labels import Label
from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir.codings import known
from chartloom.formats.fhir.invariants import moment
from chartloom.formats.fhir.validation import is_resource_type

#: The label of data without labels.
NORMAL: Final = ""
ALL_CELLS: Final = (NORMAL, *(label.value for label in Label))
_OF_PATIENTS: Final = tuple(c for c in ALL_CELLS if c)

_LABELS: Final[dict[str, tuple[str, ...]]] = {
    **{label.value: (label.value,) for label in Label},
    "R": _OF_PATIENTS,
    "V": _OF_PATIENTS,
    "SUD": ("ETH",),
    "ETHUD": ("ETH",),
    "OPIOIDUD": ("ETH",),
    "BH": ("PSY", "ETH"),
    "MH": ("PSY",),
    "STD": ("SEX",),
    "VIO": ("SDV",),
    "CEL": ("VIP",),
}
#: Codes of purposes of use (v3-ActReason) that are about none of ours.
OTHER_PURPOSES: Final = frozenset({
    "HPAYMT", "HMARKT", "PUBHLTH", "PATRQT", "PATADMIN", "HDIRECT", "HSYSADMIN", "HLEGAL",
    "HOUTCOMS", "HPRGRP", "FAMRQT", "PWATRNY", "SUPNWK", "COVERAGE", "DISASTER", "THREAT",
})  # fmt: skip
#: And those that are about one of ours.
OUR_PURPOSES: Final = frozenset({
    "TREAT", "PurposeOfUse", "TREATMENT", "HOPERAT", "HQUALIMP", "HRESCH", "RESEARCH", "CLINTRCH",
    "BTG", "ETREAT",
})  # fmt: skip
SEEING: Final = frozenset({"access", "use", "disclose"})
NOT_SEEING: Final = frozenset({"collect", "correct"})
_WORDS: Final = ("text", "display", "code")
_OPTS_OUT: Final = re.compile(
    r"opt(?:s|ed)?[\s_-]*out|\bden(?:y|ies|ied)\b|\brefus|\bwithh[oe]ld|\bdo(?:es)? not share",
    re.IGNORECASE,
)
#: Codes that name the law or the form of a Consent (consentpolicycodes), and say nothing of what is
#: open by default.
_POLICIES: Final = frozenset({
    "CRIC", "ILLINOIS-MINOR-PROCEDURE", "HIPAA-AUTH", "HIPAA-NPP", "HIPAA-RESTRICTIONS",
    "HIPAA-RESEARCH", "HIPAA-SELF-PAY", "MDHHS-5515", "NYSSIPP", "VA-10-0484", "VA-10-0485",
    "VA-10-5345", "VA-10-5345A", "VA-10-5345A-MHV", "VA-10-10116", "VA-21-4142", "SSA-827",
    "DCH-3927", "SQUAXIN", "NL-LSP", "AT-ELGA", "NIH-HIPAA", "NCI", "NIH-GRDR", "NIH-527",
    "GA4GH",
})  # fmt: skip
STAFF_ACTORS: Final = frozenset({"Practitioner", "Organization", "Location", "CareTeam"})
OTHER_ACTORS: Final = frozenset({"Patient", "RelatedPerson", "Device"})
_KNOWN: Final = frozenset({
    "id", "type", "period", "actor", "action", "securityLabel", "purpose", "class", "code",
    "data", "dataPeriod", "provision",
})  # fmt: skip
_CLASS_SYSTEMS: Final = frozenset({
    "", "http://hl7.org/fhir/resource-types", "http://hl7.org/fhir/ValueSet/resource-types",
    "http://terminology.hl7.org/CodeSystem/fhir-types",
})  # fmt: skip
#: A chart without these is none, or they are no patient's: as classes they cannot be taken out.
_INSEPARABLE: Final = frozenset({
    "Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Consent",
})  # fmt: skip
#: What a reference stands for beside the resource itself can be found in resources that refer to
#: it; what it refers to itself ("related") cannot be told from another resource.
_MEANINGS: Final = frozenset({"instance", "dependents", "authoredby"})
DEPTH_MAX: Final = 16
#: Every resource is judged by all of them.
PROVISIONS_MAX: Final = 500
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_EARLIEST, _LATEST = -(2**62), 2**62
#: A date has no zone: for a day around its bounds it is not certain.
_ZONE: Final = timedelta(days=1)


class ConsentUnreadable(ValueError):
    """A provision is no JSON object, or something in it is of the wrong shape."""


class DataConditions(msgspec.Struct, frozen=True):
    """What a provision is about, as in :class:`chartloom.domain.withholding.Rule`. doubts: names
    of conditions that were not understood, and of elements that nobody knows here."""

    labels: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    codes: tuple[tuple[str, str], ...] | None = None
    data: tuple[tuple[str, str], ...] | None = None
    span: tuple[int, int, int, int] | None = None
    doubts: tuple[str, ...] = ()


def data_conditions(node: FhirJson) -> DataConditions:
    """What a provision says about data. Raises ``ConsentUnreadable``."""
    doubts = sorted(node.keys() - _KNOWN)
    labels = _labels(node, doubts) if "securityLabel" in node else None
    types = _types(node, doubts) if "class" in node else None
    codes = _codes(node, doubts) if "code" in node else None
    data = _data(node, doubts) if "data" in node else None
    span = _span(node, doubts) if "dataPeriod" in node else None
    return DataConditions(labels, types, codes, data, span, tuple(doubts))


def _labels(node: FhirJson, doubts: list[str]) -> tuple[str, ...] | None:
    said = [code(c) for c in items(node, "securityLabel")]
    known = tuple(sorted({cell for c in said for cell in _LABELS.get(c, ())}))
    if not said or any(c not in _LABELS for c in said):
        doubts.append("securityLabel")
        return known if node.get("type") == "permit" else None
    return known


def _types(node: FhirJson, doubts: list[str]) -> tuple[str, ...] | None:
    found = set()
    for coding in items(node, "class"):
        name, system = code(coding), obj(coding).get("system", "")
        if system in _CLASS_SYSTEMS and is_resource_type(name) and name not in _INSEPARABLE:
            found.add(name)
        else:
            found.clear()
            break
    if not found:
        doubts.append("class")
        return None
    return tuple(sorted(found))


def _codes(node: FhirJson, doubts: list[str]) -> tuple[tuple[str, str], ...] | None:
    found: list[tuple[str, str]] = []
    for concept in items(node, "code"):
        codings = items(obj(concept), "coding")
        mine = [(obj(c).get("system", ""), code(c)) for c in codings]
        if not mine or not all(isinstance(s, str) and c for s, c in mine):
            found.clear()
            break
        found += mine
    if not found:
        doubts.append("code")
        return None
    return tuple(sorted(set(found)))


def _data(node: FhirJson, doubts: list[str]) -> tuple[tuple[str, str], ...] | None:
    found: list[tuple[str, str]] = []
    for one in items(node, "data"):
        meaning = obj(one).get("meaning")
        reference = obj(obj(one).get("reference", {})).get("reference")
        kind, _, id = reference.partition("/") if isinstance(reference, str) else ("", "", "")
        if meaning not in _MEANINGS or not is_resource_type(kind) or not id or "/" in id:
            found.clear()
            break
        found.append((str(meaning), id))
    if not found:
        doubts.append("data")
        return None
    return tuple(sorted(set(found)))


def _span(node: FhirJson, doubts: list[str]) -> tuple[int, int, int, int] | None:
    period = obj(node["dataPeriod"])
    start, end = period.get("start"), period.get("end")
    bounds = [_EARLIEST, _EARLIEST, _LATEST, _LATEST]
    for at, text in ((0, start), (2, end)):
        if text is not None:
            two = _bound(text, last=at == 2)
            if two is None:
                doubts.append("dataPeriod")
                return None
            bounds[at : at + 2] = two
    if (start is None and end is None) or bounds[0] > bounds[3]:  # nothing lies between
        doubts.append("dataPeriod")
        return None
    return bounds[0], bounds[1], bounds[2], bounds[3]


def _bound(text: Any, *, last: bool) -> tuple[int, int] | None:
    """The earliest and the latest moment that a bound of a period may stand for."""
    if not isinstance(text, str):
        return None
    if len(text) > 10:
        exact = moment(text)
        return None if exact is None or exact.tzinfo is None else (_us(exact), _us(exact))
    parts = text.split("-")
    if [len(p) for p in parts] not in ([4], [4, 2], [4, 2, 2]) or not text.isascii():
        return None
    try:
        year, month, day = (*map(int, parts), 0, 0)[:3]
        month = month or (12 if last else 1)
        day = day or (monthrange(year, month)[1] if last else 1)
        first = datetime(year, month, day, tzinfo=_EPOCH.tzinfo)
        at = first + (_ZONE if last else timedelta())
        return _us(at - _ZONE), _us(at + _ZONE)
    except (ValueError, OverflowError):
        return None


def _us(when: datetime) -> int:
    return int((when - _EPOCH) / timedelta(microseconds=1))


# What cannot be interpreted, for who sent it


class BaseRule(StrEnum):
    """What a Consent says of all that its provisions do not speak of."""

    NONE = "none"
    OPT_IN = "opt-in"
    OPT_OUT = "opt-out"


def base_rule(consent: FhirJson) -> tuple[BaseRule, bool]:
    """``policyRule``, and whether it is understood.

    By code (v3-ActCode), however it is written and in whatever system; what says in other words
    that somebody opts out is believed, what says so of opting in is not.
    """
    rule = obj(consent.get("policyRule", {}))
    codings = [obj(c) for c in items(rule, "coding")]
    codes = {str(c.get("code", "")).upper() for c in codings if "code" in c}
    if codes & {"OPTOUT", "OPTOUTE"}:
        return BaseRule.OPT_OUT, True
    told = " ".join(str(x) for c in (rule, *codings) for x in map(c.get, _WORDS) if x)
    if _OPTS_OUT.search(told):
        return BaseRule.OPT_OUT, False
    if codes & {"OPTIN", "OPTINR"}:
        return BaseRule.OPT_IN, True
    return BaseRule.NONE, codes <= _POLICIES


def doubts_of(consent: FhirJson) -> list[str]:
    """JSON pointers of what in a Consent is not understood here."""
    found: list[str] = []
    try:
        if not base_rule(consent)[1]:
            found.append("/policyRule")
    except ConsentUnreadable:
        found.append("/policyRule")
    if "modifierExtension" in consent:
        found.append("/modifierExtension")
    if "provision" in consent:
        try:
            if too_many(consent["provision"]):
                return [*found, "/provision"]
            found += _doubts(obj(consent["provision"]), "/provision", 0)
        except ConsentUnreadable:
            found.append("/provision")
    return found


def _doubts(node: FhirJson, at: str, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX or node.get("type") not in ("permit", "deny", None):
        yield at
        return
    for name in data_conditions(node).doubts:
        yield f"{at}/{name}"
    if "period" in node and not all(
        _bound(bound, last=False) for bound in _bounds_said(node["period"])
    ):
        yield f"{at}/period"
    if any(not actor_known(obj(a)) for a in items(node, "actor")):
        yield f"{at}/actor"
    purposes = {code(c) for c in items(node, "purpose")}
    if not purposes <= OUR_PURPOSES | OTHER_PURPOSES:
        yield f"{at}/purpose"
    if not codes_of(items(node, "action")) <= SEEING | NOT_SEEING:
        yield f"{at}/action"
    for n, inner in enumerate(items(node, "provision")):
        yield from _doubts(obj(inner), f"{at}/provision/{n}", depth + 1)
    if node.get("type") != "permit" and any(not known(system) for system in _systems(node)):
        yield f"{at}/code"  # what it denies is looked for in all that says what it is otherwise


def wide_of(consent: FhirJson) -> list[str]:
    """JSON pointers of denied codes of systems that are known: each also withholds what may be the
    same and is named in words, or in another system's codes, only. Nothing of it is doubted."""
    try:
        root = consent.get("provision")
        return [] if root is None or too_many(root) else list(_wide(obj(root), "/provision", 0))
    except ConsentUnreadable:
        return []  # it is closed as a whole


def _wide(node: FhirJson, at: str, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        return
    if node.get("type") != "permit" and any(known(system) for system in _systems(node)):
        yield f"{at}/code"
    for n, inner in enumerate(items(node, "provision")):
        yield from _wide(obj(inner), f"{at}/provision/{n}", depth + 1)


def _systems(node: FhirJson) -> Iterator[str]:
    said = data_conditions(node).codes
    return (system for system, _ in said or () if system)


def too_many(root: Any) -> bool:
    """Whether a Consent has more provisions, or more codes, than are judged."""
    left, waiting = PROVISIONS_MAX, [root]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict):
            continue
        within, codes = node.get("provision"), node.get("code")
        waiting += within if isinstance(within, list) else ()
        left -= 1 + (len(codes) if isinstance(codes, list) else 0)
        if left < 0:
            return True
    return False


def _bounds_said(period: Any) -> list[Any]:
    return [b for b in (obj(period).get("start"), obj(period).get("end")) if b is not None]


def actor_known(actor: FhirJson) -> bool:
    """Whether it can be told who is meant."""
    reference = obj(actor.get("reference", {})).get("reference")
    if not isinstance(reference, str) or "/" not in reference:
        return False
    kind = reference.split("/")[-2]
    return kind in (STAFF_ACTORS - {"CareTeam"}) | OTHER_ACTORS and "://" not in reference


# Reading JSON of any shape


def obj(value: Any) -> FhirJson:
    """A JSON object. Raises ``ConsentUnreadable``."""
    if not isinstance(value, dict):
        raise ConsentUnreadable
    return value


def code(coding: Any) -> str:
    """The code of a Coding; "" if there is none."""
    found = obj(coding).get("code", "")
    if not isinstance(found, str):
        raise ConsentUnreadable
    return found


def items(node: FhirJson, name: str) -> list[Any]:
    """An element that repeats; none if it is not there."""
    value = node.get(name, [])
    if not isinstance(value, list):
        raise ConsentUnreadable
    return value


def codes_of(concepts: Iterable[Any]) -> set[str]:
    """All codes of some CodeableConcepts."""
    return {code(coding) for concept in concepts for coding in items(obj(concept), "coding")}
