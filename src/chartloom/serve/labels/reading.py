"""What of a person is labelled: what it is called, when it was, and what people said of its labels.

Nothing else of the chart is shown: whoever judges a label sees what it was set for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from chartloom.chart.place import place
from chartloom.domain.grant import Grant
from chartloom.domain.label_words import LabelReason, LabelWord, standing
from chartloom.domain.labels import PERSON_MASK, Label, labels_of
from chartloom.domain.resource import ResourceState
from chartloom.serve.labels.door import LabelDoor

#: More than this of one person is not listed; the newest come first.
THINGS_MAX: Final = 2_000
WAITING_MAX: Final = 500

#: What the labels are called.
LABELS: Final = {
    Label.PSY: "Mental health",
    Label.ETH: "Substance use (42 CFR Part 2)",
    Label.HIV: "HIV",
    Label.SEX: "Reproductive and sexual health",
    Label.SDV: "Abuse or domestic violence",
    Label.VIP: "Person of public interest",
    Label.EMP: "Employee",
    Label.R: "Restricted: not judged yet",
}
REASON_WORDS: Final = {
    LabelReason.RULE_WRONG: "A rule took it for something that it is not",
    LabelReason.SOURCE_WRONG: "The sending system labeled it by mistake",
    LabelReason.RULE_MISSED: "It is sensitive, and no rule saw it",
    LabelReason.ASKED_BY_PATIENT: "The patient asks for it",
    LabelReason.NOT_ANY_MORE: "It does not hold any more",
    LabelReason.SAID_BY_MISTAKE: "It was said by mistake",
}
_NAMED_BY: Final = (
    "code", "medicationCodeableConcept", "vaccineCode", "type", "category", "class",
)  # fmt: skip


class Thing(msgspec.Struct, frozen=True):
    """One resource with its labels. labels: in force, of a Patient those of the person too.

    title: what it is called. at_us: when it was, 0 if nobody knows. asked: labels that one person
    wants lifted. words: what people said, the newest first.
    """

    type: str
    id: str
    source_patient: str
    title: str
    at_us: int
    labels: tuple[Label, ...]
    asked: tuple[Label, ...]
    words: tuple[LabelWord, ...]


def things_of(grant: Grant, door: LabelDoor, source_patients: Sequence[str]) -> list[Thing]:
    """What of these patients is labelled, or was until somebody lifted it; the newest first. The
    Patients themselves come always, so that a label can be set for the person."""
    ids = door.records.labelled(grant, source_patients, THINGS_MAX)
    of_person = door.records.of_persons(grant, source_patients)
    states = door.charts.states(grant, list(dict.fromkeys([*source_patients, *ids])))
    found = [thing_of(s, of_person.get(s.id, 0)) for s in states.values()]
    return sorted(found, key=lambda t: (t.type != "Patient", -t.at_us, t.id))


def thing_of(state: ResourceState, of_person: int = 0) -> Thing:
    """One resource. of_person: mask of the labels of the person, of a Patient."""
    found = standing(state.words.values())
    return Thing(
        state.type,
        state.id,
        state.source_patient,
        "The person" if state.type == "Patient" else _title(state.resource),
        place(state).sort_us,
        _named(state.labels | (of_person & PERSON_MASK if state.type == "Patient" else 0)),
        _named(found.asked),
        tuple(sorted(state.words.values(), key=lambda w: w.at, reverse=True)),
    )


def waiting(
    grant: Grant, door: LabelDoor, open_: Callable[[Sequence[str]], frozenset[str]]
) -> list[tuple[str, str]]:
    """What waits for a second person, of patients that are open to whoever asks.

    grant: of the house. open_: of some source patients, those that are.
    """
    found = door.records.asked(grant, WAITING_MAX)
    may = open_(sorted({patient for _, patient in found}))
    return [(id, patient) for id, patient in found if patient in may]


def _named(mask: int) -> tuple[Label, ...]:
    held = labels_of(mask)
    return tuple(label for label in Label if label in held)


def _title(resource: dict[str, Any]) -> str:
    for name in _NAMED_BY:
        said = resource.get(name)
        for concept in said if isinstance(said, list) else [said]:
            if isinstance(concept, dict) and (text := _text(concept)):
                return text
    return str(resource["resourceType"])


def _text(concept: dict[str, Any]) -> str:
    if concept.get("text"):
        return str(concept["text"])
    for coding in concept.get("coding", (concept,)):
        if text := coding.get("display") or coding.get("code"):
            return str(text)
    return ""
