"""Words about labels: what counts does not depend on the order in which they are heard."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

from chartloom.chart import merge
from chartloom.chart.place import place
from chartloom.domain.chart import Section
from chartloom.domain.label_words import LabelReason, LabelSaid, LabelWord, standing
from chartloom.domain.labels import BIT, Label, security
from chartloom.domain.resource import Contribution, ResourceState, Stamp

HIV, PSY = Label.HIV, Label.PSY
SET, LIFT = LabelSaid.SET, LabelSaid.LIFT


def said(at: int, by: str, what: LabelSaid, label: Label = HIV) -> tuple[Contribution, Stamp]:
    reason = LabelReason.SAID_BY_MISTAKE
    word = LabelWord(label, what, by, reason)
    thing = {"resourceType": "Observation", "id": "x"}
    return Contribution(thing, "p", words=(word,)), Stamp(1, at, at)


def told(at: int, status: str, *labels: Label) -> tuple[Contribution, Stamp]:
    thing = {
        "resourceType": "Observation",
        "id": "x",
        **({"meta": {"security": security(labels)}} if labels else {}),
        "status": status,
        "subject": {"reference": "Patient/p"},
        "code": {"text": "a"},
    }
    mask = sum(BIT[label] for label in labels)
    return Contribution(thing, "p", labels=mask), Stamp(1, at, at)


def heard(*statements: tuple[Contribution, Stamp]) -> ResourceState:
    """The state, the same in whatever order."""
    states = [
        reduce(lambda state, one: merge(state, *one), order, None)
        for order in permutations(statements)
    ]
    assert all(state == states[0] for state in states)
    assert states[0] is not None
    return states[0]


def codes(state: ResourceState) -> list[str]:
    return [c["code"] for c in state.resource["meta"].get("security", ())]


def test_two_people_lift_a_label_and_what_comes_later_does_not_undo_it() -> None:
    state = heard(
        told(1, "final", HIV, PSY), said(2, "a", LIFT), said(3, "b", LIFT), told(4, "amended", HIV)
    )
    assert state.labels == BIT[PSY]
    assert codes(state) == ["PSY"]
    assert state.resource["status"] == "amended"


def test_one_person_is_not_two() -> None:
    state = heard(told(1, "final", HIV), said(2, "a", LIFT), said(3, "a", LIFT))
    assert state.labels == BIT[HIV]
    assert standing(state.words.values()).asked == BIT[HIV]


def test_setting_it_again_takes_two_anew() -> None:
    begun = (told(1, "final", HIV), said(2, "a", LIFT), said(3, "b", LIFT), said(4, "c", SET))
    assert heard(*begun).labels == BIT[HIV]
    assert heard(*begun, said(5, "a", LIFT)).labels == BIT[HIV]
    assert heard(*begun, said(5, "c", LIFT), said(6, "b", LIFT)).labels == 0


def test_who_set_a_label_does_not_undo_that_alone() -> None:
    alone = (told(1, "final"), said(2, "a", SET), said(3, "a", LIFT))
    state = heard(*alone)
    assert state.labels == BIT[HIV]
    assert codes(state) == ["HIV"]
    assert heard(*alone, said(4, "b", LIFT)).labels == 0


def test_a_word_that_comes_before_what_it_is_about_shows_nothing() -> None:
    contribution, stamp = said(1, "a", SET)
    shell = merge(None, contribution, stamp)
    assert shell.is_word_only
    assert place(shell).section is Section.NONE
    later = merge(shell, *told(2, "final"))
    assert (later.labels, place(later).section) == (BIT[HIV], Section.RESULTS)


def test_a_word_does_not_move_a_resource_to_another_patient() -> None:
    contribution, stamp = said(5, "a", SET)
    elsewhere = Contribution(contribution.resource, "z", words=contribution.words)
    assert merge(merge(None, *told(1, "final")), elsewhere, stamp).source_patient == "p"
    assert merge(merge(None, elsewhere, stamp), *told(1, "final")).source_patient == "p"


def test_labels_of_the_person_make_no_compartment() -> None:
    assert heard(told(1, "final"), said(2, "a", SET, Label.VIP)).labels == 0
