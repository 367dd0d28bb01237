"""End to end: real MLLP senders -> durable -> acknowledged -> derived -> in the chart.

    .venv/bin/python bench/bench_end_to_end.py --seconds 60

A fresh site with everything on (sealing, validation, views, console) on this machine; the senders
run on it too. Reports the sustained rate with 16 senders (acknowledged and applied), latency from
acceptance to view at a fixed rate, and durable commits per second of one sender and of sixteen.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import time
from itertools import islice
from multiprocessing.connection import Connection

from bench._report import Report
from bench._site import Up, cpu_s, drain, site_up

from chartloom.formats.hl7v2 import peek
from chartloom.project import load_project
from chartloom.simulate import traffic
from chartloom.sources.send import SendOptions, SendReport, send_mllp
from chartloom.wiring import open_site


def patient_of(body: bytes) -> bytes:
    """Which messages must stay in order: those of one patient."""
    seen = peek(body)
    return f"{seen.patient_authority}|{seen.patient_identifier}".encode()


def sender(pipe: Connection, seed: int, count: int) -> None:
    """In its own process: prepares a pool, then sends what it is told to."""
    pool = iter([m.body for m in traffic(seed=seed, n=count)])
    pipe.send("ready")
    while job := pipe.recv():
        port, connections, seconds, rate = job
        end_s = time.monotonic() + seconds

        def until(end_s: float = end_s) -> object:
            for body in pool:
                yield body
                if time.monotonic() > end_s:
                    return

        options = SendOptions(connections=connections, rate_per_s=rate)
        began = time.process_time()
        key = patient_of if connections > 1 and not rate else None
        report: SendReport = asyncio.run(
            send_mllp(until(), "127.0.0.1", port, options=options, key=key)
        )
        latency = report.latency
        pipe.send(
            {
                "accepted": report.accepted_count,
                "refused": report.refused_count + report.unanswered_count,
                "seconds": report.elapsed_s,
                "ack_p50_ms": latency.p50_ms if latency else -1,
                "ack_p99_ms": latency.p99_ms if latency else -1,
                "cpu_s": time.process_time() - began,
            }
        )


def sustained(pipe: Connection, up: Up, connections: int, seconds: float) -> dict:
    """As fast as answers come; applied counts until the last message is in its chart."""
    pid = up.process.pid
    with open_site(load_project(up.site)) as opened:
        grant = opened.grant(ttl_s=3600)
        applied_before = sum(s.applied_count for s in opened.store.feeds(grant))
        cpu_before = cpu_s(pid)
        began_s = time.monotonic()
        pipe.send((up.ports[0], connections, seconds, 0))
        sent = pipe.recv()
        lag = opened.store.waiting(grant)
        drain(opened)
        wall_s = time.monotonic() - began_s
        applied = sum(s.applied_count for s in opened.store.feeds(grant)) - applied_before
        used = {k: v - cpu_before.get(k, 0) for k, v in cpu_s(pid).items()} | {
            "sender": sent["cpu_s"]
        }
        return sent | {
            "applied_per_s": applied / wall_s,
            "applied": applied,
            "lag_at_end": lag,
            "cpu_us": {k: v / max(1, applied) * 1e6 for k, v in used.items()},
        }


def at_rate(pipe: Connection, up: Up, rate: float, seconds: float) -> dict:
    """Latency from acceptance to view at a fixed rate, from the store's own times."""
    from chartloom.domain.store import MessageFilter

    with open_site(load_project(up.site)) as opened:
        grant = opened.grant(ttl_s=3600)
        newest = opened.store.search(grant, MessageFilter(limit=1))
        after = newest[0].position if newest else 0
        pipe.send((up.ports[0], 16, seconds, rate))
        sent = pipe.recv()
        drain(opened)
        times, before = [], 0
        while page := opened.store.search(grant, MessageFilter(before=before, limit=1000)):
            times += [
                (r.applied_at_us - r.received_at_us) / 1000 for r in page if r.position > after
            ]
            before = page[-1].position
            if before <= after:
                break
        times.sort()
        return sent | {
            "n": len(times),
            "view_p50_ms": times[len(times) // 2],
            "view_p99_ms": times[int(len(times) * 0.99)],
            "view_max_ms": times[-1],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pool", type=int, default=250_000)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=sender, args=(there, 1, options.pool), daemon=True)
    process.start()
    here.recv()
    report = Report("end-to-end")
    with site_up(options.workers) as up:
        one = sustained(here, up, 1, min(10, options.seconds))
        sixteen = sustained(here, up, 16, options.seconds)
        steady = at_rate(here, up, 500, min(30, options.seconds))
    here.send(None)
    cpus = os.cpu_count()
    for label, r in (("1 sender", one), ("16 senders", sixteen)):
        report.row(
            what=f"{label}, as fast as answered",
            messages=r["accepted"],
            acked_per_s=round(r["accepted"] / r["seconds"]),
            applied_per_s=round(r["applied_per_s"]),
            ack_p99_ms=round(r["ack_p99_ms"], 1),
            refused=r["refused"],
            lag=r["lag_at_end"],
            cpu_us=" ".join(f"{k} {v:.0f}" for k, v in sorted(r["cpu_us"].items())),
        )
    report.row(
        what="16 senders, 500 msg/s",
        messages=steady["n"],
        acked_per_s=round(steady["accepted"] / steady["seconds"]),
        ack_p99_ms=round(steady["ack_p99_ms"], 1),
        view_p50_ms=round(steady["view_p50_ms"], 1),
        view_p99_ms=round(steady["view_p99_ms"], 1),
        view_max_ms=round(steady["view_max_ms"], 1),
    )
    ratio = sixteen["accepted"] / sixteen["seconds"] / (one["accepted"] / one["seconds"])
    report.row(what="durable, 16 senders / 1 sender", acked_per_s=f"{ratio:.1f}x")
    report.write()
    print(f"{cpus} cores, workers: {options.workers}, {list(islice(steady, 3))}")


if __name__ == "__main__":
    main()
