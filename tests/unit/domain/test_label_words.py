"""What people's words about the labels of a thing come to: each condition alone."""

from __future__ import annotations

import pytest

from chartloom.domain.label_words import (
    LabelReason,
    LabelSaid,
    LabelWord,
    Standing,
    standing,
    wanting_lift,
)
from chartloom.domain.labels import BIT, Label

SET, LIFT = LabelSaid.SET, LabelSaid.LIFT
HIV = BIT[Label.HIV]


def word(said: LabelSaid, by: str, at: int, label: Label = Label.HIV) -> LabelWord:
    return LabelWord(label, said, by, LabelReason.SAID_BY_MISTAKE, at, at)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Standing()),
        ([word(SET, "ann", 1)], Standing(added=HIV)),
        ([word(LIFT, "ann", 1)], Standing(asked=HIV)),
        ([word(SET, "ann", 1), word(LIFT, "ben", 2)], Standing(added=HIV, asked=HIV)),
        ([word(LIFT, "ben", 1), word(SET, "ann", 2)], Standing(added=HIV)),
        ([word(LIFT, "ann", 1), word(LIFT, "ben", 2)], Standing(lifted=HIV)),
        (
            [word(LIFT, "ann", 1), word(LIFT, "ben", 2, Label.PSY)],
            Standing(asked=HIV | BIT[Label.PSY]),
        ),
    ],
)
def test_where_words_leave_a_label(words: list[LabelWord], expected: Standing) -> None:
    assert standing(words) == expected


def test_only_words_that_want_it_lifted_since_it_was_set_count() -> None:
    early, late = word(LIFT, "ann", 1), word(LIFT, "ben", 3)
    assert wanting_lift([early, word(SET, "cy", 2), late]) == [late]
    assert wanting_lift([early, late]) == [early, late]
    assert wanting_lift([word(SET, "cy", 9), early]) == []
