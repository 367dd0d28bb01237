"""What it costs to fold messages into charts, apart from ``derive`` and the database.

Three questions: how much CPU a message needs (merge, place, fold, JSON both ways, sealing), how
that grows with the size of the chart (it must not), and how long the summary of a large chart
takes. Run: ``python -m bench.bench_fold``. CPU time of one thread.
"""

from __future__ import annotations

import gc
import hashlib
import os
import random
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from bench._report import Report
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chartloom import chart
from chartloom.domain.chart import SectionView, ViewKey
from chartloom.domain.codec import decode, encode
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, Derived, ResourceState, Stamp
from chartloom.domain.store import Prefetched, Wanted
from chartloom.engines.postgres.revisions import Kept
from chartloom.normalize import load_mapping
from chartloom.simulate import FEEDS, Hospital

#: Of traffic; the least is shown (others use the machine too) and the most beside it.
REPETITIONS = 5
_SEALER = AESGCM(bytes(32))


class Shelf:
    """Sealed states and views in memory: the work a store does in Python, without its database."""

    def __init__(self, *kept_bytes_max: int) -> None:
        """``kept_bytes_max``: how much is kept in hand, if not what a worker keeps."""
        self.states: dict[str, bytes] = {}
        self.views: dict[ViewKey, bytes] = {}
        self.refilled = 0
        self.kept_states: Kept[str, ResourceState] = Kept(*kept_bytes_max)
        self.kept_views: Kept[ViewKey, SectionView] = Kept(*kept_bytes_max)

    def apply(self, derived: Sequence[Derived]) -> None:
        """What the worker and the store do with one batch."""
        wanted = chart.plan_batch(derived)
        found = self.read(wanted)
        changes, views = chart.merge_batch(derived, found.states), found.views
        if unforeseen := chart.views_of(changes) - wanted.views:
            views = views | self.read(Wanted(frozenset(), unforeseen)).views
        folded = chart.fold_batch(changes, views)
        for key in folded.refill:
            self.refilled += 1
            all_states = map(self.state, self.states)
            mine = [s for s in all_states if s.source_patient == key.source_patient]
            folded.views[key] = chart.refill_view(folded.views[key], mine, changes)
        chart.rank_directory(derived)
        for message in derived:  # the bundle
            seal(encode([c.resource for c in message.contributions]))
        for id, change in changes.items():
            self.states[id] = seal(encode(change.after.state))
            if not change.after.series:
                self.kept_states.put(id, change.after.state, 1, len(self.states[id]))
        for key, view in folded.views.items():
            self.views[key] = seal(encode(view))
            self.kept_views.put(key, view, 1, len(self.views[key]))

    def read(self, wanted: Wanted) -> Prefetched:
        """What the worker has in hand, else what is on the shelf."""
        states, views = {}, {}
        for id in wanted.resource_ids:
            if held := self.kept_states.get(id):
                states[id] = held[0]
            elif id in self.states:
                states[id] = self.state(id)
        for key in wanted.views:
            if seen := self.kept_views.get(key):
                views[key] = seen[0]
            elif key in self.views:
                views[key] = self.view(key)
        return Prefetched(states, views)

    def state(self, id: str) -> ResourceState:
        value = decode(unseal(self.states[id]))
        stamps = {k: Stamp(*v) for k, v in value["stamps"].items()}
        return ResourceState(value["resource"], value["source_patient"], stamps)

    def view(self, key: ViewKey) -> SectionView:
        value = decode(unseal(self.views[key]))
        return SectionView(key, value["total"], tuple(value["entries"]))


def seal(plain: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + _SEALER.encrypt(nonce, plain, b"aad")


def unseal(sealed: bytes) -> bytes:
    return _SEALER.decrypt(sealed[:12], sealed[12:], b"aad")


def simulated(days: int) -> dict[str, list[Derived]]:
    """ADT and laboratory messages of a small hospital, derived."""
    mapping = load_mapping()
    found: dict[str, list[Derived]] = {"ADT": [], "ORU": []}
    for position, m in enumerate(Hospital(7).messages(days=days), 1):
        kind = m.kind[:3]
        if m.format is Format.HL7V2 and kind in found:
            digest = hashlib.sha256(m.body).digest()
            message = Message(position, m.feed, m.body, m.at_us, digest)
            found[kind].append(mapping.derive(message, FEEDS[m.feed], EXAMPLE_NAMESPACE))
    return found


def person(size: int) -> list[Derived]:
    """A person's messages: ``size`` resources, mostly results, over some years."""
    draw = random.Random(size)
    messages, position = [], 0
    names = [f"{n}-{n % 10}" for n in range(1, 1 + max(4, min(160, size // 20)))]
    while position < size:
        position += 1
        at = f"20{draw.randrange(10, 26)}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
        messages.append(one(position, at, draw.choice(names), draw))
    return messages


def one(position: int, at: str, name: str, draw: random.Random) -> Derived:
    """One message with one resource."""
    concept = {"coding": [{"system": "http://loinc.org", "code": name}], "text": f"Analyte {name}"}
    drug = {"coding": [{"system": "http://rx", "code": name}], "text": f"Drug {name}"}
    subject = {"subject": {"reference": "Patient/p"}}
    kind = draw.random()
    body: dict[str, Any]
    if kind < 0.85:
        value = {"value": Decimal(draw.randrange(10, 999)).scaleb(-1), "unit": "mmol/L"}
        low = {"low": {"value": Decimal("3.5"), "unit": "mmol/L"}, "text": ">3.5"}
        body = {"resourceType": "Observation", "status": "final", "code": concept}
        body |= {"effectiveDateTime": f"{at}T08:00:00+01:00", "valueQuantity": value, **subject}
        body |= {"referenceRange": [low], "interpretation": [{"coding": [{"code": "N"}]}]}
    elif kind < 0.93:
        body = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
        body |= {"medicationCodeableConcept": drug, "authoredOn": at, **subject}
    elif kind < 0.97:
        body = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}}
        body |= {"period": {"start": at, "end": at}, **subject}
    else:
        body = {"resourceType": "Condition", "code": concept, "recordedDate": at, **subject}
        body |= {"clinicalStatus": {"coding": [{"code": "active"}]}}
    body["id"] = f"r{position}"
    return Derived(position, "lab", "", "", position, "p", (Contribution(body, "p"),))


def cpu_us(call: Any, times: int) -> float:
    """CPU microseconds per call."""
    started = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - started) / times * 1e6


def bench_merge(report: Report, derived: Iterable[Derived]) -> None:
    """Single merges of real contributions."""
    said = [(c, d) for d in derived for c in d.contributions if not c.directory][:2000]
    stamps = [Stamp(1, d.event_us, d.position) for _, d in said]
    states = [chart.merge(None, c, s) for (c, _), s in zip(said, stamps, strict=True)]
    later = [Stamp(1, s.event_us + 1, s.position + 10**6) for s in stamps]
    rounds = 5

    def first() -> None:
        for (c, _), s in zip(said, stamps, strict=True):
            chart.merge(None, c, s)

    def again() -> None:
        for state, (c, _), s in zip(states, said, later, strict=True):
            chart.merge(state, c, s)

    def placing() -> None:
        for state in states:
            chart.place(state)

    for what, call in (("first statement", first), ("later one", again), ("place", placing)):
        report.row(what=f"merge: {what}", cpu_us=round(cpu_us(call, rounds) / len(said), 1))


def bench_traffic(report: Report, kind: str, derived: list[Derived], batch: int) -> None:
    """The messages of a hospital from an empty store on, in batches."""
    times = []
    for _ in range(REPETITIONS):
        shelf = Shelf()
        started = time.process_time()
        for start in range(0, len(derived), batch):
            shelf.apply(derived[start : start + batch])
        times.append((time.process_time() - started) / len(derived) * 1e6)
    times.sort()
    patient_resources = sum(not c.directory for d in derived for c in d.contributions)
    report.row(
        what=f"{kind}, batches of {batch}",
        messages=len(derived),
        resources_per_message=round(patient_resources / len(derived), 1),
        cpu_us=round(times[0], 1),
        worst_us=round(times[-1], 1),
        refills=shelf.refilled,
    )


def bench_size(report: Report, size: int) -> Shelf:
    """One more message for a chart of ``size`` resources, each in a batch of its own."""
    shelf = Shelf()
    messages = person(size + 300)
    shelf.apply(messages[:size])
    view_bytes = [len(v) for v in shelf.views.values()]
    started = time.process_time()
    for message in messages[size:]:
        shelf.apply([message])
    used = (time.process_time() - started) / 300 * 1e6
    report.row(
        what=f"one message, chart of {size} resources",
        cpu_us=round(used, 1),
        refills=shelf.refilled,
        view_bytes_max=max(view_bytes),
    )
    return shelf


def bench_summary(report: Report, shelf: Shelf, size: int) -> None:
    """The summary from sealed views, as a reader gets it."""
    times = []
    for _ in range(100):
        started = time.process_time()
        views = [shelf.view(key) for key in shelf.views]
        summed = chart.summary(views, 0)
        times.append((time.process_time() - started) * 1e6)
    encoded = len(msgspec.json.encode(summed))
    times.sort()
    report.row(
        what=f"summary, chart of {size} resources",
        cpu_us=round(times[50], 1),
        p99_us=round(times[98], 1),
        rows=len(shelf.views),
        json_bytes=encoded,
    )


def main() -> None:
    """Prints the table and keeps the record."""
    report = Report("fold")
    traffic = simulated(days=4)
    gc.collect()
    gc.freeze()  # both as a worker does once its mappings are compiled
    gc.set_threshold(100_000, 20, 20)
    bench_merge(report, traffic["ADT"] + traffic["ORU"])
    for kind, derived in traffic.items():
        for batch in (20, 500):
            bench_traffic(report, kind, derived, batch)
    for size in (10, 1_000, 10_000):
        shelf = bench_size(report, size)
        bench_summary(report, shelf, size)
    report.write()


if __name__ == "__main__":
    main()
