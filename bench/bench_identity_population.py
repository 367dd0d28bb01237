"""How well persons are matched among very many records, and what thresholds do there.

    nice .venv/bin/python -m bench.bench_identity_population [--records 1000000] [--of 10]

All records of one simulated world are standardised and indexed; pairs are decided about for one of
``of`` persons (by a hash of who it is) against everybody: each pair counts for the person whose
record came first, so that what is found is an unbiased share of all pairs. Rows are thresholds of
two who are far from each other: as declared, and others. Clusters: links within a person are
closed; a wrong link touches two persons.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from bench._report import Report

from chartloom.registry.persons import (
    MatchRecord,
    Outcome,
    Parameters,
    among,
    decide,
    default_parameters,
    keys,
    standardise,
)
from chartloom.simulate.identity import PROFILES, by_person

SEED = 5_000
#: A record's number in so many low bits, the hash of a key above it.
_BITS = 21
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(MatchRecord).decode


class Kept(msgspec.Struct):
    """What is left to be judged: pairs that may be links or reviews, with their records, and the
    records of the persons in the sample."""

    about: dict[str, float]
    pairs: list[tuple[int, int]]
    records: dict[int, MatchRecord]
    person: dict[int, int]
    members: dict[int, list[int]]


class World:
    """Records, packed; who they are; and all (key, record) in order."""

    def __init__(self, records: int, noise: str) -> None:
        self.packed: list[bytes] = []
        self.person = array("l")
        self.sampled: list[bool] = []
        names: dict[str, int] = {}
        self.entries: list[int] = []
        for some in by_person(SEED, int(records * 0.61), PROFILES[noise]):
            for one in some:
                record, number = standardise(one.patient), len(self.packed)
                self.packed.append(_encode(record))
                self.person.append(names.setdefault(one.person, len(names)))
                for key in keys(record):
                    high = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=6).digest())
                    self.entries.append(high << _BITS | number)
            if len(self.packed) >= records:
                break
        self.entries.sort()

    def groups(self, most: int) -> Iterator[list[int]]:
        """Records that share a key, if they are not too many."""
        start, entries, mask = 0, self.entries, (1 << _BITS) - 1
        count = len(entries)
        while start < count:
            end, high = start + 1, entries[start] >> _BITS
            while end < count and entries[end] >> _BITS == high:
                end += 1
            if 1 < end - start <= most:
                yield [e & mask for e in entries[start:end]]
            start = end

    def crowded(self, most: int) -> tuple[int, int]:
        """Keys that too many carry: how many, and how many by the most."""
        start, entries = 0, self.entries
        count, keys_, largest = len(entries), 0, 0
        while start < count:
            end, high = start + 1, entries[start] >> _BITS
            while end < count and entries[end] >> _BITS == high:
                end += 1
            if end - start > most:
                keys_, largest = keys_ + 1, max(largest, end - start)
            start = end
        return keys_, largest

    def open(self, number: int) -> MatchRecord:
        return _decode(self.packed[number])


def candidates(world: World, of: int, most: int) -> list[tuple[int, int]]:
    """Each pair once whose earlier record is of a person in the sample."""
    chosen = [
        int.from_bytes(hashlib.blake2b(str(p).encode(), digest_size=4).digest()) % of == 0
        for p in world.person
    ]
    found: set[int] = set()
    for group in world.groups(most):
        for place, low in enumerate(group):
            if chosen[low]:
                found.update(low << _BITS | high for high in group[place + 1 :])
    world.sampled = chosen
    mask = (1 << _BITS) - 1
    return [(pair >> _BITS, pair & mask) for pair in sorted(found)]


def raised(parameters: Parameters, bits: str) -> Parameters:
    """Thresholds of two who are far from each other so many bits higher: ``link:review``."""
    link, _, review = bits.partition(":")
    return msgspec.structs.replace(parameters, link_far=float(link), review_far=float(review))


def judged(kept: Kept, parameters: Parameters) -> dict[str, float]:
    """Figures by some thresholds."""
    person, records_of = kept.person, kept.records
    right = wrong = asked = asked_right = 0
    links: dict[int, list[tuple[int, int]]] = {}
    asked_of: dict[int, list[tuple[int, int]]] = {}
    mixed: set[int] = set()
    for a, b in kept.pairs:
        decision = decide(records_of[a], records_of[b], parameters)
        if decision.outcome is Outcome.NEW:
            continue
        same = person[a] == person[b]
        if decision.outcome is Outcome.LINK:
            right, wrong = right + same, wrong + (not same)
            if same:
                links.setdefault(person[a], []).append((a, b))
            else:
                mixed.update((person[a], person[b]))
        else:
            asked, asked_right = asked + 1, asked_right + same
            if same:
                asked_of.setdefault(person[a], []).append((a, b))
    joined_by = {who: _heads(some) for who, some in links.items()}
    for who, some in asked_of.items():
        head = joined_by.get(who, {})
        inside = sum(a in head and head[a] == head.get(b) for a, b in some)
        asked, asked_right = asked - inside, asked_right - inside
    total = joined = found = 0
    for who, mine in kept.members.items():
        total += len(mine) * (len(mine) - 1) // 2
        joined += _pairs_joined(mine, links.get(who, []))
        found += _pairs_joined(mine, links.get(who, []) + asked_of.get(who, []))
    records = sum(map(len, kept.members.values()))
    precision = joined / (joined + wrong) if joined else 1.0
    recall = joined / total
    return {
        "link_precision": round(right / (right + wrong), 6),
        "links_wrong": wrong,
        "recall": round(recall, 5),
        "f1_about": round(2 * precision * recall / (precision + recall), 5),
        "recall_with_review": round(found / total, 5),
        "queue_share": round(asked / records, 5),
        "queue_right": round(asked_right / max(1, asked), 3),
        "mixed_share_about": round(len(mixed) / 2 / len(kept.members), 6),
    }


def _pairs_joined(members: Sequence[int], links: Sequence[tuple[int, int]]) -> int:
    sizes = Counter(head for m, head in _heads(links).items() if m in members)
    return sum(n * (n - 1) // 2 for n in sizes.values())


def _heads(links: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Record -> the first of those it is joined to."""
    head = {m: m for pair in links for m in pair}
    for a, b in links:
        low, high = sorted((head[a], head[b]))
        head = {k: low if v == high else v for k, v in head.items()}
    return head


def found(options: argparse.Namespace, parameters: Parameters) -> Kept:
    """The pairs of a world."""
    began = time.process_time()
    world = World(options.records, options.noise)
    print(f"{len(world.packed):,} records, {time.process_time() - began:.0f} s", flush=True)
    pairs = candidates(world, options.of, parameters.carriers_max)
    crowded, largest = world.crowded(parameters.carriers_max)
    world.entries = []
    print(f"{len(pairs):,} pairs, {time.process_time() - began:.0f} s", flush=True)
    likely = [
        (a, b)
        for a, b in pairs
        if decide(world.open(a), world.open(b), parameters).outcome is not Outcome.NEW
    ]
    members: dict[int, list[int]] = {}
    for number, person in enumerate(world.person):
        if world.sampled[number]:
            members.setdefault(person, []).append(number)
    about = {
        "records": len(world.packed),
        "persons": max(world.person) + 1,
        "sample_of": options.of,
        "sample_records": sum(world.sampled),
        "candidates_of_a_record": round(2 * len(pairs) / sum(world.sampled), 2),
        "keys_too_common": crowded,
        "carriers_at_most": largest,
        "cpu_s": round(time.process_time() - began),
    }
    numbers = {n for pair in likely for n in pair}
    return Kept(
        about,
        likely,
        {n: world.open(n) for n in numbers},
        {n: world.person[n] for n in numbers},
        members,
    )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--noise", default="desk-hurried")
    parser.add_argument("--of", type=int, default=10)
    parser.add_argument("--far", default="0:0,1.5:2,3.32:3.32,4:4,4:6,6:6,6:8")
    parser.add_argument("--kept", type=Path, help="file of the pairs: read if it is there")
    options = parser.parse_args()
    parameters = default_parameters()
    if options.kept and options.kept.exists():
        kept = msgspec.msgpack.decode(options.kept.read_bytes(), type=Kept)
    else:
        kept = found(options, parameters)
        if options.kept:
            options.kept.write_bytes(msgspec.msgpack.encode(kept))
    report = Report(
        f"identity-population-{options.noise}-{kept.about['records'] // 1000:.0f}k",
        **kept.about,
        carriers_max=parameters.carriers_max,
        parameters=parameters.fingerprint,
    )
    declared = among(parameters, int(kept.about["records"]))
    sets = [("declared", declared), *((b, raised(parameters, b)) for b in options.far.split(","))]
    for name, some in sets:
        far = some.link + some.link_far, some.review + some.review_far
        report.row(thresholds=name, link_far=far[0], review_far=far[1], **judged(kept, some))
        print(report.rows[-1], flush=True)
    report.write()


if __name__ == "__main__":
    main()
