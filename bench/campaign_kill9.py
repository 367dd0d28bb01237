"""Kill -9 of everything at random moments under load: nothing acknowledged may be lost.

    .venv/bin/python -m bench.campaign_kill9 --runs 100

Each run lets 8 senders push messages at a real site over real MLLP, and after a random time kills
the whole process tree with SIGKILL: supervisor, ingest, workers, console and every PostgreSQL
process. Senders behave as real ones: what was not acknowledged is sent again, same bytes, after the
restart. At the end:

- every acknowledged message is in the log exactly once, and applied exactly once;
- per patient, the log's order is the order of sending;
- replaying the whole log gives identical resources, views, bundles and links.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from bench._site import drain, site_processes, start

from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter
from chartloom.formats.hl7v2 import peek
from chartloom.project import load_project, write_site
from chartloom.simulate import traffic
from chartloom.wiring import OpenSite, open_site

SENDERS = 8


class Sender(threading.Thread):
    """Sends its patients' messages one after the other; repeats what was not acknowledged."""

    def __init__(self, port: int, messages: list[tuple[str, bytes]], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._port, self._messages, self._stop_event = port, messages, stop
        self.next = 0
        self.acked: list[str] = []
        self.refused: Counter[str] = Counter()
        self.resent = 0

    def run(self) -> None:
        while not self._stop_event.is_set() and self.next < len(self._messages):
            try:
                with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                    connection.settimeout(10)
                    self._converse(connection)
            except OSError:
                self.resent += 1
                time.sleep(0.05)

    def _converse(self, connection: socket.socket) -> None:
        while not self._stop_event.is_set() and self.next < len(self._messages):
            control_id, body = self._messages[self.next]
            connection.sendall(b"\x0b" + body + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                chunk = connection.recv(65536)
                if not chunk:
                    raise ConnectionError("closed")
                answer += chunk
            code = answer.split(b"\rMSA|", 1)[1][:2].decode()
            if code in ("AA", "CA"):
                self.acked.append(control_id)
                self.next += 1
            else:
                self.refused[code] += 1
                time.sleep(0.05)


def kill_everything(process: subprocess.Popen[bytes], site: Path) -> int:
    """SIGKILL to the whole tree at once; how many processes."""
    pids = site_processes(process.pid, site)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    return len(pids)


def log_rows(opened: OpenSite) -> list[tuple[int, str, MessageState]]:
    """(position, control id, state) of the whole log, in order."""
    rows, before = [], 0
    while page := opened.store.search(opened.grant(), MessageFilter(before=before, limit=1000)):
        rows.extend((r.position, r.control_id, r.state) for r in page)
        before = page[-1].position
    return sorted(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load-s", type=float, nargs=2, default=(0.2, 2.5))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="clk9") as folder:
        site = Path(folder) / "site"
        write_site(site, name="Campaign", first_port=28610, console_port=28600, workers=2)
        port = 28610
        patients: dict[str, list[str]] = defaultdict(list)
        lists: list[list[tuple[str, bytes]]] = [[] for _ in range(SENDERS)]
        for message in traffic(seed=options.seed, n=options.runs * 4000):
            seen = peek(message.body)
            key = f"{seen.patient_authority}|{seen.patient_identifier}"
            patients[key].append(seen.control_id)
            lists[hash(key) % SENDERS].append((seen.control_id, message.body))
        stop = threading.Event()
        senders = [Sender(port, messages, stop) for messages in lists]
        process = start(site)
        for sender in senders:
            sender.start()
        killed = 0
        up_s = []
        for run in range(1, options.runs + 1):
            time.sleep(rng.uniform(*options.load_s))
            killed += kill_everything(process, site)
            began_s = time.monotonic()
            process = start(site)
            up_s.append(time.monotonic() - began_s)
            acked = sum(len(s.acked) for s in senders)
            print(f"run {run:3}: {acked:,} acknowledged, up again in {up_s[-1]:.1f} s", flush=True)
        time.sleep(1)
        stop.set()
        for sender in senders:
            sender.join(20)
        result = verify(site, senders, patients)
        result |= {
            "runs": options.runs,
            "processes_killed": killed,
            "restart_s_median": round(sorted(up_s)[len(up_s) // 2], 2),
            "restart_s_max": round(max(up_s), 2),
        }
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    bad = ("acked_lost", "landed_twice", "reordered_patients", "not_applied", "applied_difference")
    sys.exit(1 if any(result[k] for k in bad) or not result["replay_identical"] else 0)


def verify(site: Path, senders: list[Sender], patients: dict[str, list[str]]) -> dict[str, object]:
    """Compares what the senders know with what the site holds."""
    with open_site(load_project(site)) as opened:
        drain(opened)
        rows = log_rows(opened)
        count = Counter(control_id for _, control_id, _ in rows)
        acked = [control_id for sender in senders for control_id in sender.acked]
        place = {control_id: position for position, control_id, _ in rows}
        reordered = 0
        for control_ids in patients.values():
            positions = [place[c] for c in control_ids if c in place]
            reordered += positions != sorted(positions)
        applied = sum(s.applied_count for s in opened.store.feeds(opened.grant()))
        grant = opened.grant(ttl_s=86_400)
        before = opened.store.digest(grant)
        opened.store.rebuild(grant)
        drain(opened)
        return {
            "acked": len(acked),
            "in_log": len(rows),
            "resent_after_failure": sum(s.resent for s in senders),
            "refused": dict(sum((s.refused for s in senders), Counter())),
            "acked_lost": sum(1 for c in acked if not count[c]),
            "landed_twice": sum(1 for n in count.values() if n > 1),
            "reordered_patients": reordered,
            "not_applied": sum(1 for *_, state in rows if state is not MessageState.APPLIED),
            "applied_difference": applied - len(rows),
            "replay_identical": opened.store.digest(grant) == before,
        }


if __name__ == "__main__":
    main()
