"""Every level, guard, reason and cause has words; how rare a name is, is said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import chartloom.registry.persons.guards as guards
from chartloom.domain.identity import IdentityDecision
from chartloom.domain.resource import LinkKind
from chartloom.registry.persons import LEVELS, default_parameters
from chartloom.serve.identity import reason_for, reasons
from chartloom.serve.identity.drawings import bar, scale
from chartloom.serve.identity.evidence_words import CAUSES, REASONS, SEEN, seen, signed, verdict

PARAMETERS = default_parameters()


def decision(fields: dict[str, tuple[str, float]], weight: float = 20.0) -> IdentityDecision:
    return IdentityDecision(
        ("a", "b"), "review", weight, "score", "", fields, PARAMETERS.fingerprint
    )


def test_every_level_of_every_field_has_a_sentence() -> None:
    for field, levels in LEVELS.items():
        assert set(SEEN[field]) == set(levels) - {"missing"}, field


def test_every_guard_and_every_reason_has_words() -> None:
    named = {g.name for g in vars(guards).values() if isinstance(g, guards.Guard)}
    assert named <= set(REASONS)
    assert {"score", "said-apart", "overlay"} <= set(REASONS)


def test_causes_are_those_of_the_noun() -> None:
    import chartloom.domain.identity as identity

    text = Path(identity.__file__).read_text(encoding="utf-8")
    told = text[text.index("cause: ``first``") : text.index("position: of the message that caused")]
    assert set(re.findall(r"``([a-z-]+)``", told)) == set(CAUSES)


def test_what_says_most_comes_first_and_rare_names_are_called_rare() -> None:
    weights = PARAMETERS.weights
    usual = weights["family"]["exact"]
    fields = {
        "sex": ("same", 1.0),
        "family": ("exact", usual + 2.5),
        "birth": ("different", -7.6),
    }
    found = seen(decision(fields), PARAMETERS)
    assert [s.field for s in found] == ["family", "birth", "sex"]
    assert found[0].sentence == "The family names are the same, and rare"
    common = seen(decision({"family": ("exact", usual - 1.5)}), PARAMETERS)
    assert common[0].sentence.endswith("but common")
    unknown = seen(decision({"family": ("exact", usual + 2.5)}), None)
    assert unknown[0].sentence == "The family names are the same"


def test_signs() -> None:
    assert [signed(b) for b in (9.21, -3.04, 0.0, -0.01)] == [
        "+9.2",
        "\N{MINUS SIGN}3.0",
        "±0.0",
        "±0.0",
    ]


@pytest.mark.parametrize("weight", [-100.0, 12.0, 17.9, 18.0, 400.0])
def test_drawings_stay_within_their_frame(weight: float) -> None:
    for picture in (bar(weight), scale(weight, PARAMETERS.review, PARAMETERS.link)):
        width = int(re.findall(r"viewBox=\"0 0 (\d+)", picture)[0])
        for x, w in re.findall(r'x="([\d.-]+)" y="\d+" width="([\d.-]+)"', picture):
            assert 0 <= float(x) <= float(x) + float(w) <= width + 0.1
    assert verdict(decision({}, weight), PARAMETERS.link, PARAMETERS.review).startswith(
        "The weight"
    )


def test_a_reason_that_does_not_fit_gives_way_to_the_usual_one() -> None:
    link, apart, back = LinkKind.LINK, LinkKind.UNLINK, LinkKind.WITHDRAW
    assert reason_for(link, "name-changed") == "name-changed"
    assert reason_for(apart, "name-changed") == "chart-compared"
    assert reason_for(apart, "", guard="twins-same-number") == "relatives"
    assert reason_for(apart, "nonsense", guard="namesake-same-number") == "namesakes"
    assert reason_for(link, "", one_record=True) == "record-corrected"
    assert reason_for(apart, "", one_record=True) == "record-overwritten"
    for kind in (link, apart, back):
        for guard in ("", *REASONS):
            for one in (True, False):
                code = reason_for(kind, "", guard=guard, one_record=one)
                assert kind in reasons()[code].kinds
