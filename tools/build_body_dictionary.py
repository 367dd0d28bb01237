"""Trains the dictionary of ``engines/postgres/compact.py`` on what simulated messages yield.

    .venv/bin/python tools/build_body_dictionary.py

Nothing of a real patient is in it. Refuses to overwrite: what was written with a dictionary needs
that dictionary for ever.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from chartloom import chart
from chartloom.domain import codec
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived
from chartloom.engines.postgres.bodies import BundleBody, StateBody
from chartloom.normalize import load_mapping
from chartloom.simulate import FEEDS, traffic

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

OUT = Path(__file__).parent.parent / "src/chartloom/engines/postgres/bodies.zdict"
SIZE_BYTES = 32 * 1024
MESSAGES = 3000
BATCH = 100


def derived() -> list[Derived]:
    """What the messages say; every one of another patient, so that no one's data is frequent."""
    mapping = load_mapping()
    found = []
    for position, m in enumerate(traffic(seed=2026, n=MESSAGES, patients=20_000), 1):
        message = Message(position, m.feed, m.body, m.at_us, hashlib.sha256(m.body).digest())
        found.append(mapping.derive(message, FEEDS[m.feed], EXAMPLE_NAMESPACE))
    return found


def samples() -> list[bytes]:
    """Bodies as the store packs them."""
    messages = derived()
    found: list[bytes] = []
    for start in range(0, MESSAGES, BATCH):
        batch = messages[start : start + BATCH]
        changes = chart.merge_batch(batch, {})
        states = [change.after.state for change in changes.values()]
        bundles = [BundleBody(d.contributions, d.provenance, d.issues) for d in batch]
        found += map(codec.encode, bundles)
        found += [codec.encode(StateBody(s.resource, s.stamps)) for s in states]
        found += [codec.encode(v.entries) for v in chart.fold_batch(changes, {}).views.values()]
    return found


def main() -> None:
    if OUT.exists():
        raise SystemExit(f"{OUT.name} exists; make another beside it.")
    trained = zstd.train_dict(samples(), SIZE_BYTES)
    OUT.write_bytes(trained.dict_content)
    print(f"{OUT.name}: {len(trained.dict_content)} bytes, id {trained.dict_id}")


if __name__ == "__main__":
    main()
