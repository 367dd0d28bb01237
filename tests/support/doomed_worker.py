"""A worker in a process of its own, whose mapping kills the process on some messages.

Arguments: DSN, key folder, what a deadly message contains. Ends with 0 when nothing is pending.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from chartloom.domain.feed import Feed
from chartloom.domain.grant import Purpose
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, Derived
from chartloom.engines.postgres import PostgresStore
from chartloom.guard import Guard, SystemClock
from chartloom.guard.keys import FileKek
from chartloom.hot import Worker

FEED = Feed("lab", "lab", "lab", "mllp", Format.HL7V2)


class Deadly:
    """A Patient per message; SIGKILL, as the kernel does when memory runs out, on deadly ones."""

    name, fingerprint, files = "deadly", "f" * 64, dict[str, bytes]()

    def __init__(self, deadly: bytes) -> None:
        self.deadly = deadly

    def derive(self, message: Message, feed: Feed, namespace: Any) -> Derived:
        if self.deadly and self.deadly in message.body:
            os.kill(os.getpid(), signal.SIGKILL)
        id = message.source_patient
        resource = {"resourceType": "Patient", "id": id}
        contribution = Contribution(resource, id)
        return Derived(message.position, message.feed, "", "", 1, id, (contribution,))


def worker_on(store: PostgresStore, deadly: bytes = b"") -> Worker:
    """A worker of that mapping."""
    mappings: Any = {"lab": (FEED, Deadly(deadly))}
    grant = store.guard.mint("tester", Purpose.OPERATIONS)
    return Worker(store, mappings, EXAMPLE_NAMESPACE, store.clock, lambda: grant, "w", 64)


def main() -> None:
    dsn, keys, deadly = sys.argv[1:]
    store = PostgresStore(dsn, Guard.open(Path(keys)), SystemClock())
    # Beside the keys, as the factory of stores has it.
    kek = Path(keys).with_name(Path(keys).name.replace("keys-", "kek-", 1))
    store.use_subject_keys(FileKek(kek))
    worker = worker_on(store, deadly.encode())
    while worker.run_once():
        pass
    store.release("w")
    store.close()


if __name__ == "__main__":
    main()
