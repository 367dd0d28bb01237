"""Whose word answers the Issue of a message: one that says of these numbers who or what it is."""

from __future__ import annotations

import pytest

from chartloom.normalize.resolving import UNRESOLVED
from chartloom.registry.directory import About, Said, Word
from chartloom.serve.answered import _is_about

KIND = "Practitioner"
OTHER = next(kind for kind in UNRESOLVED if kind != KIND)


@pytest.mark.parametrize(
    ("kind", "said", "number", "answers"),
    [
        (KIND, Said.SAME, "s|7", True),
        (KIND, Said.DIFFERENT, "s|7", False),
        (KIND, Said.WITHDRAW, "s|7", False),
        (KIND, Said.SAME, "s|8", False),
        (OTHER, Said.SAME, "s|7", False),
    ],
)
def test_a_word_answers_what_it_is_about(kind: str, said: Said, number: str, answers: bool) -> None:
    word = Word(About(UNRESOLVED[kind], kind, "", (number,)), said, "lena", 5)
    assert _is_about(word, KIND, {"s|7", "s|9"}) is answers
