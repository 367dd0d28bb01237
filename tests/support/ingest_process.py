"""An ingest process with one MLLP feed over the real store, for tests that kill it.

``python -m tests.support.ingest_process DSN KEY_FOLDER``: prints the port, then serves until it is
terminated.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop
from tests.support.ingest import mllp_feed

from chartloom.engines.postgres import PostgresStore
from chartloom.guard import Guard, SystemClock
from chartloom.sources import IngestServer, IngestSettings


async def serve(dsn: str, keys: str) -> None:
    clock = SystemClock()
    guard = Guard.open(Path(keys), clock)
    store = PostgresStore(dsn, guard, clock)
    ingest = IngestServer(
        [mllp_feed()], store, clock, guard.namespace, settings=IngestSettings(patience_s=0.5)
    )
    await ingest.start()
    address = ingest.ready()["adt"]
    assert address is not None
    print(address[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2]))
