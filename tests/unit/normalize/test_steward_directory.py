"""Words about the directory: written, landed, read back; refused if they are not whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chartloom.domain.identity import STEWARD
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived
from chartloom.normalize import load_mapping
from chartloom.normalize.steward import MALFORMED, arrival, directory_word, sayable, word_in
from chartloom.registry.directory import (
    DUPLICATE_POSSIBLE,
    NUMBER_SHARED,
    PRACTITIONER_UNRESOLVED,
    VALUES_DIFFER,
    About,
    Said,
    Word,
)

AT_US = 1_767_225_600_123_456  # 2026-01-01
PAIR = About(NUMBER_SHARED, "Practitioner", "", ("ehr|4711", "hr|E17"))
VALUE = About(VALUES_DIFFER, "Location", "phone", ("hr|E17",))
UNKNOWN = About(PRACTITIONER_UNRESOLVED, "Practitioner", "", ("urn:id:EHR|99",))
WORDS = [
    Word(PAIR, Said.SAME, "user:lena", AT_US, note="Rosa Whitfield took her husband's name"),
    Word(PAIR, Said.DIFFERENT, "operator:1000", AT_US),
    Word(VALUE, Said.KEEP, "user:lena", AT_US, text="480-112 \u00d7 4", seen="0123456789abcdef"),
    Word(VALUE, Said.IGNORE, "user:lena", AT_US, until="2026-02-01"),
    Word(UNKNOWN, Said.SAME, "user:lena", AT_US, text="hr|E17"),
    Word(UNKNOWN, Said.WITHDRAW, "user:lena", AT_US),
]


def derive(body: bytes) -> Derived:
    landed = arrival(body, "", AT_US + 5)
    message = Message(1, STEWARD.name, body, AT_US + 5, landed.sha256)
    mapping = load_mapping("steward")
    derived = mapping.derive(message, STEWARD, EXAMPLE_NAMESPACE)
    assert mapping.trace(message, STEWARD, EXAMPLE_NAMESPACE).derived == derived
    return derived


@pytest.mark.parametrize("word", WORDS, ids=lambda w: w.said.value)
def test_a_word_comes_back_as_it_was_said(word: Word) -> None:
    derived = derive(directory_word(word))
    assert (derived.quarantine, derived.issues, derived.event_us) == ("", (), AT_US)
    (said,) = derived.contributions
    assert (said.type, said.directory, said.source_patient) == ("Basic", True, "")
    assert word_in(said.resource) == word


def test_every_word_is_a_resource_of_its_own() -> None:
    ids = {derive(directory_word(w)).contributions[0].id for w in WORDS}
    assert len(ids) == len(WORDS)
    assert derive(directory_word(WORDS[0])) == derive(directory_word(WORDS[0]))


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"said": Said.KEEP, "text": "x"}, "said"),
        ({"said": Said.IGNORE, "until": "soon"}, "until"),
        ({"said": Said.IGNORE, "until": "2025-12-31"}, "until"),
        ({"said": Said.IGNORE, "until": "2099-01-01"}, "until"),
        ({"until": "2026-02-01"}, "until"),
        ({"text": "hr|E17"}, "text"),
        ({"note": "x" * 501}, "text"),
        ({"note": "a\nb"}, "text"),
        ({"about": About("nothing", "Practitioner", "", ("a", "b"))}, "code"),
        ({"about": About(NUMBER_SHARED, "Patient", "", ("a", "b"))}, "code"),
        ({"about": About(DUPLICATE_POSSIBLE, "Practitioner", "", ("a",))}, "item"),
        ({"about": About(NUMBER_SHARED, "Practitioner", "", ("b", "a"))}, "item"),
        ({"about": About(NUMBER_SHARED, "Practitioner", "", ("", "a"))}, "text"),
        ({"about": UNKNOWN}, "text"),
    ],
)
def test_what_cannot_be_said(changes: dict[str, Any], wrong: str) -> None:
    word = msgspec.structs.replace(WORDS[0], **changes)
    assert sayable(word) == wrong
    with pytest.raises(ValueError, match=wrong):
        directory_word(word)


def test_a_question_about_what_cannot_be_printed_can_be_answered() -> None:
    about = About(NUMBER_SHARED, "Practitioner", "", ("hr|A\u00a0B", "hr|C\u200bD"))
    word = msgspec.structs.replace(WORDS[0], about=about)
    assert sayable(word) == ""
    assert derive(directory_word(word)).contributions


def changed(**changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(directory_word(WORDS[0])) | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": {"coding": [{"system": "urn:other", "code": "same"}]}},
        {"code": {"text": "same"}},
        {"author": {"display": "Lena"}},
        {"meta": {}},
        {"extension": []},
        {"extension": [{"url": "urn:other", "valueString": "x"}]},
        {"subject": {"reference": 5}},
    ],
)
def test_what_is_no_word_is_refused(changes: dict[str, Any]) -> None:
    derived = derive(changed(**changes))
    assert derived.quarantine == MALFORMED
    assert derived.contributions == ()


def test_parts_that_stand_twice_are_refused() -> None:
    whole = msgspec.json.decode(directory_word(WORDS[0]))
    note = next(e for e in whole["extension"] if e["url"].endswith("note"))
    twice = changed(extension=[*whole["extension"], note])
    assert derive(twice).quarantine == MALFORMED
