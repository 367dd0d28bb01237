"""A person's word about a sensitivity label, as a FHIR R4 ``Basic``: written by ``label_word``.

What is said is its ``code``, of whose record its ``subject``, who said it its ``author``; which
label of which resource, and why, stands in extensions. It adds nothing to what the resource says:
it is heard by the state's labels only (``chart.compartments``). The message is as sensitive as the
label that it names, also once that is lifted.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from chartloom.domain.issues import Issue
from chartloom.domain.label_words import REASONS, LabelReason, LabelSaid, LabelWord
from chartloom.domain.labels import BIT, OF_THE_PERSON, PERSON_MASK, Label
from chartloom.domain.resource import Contribution, FhirJson
from chartloom.normalize.steward.said import (
    REASON,
    Reading,
    Said,
    author,
    author_of,
    code_in,
    malformed,
    patient_of,
)

#: System of what is said.
LABEL_SAYS: Final = "urn:chartloom:label-word"
_LABEL: Final = "urn:chartloom:extension:label"
_ABOUT: Final = "urn:chartloom:extension:about"
_REFERENCE: Final = re.compile(
    r"([A-Z][A-Za-z]{2,40})/([0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def label_word(word: LabelWord, type: str, id: str, source_patient: str, *, said_us: int) -> bytes:
    """The body of a message that says something of one label of a resource; land it with
    ``arrival``. type, id: of the resource (the Patient: of the person). source_patient: whose."""
    at = _EPOCH + timedelta(microseconds=said_us)
    resource: FhirJson = {
        "resourceType": "Basic",
        "meta": {"lastUpdated": at.isoformat(timespec="microseconds").replace("+00:00", "Z")},
        "extension": [
            {"url": REASON, "valueCode": word.reason.value},
            {"url": _LABEL, "valueCode": word.label.value},
            {"url": _ABOUT, "valueReference": {"reference": f"{type}/{id}"}},
        ],
        "code": {"coding": [{"system": LABEL_SAYS, "code": word.said.value}]},
        "subject": {"reference": f"Patient/{source_patient}"},
        "created": at.date().isoformat(),
        "author": author(word.by),
    }
    return msgspec.json.encode(resource)


def is_label_word(resource: FhirJson) -> bool:
    """Whether a Basic is about a label."""
    codings = resource.get("code", {}).get("coding", ())
    return any(coding.get("system") == LABEL_SAYS for coding in codings)


def read_label_word(resource: FhirJson, at: Reading) -> Said | Issue:
    """What such a Basic says; refused if it is not one that ``label_word`` writes."""
    del at
    codings = resource.get("code", {}).get("coding", ())
    said = codings[0].get("code") if len(codings) == 1 else None
    if said not in list(LabelSaid):
        return malformed("/code", "what is said")
    patient, by = patient_of(resource.get("subject")), author_of(resource.get("author"))
    if not patient:
        return malformed("/subject", "not a record by our id")
    if not by:
        return malformed("/author", "no actor")
    if not resource.get("meta", {}).get("lastUpdated"):
        return malformed("/meta/lastUpdated", "no time")
    code, reason = code_in(resource, "extension", _LABEL), code_in(resource, "extension", REASON)
    if code not in list(Label):
        return malformed("/extension", "a label that there is not")
    if reason not in REASONS[LabelSaid(said)]:
        return malformed("/extension", "no such reason for this")
    type, id = _about(resource)
    label = Label(code)
    if not id or (label in OF_THE_PERSON and (type, id) != ("Patient", patient)):
        return malformed("/extension", "nothing that can carry the label")
    word = LabelWord(label, LabelSaid(said), by, LabelReason(reason))
    named: FhirJson = {"resourceType": type, "id": id}
    made = Contribution(named, patient, labels=BIT[label] & ~PERSON_MASK, words=(word,))
    return Said(patient, contributions=(made,))


def _about(resource: FhirJson) -> tuple[str, str]:
    """Type and id of the one resource it is about; empty if there is not one."""
    found: list[Any] = [
        e.get("valueReference", {}).get("reference")
        for e in resource.get("extension", ())
        if e.get("url") == _ABOUT
    ]
    match = (
        _REFERENCE.fullmatch(found[0]) if len(found) == 1 and isinstance(found[0], str) else None
    )
    return (match[1], match[2]) if match else ("", "")
