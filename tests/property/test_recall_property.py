"""What was heard before makes it faster, and changes nothing: shuffled, repeated, forgotten."""

from __future__ import annotations

import random

from tests.support.derive import FEED, message
from tests.support.mutate import SEEDS

from chartloom.domain.codec import encode
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format
from chartloom.normalize import load_mapping
from chartloom.normalize.mapping import Hl7Mapping
from chartloom.simulate import Hospital


def test_messages_mean_the_same_cold_warm_shuffled_and_after_forgetting() -> None:
    simulated = [m.body for m in Hospital(3).messages(days=1) if m.format is Format.HL7V2]
    bodies = [*SEEDS, *simulated[:400]]
    warm = load_mapping("hl7v2")
    assert isinstance(warm, Hl7Mapping)

    def heard(body: bytes) -> bytes:
        return encode(warm.derive(message(body), FEED, EXAMPLE_NAMESPACE))

    first = {body: heard(body) for body in bodies}
    assert len(warm._recall) > 50
    rng = random.Random(11)
    for _ in range(2):
        rng.shuffle(bodies)
        assert all(heard(body) == first[body] for body in bodies)
    for body in bodies[:40]:
        traced = warm.trace(message(body), FEED, EXAMPLE_NAMESPACE)
        assert encode(traced.derived) == first[body]
    warm.clear()
    assert len(warm._recall) == 0
    assert all(heard(body) == first[body] for body in bodies)
