"""What the simulated house knows that not everybody should see: the labels find it, all of it."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.labels import BIT, OF_THE_PERSON, Label, labels_of
from chartloom.domain.message import Format, Message
from chartloom.formats.fhir import validate
from chartloom.normalize import load_mapping
from chartloom.simulate import FEEDS, Hospital
from chartloom.simulate.population import SENSITIVE

HOUSE = Hospital(seed=5, patients=80, history_days=120)


@pytest.fixture(scope="module")
def labels() -> dict[int, set[str]]:
    """Person -> labels of what their whole, well-formed messages say."""
    mappings = {f: load_mapping("fhir" if f is Format.FHIR else "hl7v2") for f in Format}
    feeds = {f.name: f for f in FEEDS.values()}
    roles = {m.ref: m for m in HOUSE.truth(days=1).messages}
    found: dict[int, set[str]] = {}
    for number, sent in enumerate(HOUSE.messages(days=1), 1):
        truth = roles[sent.truth_ref]
        if truth.role != "original":
            continue
        feed = feeds[sent.feed]
        sha = hashlib.sha256(sent.body).digest()
        message = Message(number, sent.feed, sent.body, sent.at_us, sha)
        derived = mappings[sent.format].derive(message, feed, EXAMPLE_NAMESPACE)
        for said in derived.contributions:
            assert not said.labels or validate(said.resource) == []
            found.setdefault(truth.person, set()).update(labels_of(said.labels))
    return found


def test_every_secret_is_found_and_the_truth_knows_whose(labels: dict[int, set[str]]) -> None:
    truth = HOUSE.truth(days=1)
    kept = {p.person.index: set(p.person.sensitive) for p in truth.persons}
    assert set().union(*kept.values()) == set(SENSITIVE)
    for index, secrets in kept.items():
        wanted = secrets - {Label.EMP}  # told by the list of staff, not by messages
        if Label.VIP in wanted and not truth.person(index).encounters:
            wanted.discard(Label.VIP)
        assert wanted <= labels.get(index, set()), index
    for index, found in labels.items():
        assert (Label.HIV in found) == ("HIV" in kept[index]), index
        assert (Label.VIP in found) <= ("VIP" in kept[index]), index


def test_most_of_the_house_is_ordinary(labels: dict[int, set[str]]) -> None:
    mask = {label: sum(label in found for found in labels.values()) for label in BIT}
    for label in (Label.HIV, Label.ETH, *OF_THE_PERSON):
        assert mask[label] <= len(HOUSE.people) // 8, label


def test_somebody_objects_to_research() -> None:
    truth = HOUSE.truth(days=1)
    (signed,) = {(c.type, c.purpose) for p in truth.persons for c in p.consents}
    assert signed == ("deny", "HRESCH")
    who = {p.person.index for p in truth.persons if p.consents}
    sent = [m for m in HOUSE.messages(days=1) if m.feed == "fhir" and b'"Consent"' in m.body]
    said = {p.person.index for p in truth.persons if p.person.objects and p.consents}
    assert who == said
    assert len(sent) >= len(who)
    for message in sent:
        for entry in msgspec.json.decode(message.body)["entry"]:
            if entry["resource"]["resourceType"] == "Consent":
                assert validate(entry["resource"]) == []
