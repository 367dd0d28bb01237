"""Hostile messages against a whole site: each is accounted for, and nothing else suffers.

    .venv/bin/python -m bench.campaign_mutations --count 100000

Damaged messages (truncations, bit flips, giant fields, wrong character sets, framing, random bytes)
go over real MLLP to a real site, one frame at a time; behind each goes a sound message of a witness
patient. Every connection has a feed of its own, so what stands in that feed's log between two
witnesses is what became of the mutant between them. Each mutant must be one of:

- ``applied`` or ``quarantined``: its messages stand in the log, all of them done;
- ``refused``: nothing stands in the log and the sender got a negative answer;
- ``repeated``: nothing new stands there since the feed has the same bytes already;
- ``no frame``: it has framing bytes inside, or is blank, and so was no message at all.

Some more connections abuse the framing and leave. No process may die, every witness must be
applied, and the largest memory of every process is noted. Results are written after each chunk; a
campaign that was cut short counts, and ``--chunk-from N`` goes on with chunk N.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from bench._report import RESULTS, Report, commit
from bench._senders import END, START
from bench._site import Up, drain, end_properly_when_terminated, process_tree, site_up
from tests.support.mutate import mutants

from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter, MessageRow
from chartloom.project import load_project
from chartloom.simulate import traffic
from chartloom.wiring import OpenSite, open_site

FEEDS = 24
_ANSWER_S, _ATTEMPTS = 120.0, 3
#: A giant field made of header lines is one frame with thousands of messages (ten of 3,000 mutants
#: made 97 % of what landed), and one made of OBX lines a message with thousands of results. A few
#: of those, in the first chunk, are enough; the rest are mostly single messages.
_CROWD, _MANY_SEGMENTS, _CROWDS_MAX = 60, 500, 10
_WITNESSES = 50  #: witness patients per feed
_POSITIVE, _NEGATIVE = {b"AA", b"CA"}, {b"AE", b"AR", b"CE", b"CR"}
_FRAMING = b"\x0b\x1c"
_BLANK = b"\r\n\x0b\x1c\x1a\x00 \t"


def witness(number: int) -> bytes:
    """A sound message; its control id says which mutant it followed."""
    who = number % _WITNESSES
    return (
        f"MSH|^~\\&|W|W|||20260101120000||ADT^A31^ADT_A05|WITNESS{number}|P|2.5.1\r"
        f"EVN|A31|20260101{number // 3600 % 24:02}{number // 60 % 60:02}{number % 60:02}\r"
        f"PID|1||W{who}^^^W^MR||Witness^Wanda||19700101|F\rPV1|1|N\r"
    ).encode()


class Feed(threading.Thread):
    """One connection's share of a chunk: a mutant, its witness, and the answers to both."""

    def __init__(self, port: int, share: list[tuple[int, str, bytes]]) -> None:
        super().__init__(daemon=True)
        self._port, self._share = port, share
        self.answers: dict[int, list[bytes]] = {}  #: by mutant, the witness's apart
        self.closed = 0
        self.stuck: list[int] = []

    def run(self) -> None:
        connection = self._connect()
        for number, _, body in self._share:
            self.answers[number] = []
            first = START + body + END
            for _ in range(_ATTEMPTS):
                try:
                    connection.sendall(first + START + witness(number) + END)
                    if self._listen(connection, number):
                        break
                except OSError:
                    self.closed += 1
                connection.close()
                connection = self._connect()
                first = b""  # the mutant was heard; now the witness alone
            else:
                self.stuck.append(number)
        connection.close()

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), 30)
        connection.settimeout(_ANSWER_S)
        return connection

    def _listen(self, connection: socket.socket, number: int) -> bool:
        """Reads answers up to that of the witness; False if it does not come."""
        mine, rest = b"|WITNESS%d" % number, b""
        while True:
            try:
                chunk = connection.recv(1 << 20)
            except TimeoutError:
                return False
            if not chunk:
                raise ConnectionError("closed")
            *answers, rest = (rest + chunk).split(END)
            for answer in answers:
                # To a message in UTF-16 the answer is in UTF-16 too.
                _, _, acknowledged = answer.replace(b"\0", b"").partition(b"\rMSA")
                line = acknowledged.split(b"\r", 1)[0]
                code = line[1:3]  # behind the separator, which is the mutant's own
                if line[3:] != mine:
                    self.answers[number].append(code)
                elif code in _POSITIVE:
                    return True
                else:  # busy: again
                    connection.sendall(START + witness(number) + END)


class MemoryWatch(threading.Thread):
    """The largest resident size of each process, and whether any of the site's was replaced."""

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
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
                name = "supervisor" if pid == self._pid else ""
                if "run" in command and "--name" in command:
                    name = command[command.index("--name") + 1]
                    self.roles.setdefault(name, set()).add(pid)
                elif command and "postgres" in command[0]:
                    name = "postgres (largest)"
                if name:
                    self.peak_bytes[name] = max(self.peak_bytes[name], size)

    @property
    def replaced(self) -> int:
        """Processes that took the place of others."""
        return sum(len(pids) - 1 for pids in self.roles.values())


def abuse_framing(port: int, rng: random.Random, count: int) -> None:
    """Connections that send bytes without any regard for frames, and leave."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            kind = rng.randrange(4)
            noise = rng.randbytes(rng.randrange(1, 4000))
            if kind == 0:
                noise = START * rng.randrange(1, 500) + noise
            elif kind == 1:
                noise = b"\x0bMSH|^~\\&|half a frame" + noise.replace(b"\x1c", b"")
            elif kind == 2:
                noise = b"\x1c\r\x1c\r\x0b\x0b" + noise + b"\x1c"
            try:
                connection.sendall(noise)
            except OSError:
                continue


def is_crowd(body: bytes) -> bool:
    """Whether one mutant is many messages, or one with very many segments."""
    messages = body.count(b"MSH|") + body.count(END)
    segments = body.count(b"\rOBX|") + body.count(b"\rPID|")
    return messages > _CROWD or segments > _MANY_SEGMENTS


def single_mutants(
    seed: int, count: int, sound: tuple[bytes, ...], crowds_max: int
) -> Iterator[tuple[str, bytes]]:
    """Mutants, of which only a few are crowds."""
    crowds = given = 0
    for names, body in mutants(seed, count * 2, sound):
        if is_crowd(body):
            crowds += 1
            if crowds > crowds_max:
                continue
        yield names, body
        given += 1
        if given == count:
            return


class Account:
    """What became of each mutant, by its feed's log."""

    def __init__(self, opened: OpenSite, feeds: int) -> None:
        self._opened = opened
        self._known = [0] * feeds
        self._sent: list[set[bytes]] = [set() for _ in range(feeds)]
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.landed = self.witnesses_bad = self.not_done = 0
        self.unaccounted: list[dict[str, Any]] = []

    def settle(self, feed: int, name: str, sender: Feed) -> None:
        """Looks for each mutant of one feed's share."""
        between: dict[int, list[MessageRow]] = {}
        rows: list[MessageRow] = []
        for row in self._new_rows(feed, name):
            self.landed += 1
            if not row.control_id.startswith("WITNESS"):
                rows.append(row)
                self.not_done += row.state is MessageState.LANDED
                self.reasons[row.quarantine] += bool(row.quarantine)
                continue
            self.witnesses_bad += row.state is not MessageState.APPLIED
            between[int(row.control_id.removeprefix("WITNESS"))] = rows
            rows = []
        for number, names, body in sender._share:
            self._one(feed, number, names, body, between.get(number), sender.answers[number])

    def _one(
        self,
        feed: int,
        number: int,
        names: str,
        body: bytes,
        rows: list[MessageRow] | None,
        answers: list[bytes],
    ) -> None:
        bare = body.strip(_BLANK)  # what surrounds a message is not part of it
        seen = bare in self._sent[feed]
        self._sent[feed].add(bare)
        if rows is None:
            what = "witness missing"
        elif rows:
            bad = any(r.state is MessageState.QUARANTINED for r in rows)
            what = "quarantined" if bad else "applied"
        elif _NEGATIVE & set(answers):
            what = "refused"
        elif not body.strip(_BLANK):
            what = "no frame"
        elif seen and _POSITIVE & set(answers):
            what = "repeated"
        elif any(b in body for b in _FRAMING):
            what = "no frame" if not answers else "repeated"
        else:
            what = "unaccounted"
        self.outcomes[what] += 1
        if what in ("unaccounted", "witness missing") and len(self.unaccounted) < 100:
            said = b" ".join(answers).decode("latin-1")
            self.unaccounted.append(
                {"mutant": number, "how": names, "answers": said, "head": body[:300].hex()}
            )

    def _new_rows(self, feed: int, name: str) -> list[MessageRow]:
        """The log of a feed since the last time, in order."""
        found: list[MessageRow] = []
        grant, before = self._opened.grant(), 0
        where = {"feed": name, "limit": 1000}
        while page := self._opened.store.search(grant, MessageFilter(before=before, **where)):
            found += [r for r in page if r.position > self._known[feed]]
            before = page[-1].position
            if before <= self._known[feed]:
                break
        found.sort(key=lambda r: r.position)
        self._known[feed] = found[-1].position if found else self._known[feed]
        return found


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--chunk", type=int, default=4_000)
    parser.add_argument("--chunk-from", type=int, default=1, metavar="N")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    default = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-campaign-mutations.json"
    parser.add_argument("--out", type=Path, default=default)
    return parser.parse_args()


def main() -> None:
    end_properly_when_terminated()
    options = options_of()
    report = Report("campaign-mutations", seed=options.seed, commit=commit(), totals={})
    if options.chunk_from > 1 and options.out.exists():
        earlier = json.loads(options.out.read_text())["rows"]
        report.rows = [r for r in earlier if r["chunk"] < options.chunk_from]
    sound = tuple(m.body for m in traffic(seed=options.seed, n=2000))
    chunks = -(-options.count // options.chunk)
    # One feed more for those who abuse the framing.
    with site_up(options.workers, FEEDS + 1) as up, open_site(load_project(up.site)) as opened:
        watch = MemoryWatch(up.process.pid)
        watch.start()
        account = Account(opened, FEEDS)
        for chunk in range(options.chunk_from, chunks + 1):
            count = min(options.chunk, options.count - (chunk - 1) * options.chunk)
            row = one_chunk(up, opened, account, options.seed * 10_000 + chunk, count, sound, chunk)
            report.row(chunk=chunk, mutants=count, **row, processes_replaced=watch.replaced)
            report.about["totals"] = sums = totals(report.rows, watch, account)
            report.save(options.out)
            print(json.dumps({"chunk": chunk, "of": chunks, **row, "totals": sums}), flush=True)
        watch.stop.set()
        watch.join()
    bad = ("unaccounted", "witness missing", "not_done", "witnesses_bad", "stuck")
    sys.exit(1 if any(sums.get(k) for k in bad) or sums["processes_replaced"] else 0)


def one_chunk(
    up: Up,
    opened: OpenSite,
    account: Account,
    seed: int,
    count: int,
    sound: tuple[bytes, ...],
    chunk: int,
) -> dict[str, Any]:
    """Sends a chunk, waits until all is applied, and settles the account."""
    began_s = time.monotonic()
    account.outcomes.clear()
    account.landed = account.not_done = account.witnesses_bad = 0
    shares: list[list[tuple[int, str, bytes]]] = [[] for _ in range(FEEDS)]
    crowds_max = _CROWDS_MAX if chunk == 1 else 0
    for n, (names, body) in enumerate(single_mutants(seed, count, sound, crowds_max)):
        shares[n % FEEDS].append((chunk * 1_000_000 + n, names, body))
    senders = [Feed(up.ports[n], share) for n, share in enumerate(shares)]
    for sender in senders:
        sender.start()
    abuse_framing(up.ports[FEEDS], random.Random(seed), max(1, count // 200))
    for sender in senders:
        sender.join()
    sent_s = time.monotonic() - began_s
    drain(opened, 1800)
    for n, sender in enumerate(senders):
        account.settle(n, f"adt{n or ''}", sender)
    answers = Counter(a.decode("latin-1") for s in senders for x in s.answers.values() for a in x)
    return {
        **account.outcomes,
        "witnesses": count,
        "witnesses_bad": account.witnesses_bad,
        "landed": account.landed,
        "not_done": account.not_done,
        "closed": sum(s.closed for s in senders),
        "stuck": sum(len(s.stuck) for s in senders),
        "answers": dict(answers.most_common()),
        "sent_s": round(sent_s, 1),
        "seconds": round(time.monotonic() - began_s, 1),
    }


def totals(rows: list[dict[str, Any]], watch: MemoryWatch, account: Account) -> dict[str, Any]:
    """The whole campaign so far."""
    sums: Counter[str] = Counter()
    for row in rows:
        sums.update({k: v for k, v in row.items() if isinstance(v, int | float) and k != "chunk"})
    sums["processes_replaced"] = watch.replaced
    return {
        **{k: round(v) for k, v in sums.items()},
        "peak_mb": {k: round(v / 1e6) for k, v in sorted(watch.peak_bytes.items())},
        "reasons": dict(account.reasons.most_common(12)),
        "examples": account.unaccounted,
    }


if __name__ == "__main__":
    main()
