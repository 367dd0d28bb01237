"""One decision about two records: link, review or new, with what it rests on."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from chartloom.registry.persons.compare import compare
from chartloom.registry.persons.comparison import Comparison
from chartloom.registry.persons.guards import (
    BIRTH_AGREES,
    FAMILY_APART,
    GIVEN_AGREES,
    OVERLAY,
    Guard,
    all_anew,
    guard,
    written_over,
)
from chartloom.registry.persons.parameters import Parameters
from chartloom.registry.persons.population import thresholds
from chartloom.registry.persons.record import MatchRecord
from chartloom.registry.persons.weigh import contributions, weigh


class Outcome(StrEnum):
    """What is done about a pair."""

    LINK = "link"  #: one person
    REVIEW = "review"  #: somebody has to look
    NEW = "new"  #: nothing says that they are one person


class Decision(msgspec.Struct, frozen=True, gc=False):
    """About a pair, without its names. weight: bits; rule: what decided (``record-number``,
    ``national-number``, ``score``); guard: what held it back, or ""; apart: the two must not come
    into one cluster; comparison: the levels, for :func:`evidence`."""

    outcome: Outcome
    weight: float
    rule: str
    guard: str
    apart: bool
    comparison: Comparison


def decide(a: MatchRecord, b: MatchRecord, parameters: Parameters) -> Decision:
    """What two records and the parameters say, and nothing else: no other records, no order."""
    c = compare(a, b, parameters)
    weight = weigh(c, parameters)
    held = guard(a, b, c)
    rule = _rule(c)
    link, review = thresholds(c, parameters)
    if held is None:
        linked = rule != "score" or weight >= link
        outcome = Outcome.LINK if linked else _else(weight, review)
    else:
        outcome = _held(held, weight, link, review)
    name, apart = (held.name, held.apart) if held is not None else ("", False)
    return Decision(outcome, round(weight, 3), rule, name, apart, c)


def kept_apart(a: MatchRecord, b: MatchRecord, parameters: Parameters) -> str:
    """The guard that keeps two out of one cluster, or "": ``decide`` without its weight."""
    held = guard(a, b, compare(a, b, parameters))
    return held.name if held is not None and held.apart else ""


def _rule(c: Comparison) -> str:
    if c.record == "same":
        return "record-number"
    if c.national == "same" and c.birth in BIRTH_AGREES and c.given in GIVEN_AGREES:
        return "national-number"
    return "score"


def _held(held: Guard, weight: float, link: float, review: float) -> Outcome:
    if held is OVERLAY:
        return Outcome.REVIEW
    if held.link_bits is not None and weight >= link + held.link_bits:
        return Outcome.LINK
    seen = held.review and weight >= review + held.review_bits
    return Outcome.REVIEW if seen else Outcome.NEW


def _else(weight: float, review: float) -> Outcome:
    return Outcome.REVIEW if weight >= review else Outcome.NEW


class Evidence(msgspec.Struct, frozen=True):
    """What a decision rests on, to be kept and shown. Levels and bits only: no values of anybody.

    fields: field -> (level, bits). parameters: their fingerprint.
    """

    outcome: Outcome
    weight: float
    rule: str
    guard: str
    fields: dict[str, tuple[str, float]]
    parameters: str


def evidence(decision: Decision, parameters: Parameters) -> Evidence:
    """The evidence of a decision."""
    return Evidence(
        decision.outcome,
        decision.weight,
        decision.rule,
        decision.guard,
        contributions(decision.comparison, parameters),
        parameters.fingerprint,
    )


_SAYS_NOTHING: Final = frozenset({"missing", "different"})


def is_overlay(before: MatchRecord, after: MatchRecord, parameters: Parameters) -> bool:
    """Whether an update turns a source patient's record into somebody else.

    Only what one source says of one of its patients at two times is asked about. People marry,
    move, are corrected; nobody changes given name and date of birth at once, or both names and
    sex, or both names and the number that a state gave them, or everything but the given name.
    """
    if before.kind != after.kind:
        return False
    c = compare(before, after, parameters)
    if c.births or written_over(c):
        return True
    if not before.givens or not after.givens:
        return False
    if c.given not in ("different", "similar"):
        return False
    if all_anew(c) and not (c.national == "same" and c.birth == "exact"):
        return True
    if c.national == "same":
        # A number that was not written over with the rest does not make one person of two.
        return c.birth == "different" and c.family in FAMILY_APART and c.given == "different"
    if c.birth in ("different", "year"):
        return c.sex == "different" or not (c.home == "same" and c.phone == "same")
    return c.birth == "missing" and c.family == "different" and c.sex == "different"
