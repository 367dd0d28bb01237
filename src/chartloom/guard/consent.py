"""What a patient's FHIR R4 Consents withhold from, or open to, somebody who asks.

Conservative: a provision that is not wholly understood withholds if it denies, and opens nothing if
it permits; a Consent that cannot be read at all withholds everything. Several Consents add up to
the strictest. Emergencies are not decided here: a policy says that they go before.

A Consent about whole labels, or everything, is an answer for the policies. One that picks out
classes, codes, single things or times becomes a :class:`Withholding`, which whatever reads judges
resource by resource (:mod:`chartloom.guard.withholding`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final

import msgspec

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import OF_THE_PERSON
from chartloom.domain.resource import FhirJson
from chartloom.domain.withholding import DENY, NONE, OPEN, PERMIT, Rule, Withholding
from chartloom.formats.fhir.consents import (
    ALL_CELLS,
    DEPTH_MAX,
    NORMAL,
    NOT_SEEING,
    OTHER_ACTORS,
    OTHER_PURPOSES,
    OUR_PURPOSES,
    SEEING,
    STAFF_ACTORS,
    BaseRule,
    ConsentUnreadable,
    base_rule,
    code,
    codes_of,
    data_conditions,
    items,
    obj,
    too_many,
)
from chartloom.guard.denied_drugs import denied_drugs
from chartloom.guard.withholding import effect_on_cell

#: In ``ConsentFacts.denied``: everything.
EVERYTHING: Final = "*"
_OF_THE_PERSON: Final = frozenset(label.value for label in OF_THE_PERSON)


class ConsentFacts(msgspec.Struct, frozen=True):
    """For ``PersonFacts``. denied: labels, or everything.

    permitted: labels that a provision names expressly; a general consent opens no label.
    withheld: what is finer than that; the readers hold it.
    """

    denied: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    withheld: tuple[Withholding, ...] = ()


class _Match(IntEnum):
    NO = 0
    MAYBE = 1
    YES = 2


#: Codes of purposes of use (v3-ActReason) that speak about one of ours, and their children's.
_SCOPE: Final = "http://terminology.hl7.org/CodeSystem/consentscope"
_PURPOSES: Final[dict[Purpose, frozenset[str]]] = {
    Purpose.TREATMENT: frozenset({"TREAT", "PurposeOfUse", "TREATMENT"}),
    Purpose.OPERATIONS: frozenset({"HOPERAT", "PurposeOfUse"}),
    Purpose.QUALITY: frozenset({"HQUALIMP", "HOPERAT", "PurposeOfUse"}),
    Purpose.RESEARCH: frozenset({"HRESCH", "RESEARCH", "CLINTRCH", "PurposeOfUse"}),
    Purpose.BREAK_GLASS: frozenset({"BTG", "ETREAT", "TREAT", "PurposeOfUse"}),
}
_DAY_US: Final = 86_400_000_000
_DENIED: Final = Rule(DENY)


class Asking(msgspec.Struct, frozen=True):
    """Who asks, as directories and Consents name people and houses.

    ids: of the practitioner records and departments of the asker, and of what these are part of.
    perhaps: of records that may be the same person's. told: types of which it is known who of them
    the asker is. known: ids that the directory has; of any other nobody can say that it is somebody
    else.
    """

    ids: frozenset[str] = frozenset()
    perhaps: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()


class _Asker(msgspec.Struct, frozen=True):
    who: Asking
    purpose: Purpose
    now_us: int


def consent_facts(
    consents: Iterable[FhirJson],
    who: Asking,
    purpose: Purpose,
    now_us: int,
    source_patients: Sequence[str] = (),
) -> ConsentFacts:
    """What the patient's Consents mean for one who asks.

    now_us: UTC. source_patients: whose data the Consents are about.
    """
    asker = _Asker(who, purpose, now_us)
    denied, permitted, withheld = set[str](), set[str](), list[Withholding]()
    for consent in consents:
        found = _read(consent, asker, tuple(source_patients))
        if found is None:
            continue
        effects = {cell: effect_on_cell(found, cell) for cell in ALL_CELLS}
        closed = {cell for cell, effect in effects.items() if effect == DENY}
        every = list(_all(found.rules))
        if any(rule.fine for rule in every):
            withheld.append(found)
            if any(_reopens(rule) for rule in every):  # what of a label is closed, is not the label
                closed &= _OF_THE_PERSON
        denied |= closed
        permitted |= {cell for cell, effect in effects.items() if effect == PERMIT}
    if NORMAL in denied:
        return ConsentFacts(frozenset({EVERYTHING}), frozenset(), tuple(withheld))
    opened = permitted - denied - {NORMAL}
    return ConsentFacts(frozenset(denied), frozenset(opened), tuple(withheld))


def while_anew(said: ConsentFacts, opening: ConsentFacts) -> ConsentFacts:
    """What holds while everything is derived anew: all denials of before and of now.

    opening: of those Consents alone whose permits count; others are told in part only. What is
    withheld by class closes all: what a thing is may be told later than the thing.
    """
    denied = frozenset({EVERYTHING}) if said.withheld else said.denied
    opened = frozenset() if EVERYTHING in denied else opening.permitted - denied
    return ConsentFacts(denied, opened, said.withheld)


def _all(rules: Iterable[Rule]) -> Iterator[Rule]:
    for rule in rules:
        yield rule
        yield from _all(rule.inner)


def _reopens(rule: Rule) -> bool:
    """Whether single things may be open of a label, or of everything, that is closed."""
    return rule.fine and any(r.effect in (OPEN, PERMIT) for r in _all((rule,)))


def _read(consent: FhirJson, asker: _Asker, patients: tuple[str, ...]) -> Withholding | None:
    """``None`` if the Consent says nothing about this question."""
    try:
        if consent.get("status") != "active" or not _in_scope(consent, asker):
            return None
        base = _base(consent)
        if "modifierExtension" in consent:
            return Withholding(patients, DENY, (_DENIED,))
        root = consent.get("provision")
        if too_many(root):
            raise ConsentUnreadable
        rule = None if root is None else _rule(obj(root), asker, 0)
    except ConsentUnreadable:
        return Withholding(patients, DENY, (_DENIED,))
    return Withholding(patients, base, (rule,) if rule is not None else ())


def _in_scope(consent: FhirJson, asker: _Asker) -> bool:
    codes = _scopes(consent.get("scope"))
    if codes & {"adr", "treatment"} and "patient-privacy" not in codes:
        return False  # advance directives, consents to a procedure
    if codes == {"research"}:
        return asker.purpose is Purpose.RESEARCH
    return True


def _scopes(scope: object) -> set[str]:
    """The codes of a scope, if they are of the system that has these, or of none."""
    codings = items(obj(scope), "coding") if scope is not None else []
    return {code(c) for c in codings if obj(c).get("system", _SCOPE) == _SCOPE}


def _base(consent: FhirJson) -> str:
    rule, _ = base_rule(consent)
    return {BaseRule.OPT_OUT: DENY, BaseRule.OPT_IN: OPEN}.get(rule, NONE)


def _rule(node: FhirJson, asker: _Asker, depth: int) -> Rule | None:
    """A provision with its exceptions; ``None`` if it is not about this question."""
    if depth > DEPTH_MAX:
        raise ConsentUnreadable
    match = _match(node, asker)
    if match is _Match.NO:
        return None
    kind = node.get("type")
    if kind not in ("permit", "deny", None):
        raise ConsentUnreadable
    about = data_conditions(node)
    fine = any(c is not None for c in (about.types, about.codes, about.data, about.span))
    labels, doubts = about.labels, set(about.doubts)
    if kind == "permit":  # of several labels, those that are known are opened
        doubts.discard("securityLabel")
    elif fine and labels is not None and not _OF_THE_PERSON.isdisjoint(labels):
        labels = None  # nothing in the chart carries these
    opens = OPEN if labels is None or fine else PERMIT
    effect = {"deny": DENY, "permit": opens}.get(str(kind), NONE)
    inner = (_rule(obj(child), asker, depth + 1) for child in items(node, "provision"))
    return Rule(
        effect,
        labels,
        about.types,
        about.codes,
        about.data,
        about.span,
        fine,
        match is _Match.YES and not doubts,
        tuple(rule for rule in inner if rule is not None),
        denied_drugs(map(obj, items(node, "code"))) if about.codes else None,
    )


def _match(node: FhirJson, asker: _Asker) -> _Match:
    """Whether a provision is about this question."""
    return min(
        _period(node, asker.now_us),
        _actors(node, asker.who),
        _purposes(node, asker.purpose),
        _actions(node),
    )


def _period(node: FhirJson, now_us: int) -> _Match:
    if "period" not in node:
        return _Match.YES
    period = obj(node["period"])
    start, end = period.get("start"), period.get("end")
    for bound in (start, end):
        if bound is not None and not to_us(bound):
            return _Match.MAYBE
    if start is not None and end is not None and to_us(start) > to_us(end) + _days(end) * _DAY_US:
        return _Match.MAYBE  # nothing lies between: one of them is wrong
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


def _actors(node: FhirJson, who: Asking) -> _Match:
    if "actor" not in node:
        return _Match.YES
    return max((_actor(obj(a), who) for a in items(node, "actor")), default=_Match.MAYBE)


def _actor(actor: FhirJson, who: Asking) -> _Match:
    """Whether the asker is meant. That somebody else is, is said only where it is known who the
    asker is, and who that is."""
    reference = obj(actor.get("reference", {})).get("reference")
    if not isinstance(reference, str) or "/" not in reference:
        return _Match.MAYBE
    kind, id = reference.split("/")[-2:]
    if kind in OTHER_ACTORS:
        return _Match.NO
    if kind in STAFF_ACTORS and id in who.ids:
        return _Match.YES
    sure = kind in who.told and id in who.known and id not in who.perhaps
    return _Match.NO if sure and "://" not in reference else _Match.MAYBE


def _purposes(node: FhirJson, purpose: Purpose) -> _Match:
    if "purpose" not in node:
        return _Match.YES
    codes = {code(c) for c in items(node, "purpose")}
    if codes & _PURPOSES[purpose]:
        return _Match.YES
    return _Match.NO if codes and codes <= OUR_PURPOSES | OTHER_PURPOSES else _Match.MAYBE


def _actions(node: FhirJson) -> _Match:
    if "action" not in node:
        return _Match.YES
    codes = codes_of(items(node, "action"))
    if codes & SEEING:
        return _Match.YES
    return _Match.NO if codes and codes <= NOT_SEEING else _Match.MAYBE
