"""``make coverage``: what becomes of every input field of the shared HL7 v2 messages, by segment.

Beside our shares of leaves (mapped, ignored by a rule, unmapped) stands the share that HL7's own
v2-to-FHIR segment tables map, over the same leaves: a leaf counts there when any published table of
its segment gives its field a FHIR element. Quarantined messages are counted apart.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Disposition, Traced
from chartloom.formats.hl7v2 import split_batch
from chartloom.normalize import load_mapping

ROOT = Path(__file__).parent.parent
CORPORA = Path(os.environ.get("CHARTLOOM_CORPORA", ROOT.parent / "shared" / "data"))
PATTERNS = (
    "ms-fhir-converter/hl7v2/**/*.hl7",
    "cdc-reportstream/**/*.hl7",
    "openhie-client-registry/**/HL7/*",
)
FEED = Feed("coverage", "tools", "tools", "files", Format.HL7V2)
_FIELD = re.compile(r"([A-Z][A-Z0-9]{2})-(\d+)")
_LOCATION = re.compile(r"([A-Z][A-Z0-9]{1,2})(?:\[\d+\])?-(\d+)")


@dataclass
class Share:
    """What became of the leaves of one segment type."""

    fields: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    published: int = 0

    @property
    def total(self) -> int:
        """All leaves."""
        return sum(self.counts[d] for d in Disposition)


def published_fields(folder: Path) -> dict[str, set[int]]:
    """Segment -> fields to which HL7's v2-to-FHIR tables give a FHIR element."""
    result: dict[str, set[int]] = defaultdict(set)
    for file in sorted(folder.glob("*.csv")):
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.reader(lines):
                found = _FIELD.match(row[1]) if len(row) > 9 else None
                if found and row[9].strip():
                    result[found[1]].add(int(found[2]))
    return dict(result)


def traced_messages(corpora: Path) -> Iterator[tuple[str, Traced]]:
    """(name, traced result) of every shared message."""
    mapping = load_mapping("hl7v2")
    for file in sorted(f for p in PATTERNS for f in corpora.glob(p) if f.is_file()):
        data = file.read_bytes()
        spans = split_batch(data)
        for start, end in spans[0] if isinstance(spans, tuple) else spans:
            body = data[start:end]
            message = Message(1, FEED.name, body, 0, hashlib.sha256(body).digest())
            yield file.name, mapping.trace(message, FEED, EXAMPLE_NAMESPACE)


def measure(corpora: Path) -> tuple[dict[str, Share], Counter[str]]:
    """Shares by segment, and counts of messages, quarantined ones and their leaves."""
    published = published_fields(corpora / "v2-to-fhir" / "mappings" / "segments")
    shares: dict[str, Share] = defaultdict(Share)
    totals: Counter[str] = Counter()
    for _, traced in traced_messages(corpora):
        totals["messages"] += 1
        if traced.derived.quarantine:
            totals["quarantined messages"] += 1
            totals["leaves of quarantined messages"] += len(traced.loss.rows)
            continue
        for row in traced.loss.rows:
            found = _LOCATION.match(row.location)
            name, number = (found[1], int(found[2])) if found else ("?", 0)
            share = shares[name]
            share.fields.add(number)
            share.counts[row.disposition] += 1
            share.published += number in published.get(name, ())
    return dict(shares), totals


def show(shares: dict[str, Share], totals: Counter[str]) -> Table:
    """The table, segments with most leaves first."""
    table = Table("segment", "fields", "leaves", title="Input fields accounted for")
    for name in ("mapped", "ignored", "unmapped", "HL7's tables map"):
        table.add_column(name, justify="right")
    rows = sorted(shares.items(), key=lambda item: -item[1].total)
    whole = Share()
    for name, share in rows:
        whole.counts.update(share.counts)
        whole.published += share.published
        table.add_row(name, str(len(share.fields)), str(share.total), *_percentages(share))
    table.add_section()
    table.add_row("all", "", str(whole.total), *_percentages(whole))
    table.caption = ", ".join(f"{v} {k}" for k, v in totals.items())
    return table


def _percentages(share: Share) -> list[str]:
    total = share.total or 1
    parts = [share.counts[d] for d in Disposition] + [share.published]
    return [f"{100 * part / total:.1f} %" for part in parts]


def main() -> int:
    if not CORPORA.is_dir():
        print(f"no corpora in {CORPORA}; set CHARTLOOM_CORPORA", file=sys.stderr)
        return 1
    Console(width=None if os.isatty(1) else 110).print(show(*measure(CORPORA)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
