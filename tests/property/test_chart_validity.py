"""Whatever part of a hospital's messages is heard, in whatever order: every state is valid R4."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict

import pytest

from chartloom.chart import merge, place
from chartloom.chart.shape import ENTRIES, POINTS, entry_of, point_of
from chartloom.domain.chart import PlacedState, Section
from chartloom.domain.codec import decode, encode
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, ResourceState, Stamp
from chartloom.formats.fhir import validate
from chartloom.normalize import load_mapping
from chartloom.simulate import FEEDS, Hospital

Said = list[tuple[Contribution, Stamp]]


@pytest.fixture(scope="module")
def statements() -> dict[str, Said]:
    """Resource id -> what a simulated day said about it."""
    mappings = {Format.HL7V2: load_mapping("hl7v2"), Format.FHIR: load_mapping("fhir")}
    said: dict[str, Said] = defaultdict(list)
    for position, m in enumerate(Hospital(3, patients=80).messages(days=1), 1):
        digest = hashlib.sha256(m.body).digest()
        message = Message(position, m.feed, m.body, m.at_us, digest)
        derived = mappings[m.format].derive(message, FEEDS[m.feed], EXAMPLE_NAMESPACE)
        stamp = Stamp(1, derived.event_us, derived.position)
        for contribution in derived.contributions:
            if not contribution.directory:
                said[contribution.id].append((contribution, stamp))
    return said


@pytest.mark.parametrize("seed", range(3))
def test_any_part_in_any_order_is_valid_and_can_be_shown(
    statements: dict[str, Said], seed: int
) -> None:
    draw = random.Random(seed)
    seen = set()
    for said in statements.values():
        heard = draw.sample(said, draw.randint(1, len(said)))
        state: ResourceState | None = None
        for contribution, stamp in heard:
            state = merge(state, contribution, stamp)
        assert state is not None
        found = [(i.code, i.location) for i in validate(state.resource)]
        assert found == [], (state.type, found)
        placed = place(state)
        if placed.section is not Section.NONE:
            shown = _shown(placed)
            assert decode(encode(shown)) == shown
            seen.add(state.type)
    assert seen > {"Patient", "Encounter", "Observation", "MedicationRequest", "Condition"}


def _shown(placed: PlacedState) -> dict[str, object]:
    kind = placed.state.type
    assert (kind in ENTRIES) != (kind in POINTS)
    shown = entry_of(placed) if kind in ENTRIES else point_of(placed)[0] | point_of(placed)[1]
    assert shown["id"] == placed.state.id
    return shown
