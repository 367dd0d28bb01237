"""Messages derived per CPU-second: parse, map, check against R4, count losses. With peers.

The headline is *distinct* traffic: every message is heard for the first time, by a mapping that
has heard 4,000 others of the same senders, as a worker has that runs for a while. Of several
passes, each with a mapping of its own, the least time of each message counts, for other processes
share the machine. Messages that come again are quicker, for much is remembered; they are reported
apart.

Traffic: simulated ADT, laboratory and other messages of 5,000 patients (``simulate.traffic``), all
distinct; and the ADT and ORU messages of ms-fhir-converter and cdc-reportstream
(``$CHARTLOOM_CORPORA``), which are few and come from many senders, so that each has a first
message in it. Run: ``python -m bench.bench_derive [--messages 6000] [--passes 3] [--seconds 2]``;
about two minutes on a quiet machine.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import time
from collections.abc import Callable
from typing import Any

from bench._report import Report
from tests.support.corpora import hl7v2_files

from chartloom.domain.codec import encode
from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Derived
from chartloom.formats.fhir import validate
from chartloom.formats.hl7v2 import parse
from chartloom.normalize import Mapping, load_mapping
from chartloom.simulate import traffic

FEED = Feed("bench", "Laboratory", "owner", "mllp", Format.HL7V2, zone="Europe/Berlin")


#: How many messages of the same senders are heard before anything is measured.
HEARD_BEFORE = 4000


def hospital(count: int) -> list[tuple[str, Message]]:
    """(type, message) of simulated traffic, all distinct."""
    bodies = {m.body: m.kind[:3] for m in traffic(seed=7, n=count)}
    return [(kind, _message(body)) for body, kind in bodies.items()]


def corpora() -> list[tuple[str, Message]]:
    """(type, message) of what can be applied; only what a feed of these types would carry."""
    mapping = load_mapping()
    found: list[tuple[str, Message]] = []
    for body in dict.fromkeys(path.read_bytes() for path in hl7v2_files()):
        kind = parse(body).message_type
        message = _message(body)
        if kind.startswith(("ADT^", "ORU^")) and not _derived(mapping, message).quarantine:
            found.append((f"corpora {kind[:3]}", message))
    return found


def _derived(mapping: Mapping, message: Message) -> Derived:
    return mapping.derive(message, FEED, EXAMPLE_NAMESPACE)


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


def first_hearing(
    before: list[tuple[str, Message]], items: list[tuple[str, Message]], passes: int
) -> list[int]:
    """The least CPU time (ns) of each message over several passes, each time heard first."""
    least: list[int] = []
    now = time.thread_time_ns
    for _ in range(passes):
        mapping = load_mapping()
        for _, message in before:
            _derived(mapping, message)
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 20)  # both as a worker does
        times = []
        for _, message in items:
            start = now()
            mapping.derive(message, FEED, EXAMPLE_NAMESPACE)
            times.append(now() - start)
        least = list(map(min, least, times)) if least else times
    return least


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    seconds = options.seconds
    report = Report("derive", load=os.getloadavg()[0], passes=options.passes)
    simulated = hospital(HEARD_BEFORE + options.messages)
    before, heard = simulated[:HEARD_BEFORE], simulated[HEARD_BEFORE:]
    items = [*heard, *corpora()]
    times = first_hearing(before, items, options.passes)
    sets: dict[str, list[tuple[int, Message]]] = {}
    for (kind, message), took in zip(items, times, strict=True):
        names = [kind]
        if not kind.startswith("corpora"):
            names = [*([kind, "ADT and ORU"] if kind in ("ADT", "ORU") else []), "all types"]
        for name in names:
            sets.setdefault(name, []).append((took, message))
    mapping = load_mapping()
    order = ("ADT", "ORU", "ADT and ORU", "all types", "corpora ADT", "corpora ORU")
    present = [name for name in order if name in sets]
    for name in present:
        _row(report, f"{name}, first heard", sets[name], mapping)
    for name in present:
        chosen = [message for _, message in sets[name][:1000]]
        again = rate(lambda m: _derived(mapping, m), chosen, seconds)
        report.row(what=f"{name}, heard again", messages=len(chosen), derive_per_s=round(again))
    everything = [message for _, message in sets["all types"]]
    traced = rate(
        lambda m: mapping.trace(m, FEED, EXAMPLE_NAMESPACE), everything[::10], seconds / 2
    )
    report.row(what="all types, traced", traced_per_s=round(traced))
    parsed = rate(lambda m: parse(m.body), everything, seconds / 2)
    report.row(what="all types, parsed only", parse_per_s=round(parsed))
    _peers(report, [m for name in present[:2] for _, m in sets[name]], mapping, seconds)
    report.write()


def _row(report: Report, name: str, items: list[tuple[int, Message]], mapping: Mapping) -> None:
    count = len(items)
    total_us = sum(took for took, _ in items) / 1000
    derived = [_derived(mapping, message) for _, message in items]
    report.row(
        what=name,
        messages=count,
        bytes_mean=round(sum(len(m.body) for _, m in items) / count),
        resources_mean=round(sum(len(d.contributions) + 1 for d in derived) / count, 1),
        derive_us=round(total_us / count),
        derive_per_s=round(count * 1e6 / total_us),
    )


def _peers(report: Report, items: list[Message], mapping: Mapping, seconds: float) -> None:
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
