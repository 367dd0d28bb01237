"""A word about a label is read back as it was written, and nothing else is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chartloom.domain.identity import STEWARD
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.label_words import LabelReason, LabelSaid, LabelWord
from chartloom.domain.labels import BIT, Label
from chartloom.domain.message import Message
from chartloom.normalize import load_mapping
from chartloom.normalize.steward import label_word

PATIENT, THING = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
WORD = LabelWord(Label.HIV, LabelSaid.LIFT, "ada", LabelReason.RULE_WRONG)


def derived(body: bytes) -> Any:
    message = Message(1, STEWARD.name, body, 1, b"")
    return load_mapping("steward").derive(message, STEWARD, EXAMPLE_NAMESPACE)


def written(word: LabelWord = WORD, type: str = "Observation", id: str = THING) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(label_word(word, type, id, PATIENT, said_us=1_000_000))
    return found


def test_it_is_read_back() -> None:
    found = derived(json.dumps(written()).encode())
    (one,) = found.contributions
    assert (one.type, one.id, one.source_patient, one.words) == (
        "Observation",
        THING,
        PATIENT,
        (WORD,),
    )
    assert found.source_patient == PATIENT
    assert found.labels == BIT[Label.HIV]  # whoever does not know of it does not see the message


def test_what_is_about_the_person_labels_no_message() -> None:
    word = LabelWord(Label.VIP, LabelSaid.LIFT, "ada", LabelReason.NOT_ANY_MORE)
    found = derived(json.dumps(written(word, "Patient", PATIENT)).encode())
    assert (found.quarantine, found.labels) == ("", 0)
    assert found.contributions[0].labels == 0


def _without(name: str) -> dict[str, Any]:
    return {k: v for k, v in written().items() if k != name}


def _extension(n: int, **other: Any) -> dict[str, Any]:
    made = written()
    made["extension"][n] |= other
    return made


VIP = LabelWord(Label.VIP, LabelSaid.LIFT, "ada", LabelReason.NOT_ANY_MORE)


@pytest.mark.parametrize(
    "body",
    [
        {**written(), "code": {"coding": written()["code"]["coding"] * 2}},
        {**written(), "code": {"coding": [{**written()["code"]["coding"][0], "code": "erase"}]}},
        _without("subject"),
        _without("author"),
        _without("meta"),
        _extension(0, valueCode="because"),
        _extension(0, valueCode="rule-missed"),  # a reason to set one
        _extension(1, valueCode="XYZ"),
        _extension(2, valueReference={"reference": "Observation/nobody"}),
        {**written(), "extension": [*written()["extension"], written()["extension"][2]]},
        written(VIP),
        written(VIP, "Patient", THING),
    ],
)  # fmt: skip
def test_anything_else_is_refused_whole(body: dict[str, Any]) -> None:
    found = derived(json.dumps(body).encode())
    assert found.quarantine == "steward-malformed"
    assert found.contributions == ()
