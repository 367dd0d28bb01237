"""Documents that are not read, or are about somebody else, are Issues of their message."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.support.clinical_documents import cda, document, drug, section, target
from tests.support.derive import FEED, MAPPING, PID, message, text

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.resource import Contribution
from chartloom.normalize.about import issues_of_documents

_JANE = {"resourceType": "Patient", "id": "p", "birthDate": "1950-03-04",
         "name": [{"family": "Miller", "given": ["Jane"]}]}  # fmt: skip


def _issues(data: bytes, patient: dict[str, Any] = _JANE, whose: str = "p") -> list[Any]:
    told = [Contribution(patient, whose), Contribution(document("d", data, 1)[1], "p")]
    return [(i.code, i.detail) for i in issues_of_documents(told)]


def _listing(about: str = "", count: int = 1) -> bytes:
    return cda(section("medications", *[drug("Warfarin 5 mg")] * count), about=about)


@pytest.mark.parametrize(("data", "told"), [
    (_listing(), []),
    (_listing(target("Jane", "Miller", "19500304")), []),
    (_listing(target("Rosa", "Alvarez", "19810709")), [("document-unread", "somebody-else")]),
    (_listing(count=41), [("document-clipped", "")]),
    (b"<?xml version='1.0'?><a>", [("document-unread", "malformed")]),
])  # fmt: skip
def test_what_is_not_read_is_an_issue(data: bytes, told: list[Any]) -> None:
    assert _issues(data) == told


def test_only_the_patient_of_the_document_is_asked() -> None:
    rosa = _listing(target("Rosa", "Alvarez", "19810709"))
    assert _issues(rosa, whose="another") == []
    assert _issues(rosa, json.loads(json.dumps(_JANE)) | {"name": []}) == []


def test_a_message_for_the_wrong_patient() -> None:
    data = base64.b64encode(_listing(target("Rosa", "Alvarez", "19810709"))).decode()
    kinds = "OBX|1|ED|1^Summary^L||^application^hl7-cda+xml^Base64^"
    segments = (PID, "PV1|1|O", "TXA|1|DS|AP|20240105||||||||D1|||||AU", f"{kinds}{data}")
    said = MAPPING.derive(message(text("MDM^T02", *segments)), FEED, EXAMPLE_NAMESPACE)
    assert ("document-unread", "somebody-else") in [(i.code, i.detail) for i in said.issues]
    assert {"DocumentReference", "Patient"} <= {c.type for c in said.contributions}
