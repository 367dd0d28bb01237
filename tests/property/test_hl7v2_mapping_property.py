"""Whatever bytes come: derive never raises, the traced run agrees, nothing shared changes."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.derive import FEED, MAPPING, PID, message, text
from tests.support.mutate import SEEDS

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.resource import Derived
from chartloom.formats.fhir import validate
from chartloom.normalize import load_mapping
from chartloom.normalize.context import Sink
from chartloom.normalize.mapping import Hl7Mapping

_PV1 = "PV1|1|I|W1^12^A^HOSP|R||ED^1|7^House^Greg^^^Dr^^^HOSP|||MED||||7|||||V1^^^HOSP^VN"
_OBR = "OBR|1|P1^HIS|F1^LAB|24331-1^Lipids^LN|||202401050900|||||||20240105|SER^Serum|9^Who^Doc"
_OBX = "OBX|1|NM|718-7^Hb^LN|a|13.50|g/dL|12.0-16.0|N|||F|||20240105091500||9^Who^Doc"
_TAIL = ("AL1|1|DA|7980^Penicillin^RXNORM|SV|Hives", "DG1|1||I10^Hypertension^I10||20240104|A")
_EXAMPLES = (
    *SEEDS,
    text("ADT^A01", "EVN||20240105", PID, "NK1|1|Roe^Jo|MTH", _PV1, *_TAIL, "IN1|1|G|C|Org^^9"),
    text("ADT^A40", PID, "MRG|99^^^HOSP^MR"),
    text(
        "ORU^R01", PID, _PV1, "ORC|RE|P1^HIS|F1^LAB||CM", _OBR, _OBX, "NTE|1||a~b", "SPM|1|S1||BLD"
    ),
)
_PIECES = [
    b"|",
    b"^",
    b"~",
    b"&",
    b"\\",
    b'""',
    b"\r",
    b"9",
    b"\xff",
    b"\\X00\\",
    b"-",
    b"20240229",
]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An example with pieces cut out, repeated, replaced or inserted."""
    body = bytearray(draw(st.sampled_from(_EXAMPLES)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(body)))
        length = draw(st.integers(0, 12))
        piece = draw(st.sampled_from(_PIECES) | st.binary(max_size=6))
        body[at : at + length] = piece * draw(st.integers(0, 3))
    return bytes(body)


#: A separator lost between two segments: the time of the order is no time, and a mere default.
_GLUED = (
    b"MSH|^~\\&|HIS|HOSP|CL|CL|20240105101500||ORU^R01^ORU_R01|M1|P|2.5.1||||||\r"
    b"PID|1||4711^^^HOSP^MR||Rivera^Ana||19800203|F\r"
    b"ORC|RE|P1^HIS|F1^LAB||OBR|1|P1^HIS|F1^LAB|24331-1^Lipids^LN|||202401050900|||||||20240105\r"
)


@settings(max_examples=250, deadline=None)
@given(damaged())
@example(_GLUED)
def test_any_bytes_are_derived_or_quarantined(body: bytes) -> None:
    sent = message(body)
    derived = MAPPING.derive(sent, FEED, EXAMPLE_NAMESPACE)
    traced = MAPPING.trace(sent, FEED, EXAMPLE_NAMESPACE)
    assert traced.derived == derived
    assert traced.loss.counts == derived.loss
    assert bool(derived.quarantine) != bool(derived.contributions)
    ids = [(c.type, c.id) for c in derived.contributions]
    assert len(ids) == len(set(ids))
    for contribution in derived.contributions:
        assert validate(contribution.resource) == []
        assert contribution.directory or contribution.source_patient
        assert set(contribution.weak) <= {n.removeprefix("_") for n in contribution.resource}
    assert "resource-invalid" not in {i.code for i in derived.issues}
    resources = {c.id for c in derived.contributions} | {(derived.provenance or {}).get("id")}
    assert {e.resource_id for e in traced.evidence} <= resources


def test_remembered_values_are_never_changed() -> None:
    """What a memo holds is shared by all messages: whoever changes it corrupts other patients."""
    mapping = load_mapping("hl7v2")
    assert isinstance(mapping, Hl7Mapping)
    rng = random.Random(5)
    for _ in range(300):
        body = bytearray(rng.choice(_EXAMPLES))
        at = rng.randrange(len(body))
        body[at : at + rng.randrange(4)] = rng.choice(_PIECES)
        mapping.derive(message(bytes(body)), FEED, EXAMPLE_NAMESPACE)
    checked = 0
    for env, _ in mapping._envs.values():
        for memo in env.memos:
            for text_, remembered in memo.items():
                sink = Sink(env)
                value = memo.call(text_, sink)
                assert _plain(remembered[0]) == _plain(value)
                assert {k: v.resource for k, v in remembered[2].items()} == {
                    k: v.resource for k, v in sink.directory.items()
                }
                checked += 1
    assert checked > 200


def _plain(value: object) -> object:
    extension = getattr(value, "extension", None)
    return (getattr(value, "value", None), extension) if extension else value


def test_what_was_heard_before_does_not_matter() -> None:
    """Caches and order of messages must not show."""
    warm, cold = load_mapping("hl7v2"), load_mapping("hl7v2")

    def heard(mapping: object, bodies: tuple[bytes, ...]) -> list[Derived]:
        return [mapping.derive(message(b), FEED, EXAMPLE_NAMESPACE) for b in bodies]  # type: ignore[attr-defined]

    first = heard(warm, _EXAMPLES)
    assert heard(warm, _EXAMPLES) == first
    assert heard(cold, _EXAMPLES[::-1])[::-1] == first
