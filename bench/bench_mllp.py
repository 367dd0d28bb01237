"""Ingest only: MLLP in, durable in PostgreSQL, acknowledged. 1 and 16 senders beside each other.

The senders are a process of their own. CPU is of the ingest process and of the senders; the
server processes of PostgreSQL are counted through their own clocks.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import uvloop
from bench._report import Report

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore
from chartloom.guard import Guard, SystemClock
from chartloom.sources import IngestServer, IngestSettings
from chartloom.sources.send import SendOptions, SendReport, send_mllp

_BODY = (
    "MSH|^~\\&|LAB|HOSP|EHR|HOSP|20260101120000+0000||ORU^R01^ORU_R01|{id}|P|2.5.1\r"
    "PID|1||{patient}^^^HOSP^MR||Doe^Jane||19700101|F\rPV1|1|I|W1^101^1\r"
    "OBR|1|O{id}|F{id}|24323-8^Panel^LN|||20260101113000\r"
)
_OBX = "OBX|{n}|NM|2345-7^Glucose^LN||{n}.50|mmol/L|3.9-6.1|N|||F|||20260101113000\r"


def messages(count: int, run: int) -> Iterator[bytes]:
    """ORU messages of about 1.2 KB, every one with its own control id."""
    results = "".join(_OBX.format(n=n) for n in range(1, 13))
    for i in range(count):
        yield (_BODY.format(id=f"R{run}-{i}", patient=i % 500) + results).encode()


def _serve(dsn: str, keys: str, gather_s: float, pipe: Connection) -> None:
    async def main() -> None:
        clock = SystemClock()
        guard = Guard.open(Path(keys), clock)
        feed = Feed("adt", "d", "o", "mllp", Format.HL7V2, options={"port": 0})
        settings = IngestSettings(gather_s=gather_s)
        store = PostgresStore(dsn, guard, clock)
        async with IngestServer([feed], store, clock, guard.namespace, settings=settings) as ingest:
            pipe.send(ingest.ready()["adt"])
            while await asyncio.to_thread(pipe.recv):
                pipe.send((ingest.group_count, time.process_time()))

    uvloop.run(main())


def _postgres_cpu_s(server: EmbeddedPostgres) -> float:
    postmaster = psutil.Process(server.pid)
    total = 0.0
    for process in [postmaster, *postmaster.children(recursive=True)]:
        times = process.cpu_times()
        total += times.user + times.system
    return total


def _measure(
    server: EmbeddedPostgres, keys: str, run: int, options: SendOptions, count: int, gather_s: float
) -> dict[str, Any]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(server.dsn, keys, gather_s, theirs)
    )
    process.start()
    host, port = ours.recv()
    uvloop.run(send_mllp(messages(200, run + 1000), host, port))  # warm

    ours.send(True)
    groups, ingest_cpu_s = ours.recv()
    postgres_cpu_s, own_cpu_s = _postgres_cpu_s(server), time.process_time()
    report: SendReport = uvloop.run(send_mllp(messages(count, run), host, port, options=options))
    own_cpu_s = time.process_time() - own_cpu_s
    postgres_cpu_s = _postgres_cpu_s(server) - postgres_cpu_s
    ours.send(True)
    groups_after, ingest_cpu_after_s = ours.recv()
    ours.send(False)
    process.join()
    assert report.is_complete, report
    latency = report.latency
    assert latency is not None
    per_us = 1e6 / count
    return {
        "what": f"{options.connections} senders x {options.pipelining}"
        f", {options.rate_per_s or 'max'}/s, gather {gather_s * 1000:g} ms",
        "durable msg/s": round(report.rate_per_s),
        "commits/s": round((groups_after - groups) / report.elapsed_s),
        "msg/commit": round(count / (groups_after - groups), 1),
        "p50 ms": round(latency.p50_ms, 1),
        "p99 ms": round(latency.p99_ms, 1),
        "ingest us/msg": round((ingest_cpu_after_s - ingest_cpu_s) * per_us),
        "postgres us/msg": round(postgres_cpu_s * per_us),
        "sender us/msg": round(own_cpu_s * per_us),
    }


def main(seconds: float = 5.0) -> None:
    """Runs all cases; ``seconds`` scales their length."""
    folder = Path(tempfile.mkdtemp(prefix="chartloom-bench-"))
    server = EmbeddedPostgres(folder / "pg")
    server.start()
    keys = str(folder / "keys")
    PostgresStore(server.dsn, Guard.open(Path(keys), SystemClock()), SystemClock()).migrate()
    report = Report("mllp-ingest")
    cases = [
        (SendOptions(connections=1), 400, 0.005),
        (SendOptions(connections=16), 2000, 0.0),
        (SendOptions(connections=16), 2000, 0.005),
        (SendOptions(connections=16, pipelining=16), 4000, 0.005),
        (SendOptions(connections=16, rate_per_s=500), 500, 0.005),
        (SendOptions(connections=16, rate_per_s=2000), 2000, 0.0),
        (SendOptions(connections=16, rate_per_s=2000), 2000, 0.005),
        (SendOptions(connections=16, rate_per_s=2000), 2000, 0.010),
    ]
    try:
        for run, (options, per_s, gather_s) in enumerate(cases):
            count = int(per_s * seconds)
            report.row(**_measure(server, keys, run, options, count, gather_s))
        report.write()
    finally:
        server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
