"""Documents that messages carry, from the bytes on the wire to the lists of a chart."""

from __future__ import annotations

import base64
import hashlib
from collections import defaultdict

import pytest
from tests.support.clinical_documents import allergy, cda, drug, section

from chartloom.chart import ChartSummary, merge, place, rebuild_part, summary, view_key
from chartloom.chart.reconcile import builtin_rules, reconcile_medications
from chartloom.chart.times import to_us
from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Stamp
from chartloom.normalize import load_mapping
from chartloom.registry.formulary import builtin_formulary

_NOW_US = to_us("2026-03-01T00:00:00+00:00")
_FEED = Feed(
    name="notes", department="Notes", owner="o", source="mllp", format=Format.HL7V2,
    mapping="hl7v2", namespace="notes", zone="UTC",
)  # fmt: skip
_CDA = cda(section("medications", drug("Warfarin 5 mg tablet"), drug("Lisinopril 10 mg tablet")),
           section("allergies", allergy("Latex")))  # fmt: skip
_HTML = b"<h1>Discharge medications</h1><ul><li>Warfarin 5 mg tablet</li></ul>"
_HEAD = r"MSH|^~\&|A|B|C|D|20260225120000||{type}|1|P|2.5" "\rPID|1||123^^^H^MR||DOE^JANE\r"
_MDM = _HEAD.replace("{type}", "MDM^T02^MDM_T02") + (
    "TXA|1|DS^Discharge summary|{kind}|20260225||||||||D1||||||AU\r"
)
_ORU = _HEAD.replace("{type}", "ORU^R01^ORU_R01") + "OBR|1||55|34133-9^Summary^LN|||20260225\r"


def _chart(message: str) -> ChartSummary:
    body = message.encode()
    told = Message(1, "notes", body, _NOW_US, hashlib.sha256(body).digest())
    derived = load_mapping("hl7v2").derive(told, _FEED, EXAMPLE_NAMESPACE)
    assert not derived.quarantine
    rows = defaultdict(list)
    for contribution in derived.contributions:
        if not contribution.directory:
            placed = place(merge(None, contribution, Stamp(1, derived.event_us, 1)))
            if (key := view_key(placed)) is not None:
                rows[key].append(placed)
    return summary([rebuild_part(key, placed) for key, placed in rows.items()], _NOW_US)


def _attached(kind: str, data: bytes) -> str:
    encoded = base64.b64encode(data).decode()
    return f"OBX|1|ED|34133-9^Summary^LN||^{kind}^Base64^{encoded}||||||F\r"


@pytest.mark.parametrize("before", [_MDM, _ORU], ids=["MDM", "ORU"])
@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("text^XML", _CDA, {"warfarin|oral": "listed", "lisinopril|oral": "listed"}),
        ("application^x-hl7-cda-level-one", _CDA,
         {"warfarin|oral": "listed", "lisinopril|oral": "listed"}),
        ("text^HTML", _HTML, {"warfarin|oral": "noted"}),
    ],
    ids=["cda", "cda-level-one", "html"],
)  # fmt: skip
def test_attachments(before: str, kind: str, data: bytes, says: dict[str, str]) -> None:
    chart = _chart(before.replace("{kind}", "AP") + _attached(kind, data))
    made = reconcile_medications(chart, builtin_formulary(), builtin_rules(), _NOW_US)
    assert {x.key: x.facts[0].says for x in made.lines} == says
    assert {x.status for x in made.lines} == {"unknown"}


def test_text_of_one_field() -> None:
    note = r"OBX|1|FT|11506-3^Progress note^LN||Medications:\.br\Warfarin 5 mg tablet||||||F"
    made = reconcile_medications(
        _chart(_ORU + note + "\r"), builtin_formulary(), builtin_rules(), _NOW_US
    )
    assert [(x.key, x.reason) for x in made.lines] == [("warfarin|oral", "noted-only")]
