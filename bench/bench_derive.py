"""Messages derived per CPU-second: parse, map, check against R4, count losses. With peers.

Corpora: ADT and ORU messages of ms-fhir-converter and cdc-reportstream (``$CHARTLOOM_CORPORA``),
and a small hospital's ADT and laboratory traffic. Run: ``python -m bench.bench_derive [seconds]``.
"""

from __future__ import annotations

import gc
import hashlib
import sys
import time
from collections.abc import Callable
from typing import Any

from bench._report import Report
from tests.support.corpora import hl7v2_files

from chartloom.domain.codec import encode
from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.formats.fhir import validate
from chartloom.formats.hl7v2 import parse
from chartloom.normalize import load_mapping

FEED = Feed("bench", "Laboratory", "owner", "mllp", Format.HL7V2, zone="Europe/Berlin")


def messages() -> dict[str, list[Message]]:
    """Message sets by name; only what a feed of these types would carry."""
    mapping = load_mapping()
    sets: dict[str, list[Message]] = {}
    for path in hl7v2_files():
        body = path.read_bytes()
        kind = parse(body).message_type
        if not kind.startswith(("ADT^", "ORU^")):
            continue
        message = _message(body)
        if not mapping.derive(message, FEED, EXAMPLE_NAMESPACE).quarantine:
            sets.setdefault(f"corpora {kind[:3]}", []).append(message)
    for kind in ("ADT", "ORU"):
        sets[f"simulated {kind}"] = _simulated(kind)
    return sets


def _simulated(kind: str) -> list[Message]:
    from chartloom.simulate import Hospital

    hospital = Hospital(7)
    return [
        _message(m.body)
        for m in hospital.messages(days=3)
        if m.format is Format.HL7V2 and m.kind.startswith(kind)
    ]


def _message(body: bytes) -> Message:
    return Message(1, "bench", body, 1_700_000_000_000_000, hashlib.sha256(body).digest())


def rate(call: Callable[[Any], Any], items: list[Any], seconds: float) -> float:
    """Calls per CPU-second, after one warm round."""
    for item in items:
        call(item)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)  # both as a worker does
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for item in items:
            call(item)
        count += len(items)
    return count / (time.process_time() - start)


def main() -> None:
    """Measures and reports."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    mapping = load_mapping()
    report = Report("derive")
    everything: list[Message] = []
    for name, items in messages().items():
        everything += items
        size = sum(len(m.body) for m in items) / len(items)
        derived = [mapping.derive(m, FEED, EXAMPLE_NAMESPACE) for m in items]
        count = sum(len(d.contributions) + 1 for d in derived) / len(items)
        derive = rate(lambda m: mapping.derive(m, FEED, EXAMPLE_NAMESPACE), items, seconds)
        parsed = rate(lambda m: parse(m.body), items, seconds / 2)
        traced = rate(lambda m: mapping.trace(m, FEED, EXAMPLE_NAMESPACE), items, seconds / 2)
        report.row(
            what=name,
            messages=len(items),
            bytes_mean=round(size),
            resources_mean=round(count, 1),
            derive_per_s=round(derive),
            traced_per_s=round(traced),
            parse_per_s=round(parsed),
        )
    _peers(report, everything, mapping, seconds)
    report.write()


def _peers(report: Report, items: list[Message], mapping: Any, seconds: float) -> None:
    """What checking our resources alone costs: ours, and fhir.resources where it is installed."""
    resources = [
        c.resource
        for m in items[:: max(1, len(items) // 200)]
        for c in mapping.derive(m, FEED, EXAMPLE_NAMESPACE).contributions
    ]
    report.row(
        what="validate (ours), resources",
        derive_per_s=round(rate(validate, resources, seconds / 2)),
    )
    try:
        from fhir.resources.R4B import get_fhir_model_class
    except ImportError:
        return
    texts = [(get_fhir_model_class(r["resourceType"]), encode(r)) for r in resources]
    valid = []
    for model, text in texts:
        try:
            model.model_validate_json(text)
            valid.append((model, text))
        except ValueError:
            continue
    peer = rate(lambda mt: mt[0].model_validate_json(mt[1]), valid, seconds / 2)
    report.row(
        what=f"fhir.resources, resources ({len(valid)} of {len(texts)} accepted)",
        derive_per_s=round(peer),
    )


if __name__ == "__main__":
    main()
