"""Hostile messages against a whole site: each is applied or quarantined, and nothing else suffers.

    .venv/bin/python -m bench.campaign_mutations --count 100000

Damaged messages (truncations, bit flips, giant fields, wrong character sets, random bytes) go over
real MLLP to a real site, each in a frame, and some connections abuse the framing itself. A sound
message of a witness patient follows every hundredth. At the end every frame that was answered is in
the log, every message in the log is applied or in quarantine, no process died, memory stayed
bounded, and every witness message is applied.
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
from bench._report import Report
from bench._site import MLLP_PORT, drain, process_tree, site_up
from tests.support.mutate import mutants

from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter
from chartloom.project import load_project
from chartloom.simulate import traffic
from chartloom.wiring import open_site

_CROWD_HEADERS, _CROWDS_MAX = 100, 10
_WITNESS = (
    b"MSH|^~\\&|W|W|||20260101%06d||ADT^A31^ADT_A05|WIT%d|P|2.5.1\rEVN|A31|20260101120000\r"
    b"PID|1||WITNESS^^^W^MR||Witness^Wanda||19700101|F\rPV1|1|N\r"
)


class Sender(threading.Thread):
    """One connection's share, sent without waiting: the site's back-pressure sets the pace.

    A connection that the site closes is opened again; damaged frames may ask for no answer, or for
    several, so answers are counted, not matched.
    """

    def __init__(self, bodies: list[bytes]) -> None:
        super().__init__(daemon=True)
        self._bodies = bodies
        self.answers: Counter[str] = Counter()
        self.closed = 0

    def run(self) -> None:
        connection = self._connect()
        for body in self._bodies:
            try:
                connection.sendall(b"\x0b" + body + b"\x1c\r")
            except OSError:
                self.closed += 1
                connection = self._connect()
        time.sleep(5)
        connection.shutdown(socket.SHUT_WR)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", MLLP_PORT), 10)
        connection.settimeout(120)
        threading.Thread(target=self._listen, args=(connection,), daemon=True).start()
        return connection

    def _listen(self, connection: socket.socket) -> None:
        rest = b""
        try:
            while chunk := connection.recv(1 << 20):
                *answers, rest = (rest + chunk).split(b"\x1c\r")
                for answer in answers:
                    for part in answer.split(b"\rMSA")[1:]:
                        self.answers[part[1:3].decode("latin-1")] += 1
        except OSError:
            return


class MemoryWatch(threading.Thread):
    """The largest resident size of each role, and whether any process of the site was replaced."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.peak_bytes: Counter[str] = Counter()
        self.roles: dict[str, set[int]] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        while not self.stop.wait(0.5):
            for pid in process_tree(self._pid):
                try:
                    process = psutil.Process(pid)
                    command, size = process.cmdline(), process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
                if "run" in command and "chartloom.cli" in command:
                    role = command[command.index("run") + 1]
                    self.peak_bytes[role] = max(self.peak_bytes[role], size)
                    self.roles.setdefault(role, set()).add(pid)


def abuse_framing(seed: int, count: int) -> None:
    """Connections that send bytes without any regard for frames, and leave."""
    rng = random.Random(seed)
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", MLLP_PORT), 10) as connection:
            kind = rng.randrange(4)
            noise = rng.randbytes(rng.randrange(1, 4000))
            if kind == 0:
                noise = b"\x0b" * rng.randrange(1, 500) + noise
            elif kind == 1:
                noise = b"\x0bMSH|^~\\&|half a frame" + noise.replace(b"\x1c", b"")
            elif kind == 2:
                noise = b"\x1c\r\x1c\r\x0b\x0b" + noise + b"\x1c"
            try:
                connection.sendall(noise)
            except OSError:
                continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sound = tuple(m.body for m in traffic(seed=options.seed, n=2000))
    bodies: list[bytes] = []
    crowds = 0
    for number, (_, body) in enumerate(mutants(options.seed, options.count, sound)):
        # A giant field made of header lines is thousands of messages; a few of those are enough.
        crowd = body.count(b"MSH|") > _CROWD_HEADERS
        crowds += crowd
        if not crowd or crowds <= _CROWDS_MAX:
            bodies.append(body)
        if number % 100 == 99:
            bodies.append(_WITNESS % (number % 1_000_000, number))
    witnesses = sum(b"|WIT" in b and b.startswith(b"MSH|^~\\&|W|") for b in bodies)
    with site_up(workers=1) as (site, up):
        watch = MemoryWatch(up.pid)
        watch.start()
        senders = [Sender(bodies[n::8]) for n in range(8)]
        began_s = time.monotonic()
        for sender in senders:
            sender.start()
        abuse_framing(options.seed, 500)
        while any(s.is_alive() for s in senders):
            time.sleep(10)
            done = sum(sum(s.answers.values()) for s in senders)
            print(f"{done:,} answers, {time.monotonic() - began_s:.0f} s", flush=True)
        result = verify(site, senders)
        watch.stop.set()
        watch.join()
        seconds = time.monotonic() - began_s
    report = Report("campaign-mutations", seed=options.seed)
    report.row(
        mutants=len(bodies) - witnesses,
        witnesses=witnesses,
        seconds=round(seconds),
        **result,
        processes_replaced=sum(len(pids) - 1 for pids in watch.roles.values()),
        peak_mb=" ".join(f"{r} {b / 1e6:.0f}" for r, b in sorted(watch.peak_bytes.items())),
    )
    report.write()
    row = report.rows[0]
    sys.exit(
        1
        if row["neither"] or row["processes_replaced"] or row["witness_applied"] != witnesses
        else 0
    )


def verify(site: Path, senders: list[Sender]) -> dict[str, object]:
    """What the site holds, beside what the senders were told."""
    with open_site(load_project(site)) as opened:
        drain(opened, 1800)
        grant = opened.grant(ttl_s=3600)
        states: Counter[MessageState] = Counter()
        reasons: Counter[str] = Counter()
        witness, before = 0, 0
        while page := opened.store.search(grant, MessageFilter(before=before, limit=1000)):
            for row in page:
                states[row.state] += 1
                reasons[row.quarantine] += bool(row.quarantine)
                witness += row.control_id.startswith("WIT") and row.state is MessageState.APPLIED
            before = page[-1].position
    answers = sum((s.answers for s in senders), Counter())
    return {
        "answers": " ".join(f"{k} {v}" for k, v in answers.most_common()),
        "closed": sum(s.closed for s in senders),
        "applied": states[MessageState.APPLIED],
        "quarantined": states[MessageState.QUARANTINED],
        "neither": states[MessageState.LANDED],
        "witness_applied": witness,
        "reasons": " ".join(f"{k} {v}" for k, v in reasons.most_common(6) if k),
    }


if __name__ == "__main__":
    main()
