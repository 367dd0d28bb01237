"""Numbers that many carry: fillers, and registers that repeat themselves a thousand times."""

from __future__ import annotations

import pytest

from chartloom.registry.directory import ITEMS_MAX, grouping
from chartloom.registry.directory.model import DirectoryKind, Statement
from chartloom.registry.directory.survive import golden_records


def said(i: int, name: str) -> Statement:
    return Statement(
        where=f"file:{i}",
        source="hr",
        kind=DirectoryKind.ORGANIZATION,
        key=str(i),
        identifiers=("urn:x|0",),
        attributes={"name": name},
        at="",
        until="",
    )


def test_a_number_that_many_strangers_carry_joins_nobody_and_is_asked_about_once() -> None:
    golden, questions = golden_records([said(i, f"Ward {i}q") for i in range(1000)], {})
    (question,) = questions
    assert len(golden) == 1000
    assert question.code == "directory-number-shared"
    assert len(question.items) == ITEMS_MAX  # more could not be answered


@pytest.mark.parametrize("names", [1, 3])
def test_names_are_compared_and_not_statements(names: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    real = grouping._differ
    monkeypatch.setattr(grouping, "_differ", lambda a, b: compared.append(1) or real(a, b))
    golden, _ = golden_records([said(i, f"Ward {i % names}q") for i in range(1000)], {})
    assert len(golden) == 1
    assert len(compared) < 3000
