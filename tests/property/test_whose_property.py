"""Whom a FHIR message is about, told before landing; what an excerpt of it says."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.test_fhir_feed_property import FEED, MAPPING, _bundles, _resources

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, Derived
from chartloom.normalize.fhir_feed import Whose, whose
from chartloom.simulate import Hospital

AT_US = 1_700_000_000_000_000
SIMULATED = [
    json.loads(m.body) for m in Hospital(5, patients=8).messages(days=3) if m.format is Format.FHIR
]


def message(body: bytes, digest: bytes = b"") -> Message:
    return Message(1, FEED.name, body, AT_US, digest or hashlib.sha256(body).digest())


def look(body: bytes) -> Whose:
    digest = hashlib.sha256(body).digest()
    return whose(body, json.loads(body), FEED, EXAMPLE_NAMESPACE, digest)


def derive(body: bytes, digest: bytes = b"") -> Derived:
    return MAPPING.derive(message(body, digest), FEED, EXAMPLE_NAMESPACE)


def persons(derived: Derived) -> set[str]:
    return {c.source_patient for c in derived.contributions} - {""}


def own(contribution: Contribution) -> Contribution:
    """Without the person's labels, which follow from all of a message."""
    return msgspec.structs.replace(contribution, labels=0)


@given(_bundles | _resources)
@settings(max_examples=200, deadline=None)
def test_any_json_is_placed_where_the_mapping_places_it(value: Any) -> None:
    body = json.dumps(value).encode()
    seen = look(body)
    known = {seen.source_patient, *(seen.parts.persons if seen.parts else ())}
    derived = derive(body)
    assert persons(derived) <= known
    if seen.parts is not None:
        assert seen.source_patient == ""
        assert len(seen.parts.items) == len(value["entry"])
        ends = [(p.start, p.end) for p in seen.parts.items]
        assert ends == sorted(ends)
        for (a, b), entry in zip(ends, value["entry"], strict=True):
            assert json.loads(body[a:b]) == entry


def test_simulated_messages_are_about_whom_the_mapping_says() -> None:
    assert len(SIMULATED) > 5
    for value in SIMULATED:
        body = json.dumps(value).encode()
        assert look(body).source_patient == derive(body).source_patient != ""


@given(st.lists(st.sampled_from(SIMULATED), min_size=2, max_size=6), st.booleans())
@settings(max_examples=25, deadline=None)
def test_what_is_said_of_one_person_is_the_same_in_an_excerpt(some: list[Any], loose: bool) -> None:
    entries = [entry for value in some for entry in value["entry"]]
    bundle = {"resourceType": "Bundle", "type": "batch", "timestamp": "2023-11-01T10:00:00Z"}
    body = json.dumps({**bundle, "entry": entries}, indent=2 if loose else None).encode()
    digest = hashlib.sha256(body).digest()
    derived, seen = derive(body), look(body)
    if seen.parts is None:
        assert persons(derived) == {seen.source_patient}
        return
    assert persons(derived) == seen.parts.persons
    for person in seen.parts.persons:
        text, spans = seen.parts.excerpt(dict(seen.parts.of(body, person)))
        assert all(text[a:b] in body for a, b in spans)
        again = derive(text, digest)
        assert persons(again) == {person}
        said = [own(c) for c in derived.contributions if c.source_patient == person]
        assert [own(c) for c in again.contributions if c.source_patient == person] == said
        others = [p for p in seen.parts.persons if p != person]
        for other in others:
            assert not any(part in text for _, part in seen.parts.of(body, other) if _has(part))


def _has(part: bytes) -> bool:
    """Whether it tells of a patient: doctors and wards may be in several excerpts."""
    return json.loads(part)["resource"]["resourceType"] == "Patient"
