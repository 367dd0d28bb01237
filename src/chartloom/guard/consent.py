"""What a patient's FHIR R4 Consents withhold from, or open to, somebody who asks.

Conservative: a provision that is not wholly understood withholds if it denies, and opens nothing if
it permits; a Consent that cannot be read at all withholds everything. Several Consents add up to
the strictest. Emergencies are not decided here: a policy says that they go before.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Final

import msgspec

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.domain.resource import FhirJson

#: In ``ConsentFacts.denied``: everything.
EVERYTHING: Final = "*"
#: The cell of data without labels.
_NORMAL: Final = ""
_CELLS: Final = frozenset({_NORMAL, *(label.value for label in Label)})


class ConsentFacts(msgspec.Struct, frozen=True):
    """For ``PersonFacts``. hidden_types: resource types withheld as a class; the readers hold it.

    permitted: labels that a provision names expressly; a general consent opens no label.
    """

    denied: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    hidden_types: frozenset[str] = frozenset()


class _Match(IntEnum):
    NO = 0
    MAYBE = 1
    YES = 2


class _Effect(IntEnum):
    NONE = 0
    OPEN = 1  #: not withheld
    PERMIT = 2  #: expressly opened
    DENY = 3


class _NotUnderstood(ValueError):
    pass


#: Codes of purposes of use (v3-ActReason) that speak about one of ours, and their children's.
_PURPOSES: Final[dict[Purpose, frozenset[str]]] = {
    Purpose.TREATMENT: frozenset({"TREAT", "PurposeOfUse", "TREATMENT"}),
    Purpose.OPERATIONS: frozenset({"HOPERAT", "PurposeOfUse"}),
    Purpose.QUALITY: frozenset({"HQUALIMP", "HOPERAT", "PurposeOfUse"}),
    Purpose.RESEARCH: frozenset({"HRESCH", "RESEARCH", "CLINTRCH", "PurposeOfUse"}),
    Purpose.BREAK_GLASS: frozenset({"BTG", "ETREAT", "TREAT", "PurposeOfUse"}),
}
_KNOWN_PURPOSES: Final = frozenset().union(*_PURPOSES.values()) | {
    "HPAYMT", "HMARKT", "PUBHLTH", "PATRQT", "PATADMIN", "HDIRECT", "HSYSADMIN", "HLEGAL",
    "HOUTCOMS", "HPRGRP", "FAMRQT", "PWATRNY", "SUPNWK", "COVERAGE", "DISASTER", "THREAT",
}  # fmt: skip
_SEEING: Final = frozenset({"access", "use", "disclose"})
_NOT_SEEING: Final = frozenset({"collect", "correct"})
_LABELS: Final[dict[str, frozenset[str]]] = {
    **{label.value: frozenset({label.value}) for label in Label},
    "R": _CELLS - {_NORMAL},
    "V": _CELLS - {_NORMAL},
    "SUD": frozenset({"ETH"}),
    "ETHUD": frozenset({"ETH"}),
    "OPIOIDUD": frozenset({"ETH"}),
    "BH": frozenset({"PSY", "ETH"}),
    "MH": frozenset({"PSY"}),
    "STD": frozenset({"SEX"}),
    "VIO": frozenset({"SDV"}),
    "CEL": frozenset({"VIP"}),
}
_KNOWN: Final = frozenset({
    "id", "type", "period", "actor", "action", "securityLabel", "purpose", "class", "provision",
})  # fmt: skip
#: Conditions that pick single things out of the chart; nothing here can.
_FINE: Final = frozenset({"code", "data", "dataPeriod"})
_OTHER_ACTORS: Final = frozenset({"Patient", "RelatedPerson", "Device"})
_STAFF_ACTORS: Final = frozenset({"Practitioner", "Organization", "Location", "CareTeam"})
_DEPTH_MAX = 16
_DAY_US = 86_400_000_000


class _Asker(msgspec.Struct, frozen=True):
    ids: frozenset[str]
    purpose: Purpose
    now_us: int


class _State:
    """What one Consent does to each cell and to classes of data."""

    def __init__(self) -> None:
        self.cells = dict.fromkeys(_CELLS, _Effect.NONE)
        self.hidden: set[str] = set()

    def put(self, cells: Iterable[str], effect: _Effect) -> None:
        for cell in cells:
            self.cells[cell] = effect


def consent_facts(
    consents: Iterable[FhirJson], asker_ids: frozenset[str], purpose: Purpose, now_us: int
) -> ConsentFacts:
    """What the patient's Consents mean for one who asks.

    asker_ids: ids of the practitioner records and departments of the asker. now_us: UTC.
    """
    asker = _Asker(asker_ids, purpose, now_us)
    states = [state for consent in consents if (state := _read(consent, asker)) is not None]
    denied = {c for s in states for c, e in s.cells.items() if e is _Effect.DENY}
    permitted = {c for s in states for c, e in s.cells.items() if e is _Effect.PERMIT} - denied
    hidden = frozenset(t for s in states for t in s.hidden)
    if _NORMAL in denied:
        return ConsentFacts(frozenset({EVERYTHING}), frozenset(), hidden)
    return ConsentFacts(frozenset(denied), frozenset(permitted - {_NORMAL}), hidden)


def _read(consent: FhirJson, asker: _Asker) -> _State | None:
    """``None`` if the Consent says nothing about this question."""
    state = _State()
    try:
        if consent.get("status") != "active" or not _in_scope(consent, asker):
            return None
        root = consent.get("provision")
        base = _base(consent, root)
        if base is not _Effect.NONE:
            state.put(_CELLS, base)
        if "modifierExtension" in consent:
            raise _NotUnderstood
        if root is not None:
            _apply(_object(root), state, asker, _CELLS, 0)
    except _NotUnderstood:
        state.put(_CELLS, _Effect.DENY)
    return state


def _in_scope(consent: FhirJson, asker: _Asker) -> bool:
    codes = _codes([consent["scope"]]) if "scope" in consent else set()
    if codes & {"adr", "treatment"} and "patient-privacy" not in codes:
        return False  # advance directives, consents to a procedure
    if codes == {"research"}:
        return asker.purpose is Purpose.RESEARCH
    return True


def _base(consent: FhirJson, root: Any) -> _Effect:
    rule = _codes([consent["policyRule"]]) if "policyRule" in consent else set()
    if rule & {"OPTOUT", "OPTOUTE"}:
        return _Effect.DENY
    if rule & {"OPTIN", "OPTINR"}:
        return _Effect.OPEN
    return _Effect.NONE


def _apply(node: FhirJson, state: _State, asker: _Asker, outer: frozenset[str], depth: int) -> None:
    """A provision, then its exceptions: permits first, so that among them a denial wins."""
    if depth > _DEPTH_MAX:
        raise _NotUnderstood
    match = _match(node, asker)
    if match is _Match.NO:
        return
    kind = node.get("type")
    if kind not in ("permit", "deny", None):
        raise _NotUnderstood
    named = _cells(node)
    cells = outer if named is None else named & outer
    if kind == "deny":
        _deny(node, state, _CELLS if _FINE & node.keys() else cells, named is None)
    elif kind == "permit" and match is _Match.YES and not ({"class"} | _FINE) & node.keys():
        state.put(cells, _Effect.OPEN if named is None else _Effect.PERMIT)
    inner = [_object(p) for p in _list(node, "provision")]
    for child in sorted(inner, key=lambda p: p.get("type") != "permit"):
        _apply(child, state, asker, cells, depth + 1)


def _deny(node: FhirJson, state: _State, cells: frozenset[str], everything: bool) -> None:
    types = {_code(c) for c in _list(node, "class")}
    if types and everything and not _FINE & node.keys() and all(_is_type(t) for t in types):
        state.hidden |= types
    else:
        state.put(cells, _Effect.DENY)


def _is_type(code: str) -> bool:
    return code.isalpha() and code[:1].isupper()


def _match(node: FhirJson, asker: _Asker) -> _Match:
    """Whether a provision is about this question."""
    found = [
        _period(node, asker.now_us),
        _actors(node, asker.ids),
        _purposes(node, asker.purpose),
        _actions(node),
    ]
    if node.keys() - _KNOWN - _FINE:  # a modifierExtension, or what a later version knows
        found.append(_Match.MAYBE)
    return min(found)


def _period(node: FhirJson, now_us: int) -> _Match:
    if "period" not in node:
        return _Match.YES
    period = _object(node["period"])
    start, end = period.get("start"), period.get("end")
    for bound in (start, end):
        if bound is not None and not to_us(bound):
            return _Match.MAYBE
    if start is not None and now_us < to_us(start) - _DAY_US * (len(start) <= 10):
        return _Match.NO
    if end is not None and now_us > to_us(end) + _DAY_US * _days(end):
        return _Match.NO
    # A date has no zone: for a day around its bounds it is not certain.
    exact = all(b is None or len(b) > 10 for b in (start, end))
    inside = (start is None or now_us >= to_us(start) + _DAY_US) and (
        end is None or now_us <= to_us(end) - _DAY_US
    )
    return _Match.YES if exact or inside else _Match.MAYBE


def _days(date: str) -> int:
    """How many days a partial date stands for, and one for its unknown zone."""
    return {4: 367, 7: 32, 10: 2}.get(len(date), 0)


def _actors(node: FhirJson, ids: frozenset[str]) -> _Match:
    if "actor" not in node:
        return _Match.YES
    return max((_actor(_object(a), ids) for a in _list(node, "actor")), default=_Match.MAYBE)


def _actor(actor: FhirJson, ids: frozenset[str]) -> _Match:
    reference = _object(actor.get("reference", {})).get("reference")
    if not isinstance(reference, str) or "/" not in reference:
        return _Match.MAYBE
    kind, id = reference.split("/")[-2:]
    if id in ids and kind in _STAFF_ACTORS:
        return _Match.YES
    if kind in _OTHER_ACTORS or (kind in _STAFF_ACTORS - {"CareTeam"} and "://" not in reference):
        return _Match.NO
    return _Match.MAYBE


def _purposes(node: FhirJson, purpose: Purpose) -> _Match:
    if "purpose" not in node:
        return _Match.YES
    codes = {_code(c) for c in _list(node, "purpose")}
    if codes & _PURPOSES[purpose]:
        return _Match.YES
    return _Match.NO if codes and codes <= _KNOWN_PURPOSES else _Match.MAYBE


def _actions(node: FhirJson) -> _Match:
    if "action" not in node:
        return _Match.YES
    codes = _codes(_list(node, "action"))
    if codes & _SEEING:
        return _Match.YES
    return _Match.NO if codes and codes <= _NOT_SEEING else _Match.MAYBE


def _cells(node: FhirJson) -> frozenset[str] | None:
    """The labels a provision names; ``None`` if it names none. Unknown ones: see the module."""
    if "securityLabel" not in node:
        return None
    codes = [_code(c) for c in _list(node, "securityLabel")]
    known = [_LABELS[c] for c in codes if c in _LABELS]
    if len(known) != len(codes) or not codes:
        if node.get("type") == "permit":
            return frozenset().union(*known)
        return _CELLS
    return frozenset().union(*known)


def _object(value: Any) -> FhirJson:
    if not isinstance(value, dict):
        raise _NotUnderstood
    return value


def _code(coding: Any) -> str:
    code = _object(coding).get("code", "")
    if not isinstance(code, str):
        raise _NotUnderstood
    return code


def _list(node: FhirJson, name: str) -> list[Any]:
    value = node.get(name, [])
    if not isinstance(value, list):
        raise _NotUnderstood
    return value


def _codes(concepts: Iterable[Any]) -> set[str]:
    found = set()
    for concept in concepts:
        for coding in _list(_object(concept), "coding"):
            found.add(_code(coding))
    return found
