"""What people say of sensitivity labels: that a thing carries one, or that it was set wrongly.

One person suffices to set a label, for it protects. Lifting opens, so it takes two: the label is
gone once two different people said so, after whoever set it last. What counts depends on the set of
words only, not on the order in which they are heard.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from chartloom.domain.labels import BIT, Label

#: How many people have to say that a label was set wrongly.
LIFT_PEOPLE: Final = 2


class LabelSaid(StrEnum):
    """What is said of one label of one thing."""

    SET = "set"
    LIFT = "lift"


class LabelReason(StrEnum):
    """Why. Codes: no text of anybody's stands in the record of access."""

    RULE_WRONG = "rule-wrong"  #: what it says is not of this kind; a rule took it for that
    SOURCE_WRONG = "source-wrong"  #: the sending system labelled it by mistake
    RULE_MISSED = "rule-missed"  #: it is of this kind, and no rule saw it
    ASKED_BY_PATIENT = "asked-by-patient"
    NOT_ANY_MORE = "not-any-more"  #: no celebrity, or not employed, any more
    SAID_BY_MISTAKE = "said-by-mistake"


#: Which reasons fit what is said.
REASONS: Final[dict[LabelSaid, tuple[LabelReason, ...]]] = {
    LabelSaid.SET: (
        LabelReason.RULE_MISSED,
        LabelReason.ASKED_BY_PATIENT,
        LabelReason.SAID_BY_MISTAKE,
    ),
    LabelSaid.LIFT: (
        LabelReason.RULE_WRONG,
        LabelReason.SOURCE_WRONG,
        LabelReason.NOT_ANY_MORE,
        LabelReason.SAID_BY_MISTAKE,
    ),
}


class LabelWord(msgspec.Struct, frozen=True, array_like=True):
    """One person's word about one label of one resource (a Patient: of the person).

    by: actor id. event_us, position: when it was said and of which message; 0 until it is merged.
    """

    label: Label
    said: LabelSaid
    by: str
    reason: LabelReason
    event_us: int = 0
    position: int = 0

    @property
    def key(self) -> str:
        """Of each person the last word of either kind about a label counts: who set it does not
        undo that alone, by wanting it lifted."""
        return f"{self.label}:{self.said}:{self.by}"

    @property
    def at(self) -> tuple[int, int]:
        """Orders words."""
        return (self.event_us, self.position)


class Standing(msgspec.Struct, frozen=True):
    """Where words leave the labels of a thing: masks. asked: one person wants it lifted, and it
    takes a second."""

    added: int = 0
    lifted: int = 0
    asked: int = 0

    def over(self, said: int) -> int:
        """The labels of a thing of which messages said these."""
        return (said & ~self.lifted) | self.added


def standing(words: Iterable[LabelWord]) -> Standing:
    """What words come to; one of each :attr:`LabelWord.key`."""
    of: dict[Label, list[LabelWord]] = {}
    for word in words:
        of.setdefault(word.label, []).append(word)
    added = lifted = asked = 0
    for label, said in of.items():
        bit, wanting = BIT[label], wanting_lift(said)
        if len(wanting) >= LIFT_PEOPLE:
            lifted |= bit
            continue
        if wanting:
            asked |= bit
        if any(w.said is LabelSaid.SET for w in said):
            added |= bit
    return Standing(added, lifted, asked)


def wanting_lift(said: Iterable[LabelWord]) -> list[LabelWord]:
    """Of words about one label, those that want it lifted and came after it was set last."""
    words = list(said)
    last_set = max((w.at for w in words if w.said is LabelSaid.SET), default=(-1, -1))
    return [w for w in words if w.said is LabelSaid.LIFT and w.at > last_set]
