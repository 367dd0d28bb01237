"""What was heard before makes it faster, and changes nothing: shuffled, repeated, forgotten."""

from __future__ import annotations

import random
from itertools import islice

from tests.support.derive import FEED, PID, message, text
from tests.support.mutate import SEEDS

from chartloom.domain.codec import encode
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format
from chartloom.normalize import load_mapping
from chartloom.normalize.mapping import Hl7Mapping
from chartloom.simulate import Hospital


def test_messages_mean_the_same_cold_warm_shuffled_and_after_forgetting() -> None:
    sent = (m.body for m in Hospital(3).messages(days=1) if m.format is Format.HL7V2)
    bodies = [*SEEDS, *islice(sent, 400)]
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


_VISIT = "PV1|1|I|W1^2^B||||9^Kim^Jo||||||||||||V1^^^SGH^VN"
_DIAGNOSES = (
    ("DG1|1||I10^Hypertension^I10||20240104|A",),
    ("DG1|1||I10^Raised pressure^I10||20240104|A",),
    ("DG1|1||I10^Hypertension^I10||20240104|F",),
    ("DG1|1||I10^Hypertension^I10||20240104|A|||||||||2",),
    ("DG1|1||I10^Hypertension^I10||20240104|A|||||||||||||||D",),
    ("DG1|1||I10^Hypertension^I10||20240104|A", "DG1|2||E11^Diabetes^I10||20240104|W"),
    (),
)


def test_a_visit_follows_its_diagnoses() -> None:
    """The words of PV1 are the same each time; what stands in DG1 beside it is not."""
    sent = [message(text("ADT^A08", PID, _VISIT, *diagnoses)) for diagnoses in _DIAGNOSES]
    cold = [load_mapping("hl7v2").derive(m, FEED, EXAMPLE_NAMESPACE) for m in sent]
    warm = load_mapping("hl7v2")
    for m, said in (*zip(sent, cold, strict=True), *reversed([*zip(sent, cold, strict=True)])):
        assert warm.derive(m, FEED, EXAMPLE_NAMESPACE) == said
