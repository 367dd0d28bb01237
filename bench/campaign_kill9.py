"""Kill -9 of everything at random moments under load: nothing acknowledged may be lost.

    .venv/bin/python -m bench.campaign_kill9 --runs 100

In each run 8 senders push messages at a real site over real MLLP, and after a random time SIGKILL
goes to the whole process tree at once: supervisor, ingest, workers, console and every PostgreSQL
process. Some runs kill it again while it starts (recovery included), and some in the midst of a
replay. Senders repeat what was not acknowledged, same bytes. Then, in every run:

- every acknowledged message is in the log exactly once, and applied exactly once;
- per patient, the log's order is the order of sending;
- replaying the whole log gives identical resources, views, bundles and links.

A site lives through ``--kills-per-site`` runs, then a fresh one takes its place, so that replays
stay short. Results are written after each run: a campaign that was cut short counts, and
``--seed-from N`` goes on with run N.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench._report import RESULTS, Report, commit
from bench._senders import Plan, Sender
from bench._site import (
    NotStarted,
    drain,
    end_properly_when_terminated,
    launch,
    new_site,
    site_processes,
    start,
    stop,
)

from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter
from chartloom.project import load_project
from chartloom.simulate import traffic
from chartloom.wiring import OpenSite, open_site

SENDERS = 8
#: What must be nought in every run.
BAD = ("acked_lost", "landed_twice", "reordered_patients", "not_applied", "applied_difference")
_START_KILLS = (0, 0, 1, 1, 2)  #: drawn from: kills while it starts, per run
_STARTS_MAX = 3
_REPLAY_KILLS = (0, 0, 0, 1)  #: likewise in the midst of the replay


def kill_everything(process: subprocess.Popen[bytes], site: Path) -> int:
    """SIGKILL to the whole tree at once; how many processes."""
    pids = site_processes(process.pid, site)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    process.wait()
    if process.stdout is not None and not process.stdout.closed:
        with contextlib.suppress(OSError, ValueError):
            os.set_blocking(process.stdout.fileno(), False)
    return len(pids)


def log_rows(opened: OpenSite) -> list[tuple[int, str, MessageState]]:
    """(position, control id, state) of the whole log, in order."""
    rows, before = [], 0
    while page := opened.store.search(opened.grant(), MessageFilter(before=before, limit=1000)):
        rows.extend((r.position, r.control_id, r.state) for r in page)
        before = page[-1].position
    return sorted(rows)


class SiteUnderFire:
    """One site with its senders, through as many runs as it lives."""

    def __init__(self, folder: Path, seed: str, messages: int, rate_per_s: float) -> None:
        self.site = folder / "site"
        (port,) = new_site(self.site, workers=2)
        bodies = (m.body for m in traffic(seed=random.Random(seed).getrandbits(32), n=messages))
        self.plan = Plan(bodies, SENDERS)
        each = rate_per_s / SENDERS
        self.senders = [Sender(port, share, each) for share in self.plan.shares]
        self.starts_failed: list[str] = []
        self._up_again()
        for sender in self.senders:
            sender.start()

    def run(self, rng: random.Random, load_s: tuple[float, float]) -> dict[str, Any]:
        """Load, kill, start again, compare."""
        before = sum(len(s.acked) for s in self.senders)
        self.starts_failed = []
        for sender in self.senders:
            sender.go()
        load = rng.uniform(*load_s)
        time.sleep(load)
        killed = kill_everything(self.process, self.site)
        for sender in self.senders:
            sender.pause()  # what was not acknowledged is repeated all the same
        start_kills = rng.choice(_START_KILLS)
        for _ in range(start_kills):
            killed += self._kill_while_starting(rng.uniform(0.05, 4.0))
        up_s = self._up_again()
        stuck = sum(not sender.wait_idle(90) for sender in self.senders)
        found = self._compare(rng)
        return {
            "load_s": round(load, 2),
            "start_kills": start_kills,
            "acked_in_run": sum(len(s.acked) for s in self.senders) - before,
            "up_s": round(up_s, 2),
            "senders_stuck": stuck,
            "starts_failed": len(self.starts_failed),
            **found,
            "processes_killed": killed + int(found["processes_killed"]),
        }

    def _kill_while_starting(self, after_s: float) -> int:
        self.process = launch(self.site)
        time.sleep(after_s)
        return kill_everything(self.process, self.site)

    def _up_again(self) -> float:
        """Starts it as an init system would: again if it gave up (a busy machine is slow)."""
        began_s = time.monotonic()
        for _ in range(_STARTS_MAX):
            try:
                self.process = start(self.site)
            except NotStarted as e:
                self.starts_failed.append(str(e))
                print(e, file=sys.stderr, flush=True)
            else:
                return time.monotonic() - began_s
        raise SystemExit(f"the site did not start {_STARTS_MAX} times in a row")

    def _compare(self, rng: random.Random) -> dict[str, Any]:
        """What the senders know, beside what the site holds before and after a replay."""
        began_s = time.monotonic()
        killed = 0
        with open_site(load_project(self.site)) as opened:
            grant = opened.grant(ttl_s=86_400)
            drain(opened)
            rows = log_rows(opened)
            applied = sum(s.applied_count for s in opened.store.feeds(grant))
            digest = opened.store.digest(grant)
            opened.store.rebuild(grant)
        replay_kills = rng.choice(_REPLAY_KILLS)
        for _ in range(replay_kills):
            time.sleep(rng.uniform(0.0, 1.0))
            killed += kill_everything(self.process, self.site)
            self._up_again()
        with open_site(load_project(self.site)) as opened:
            drain(opened)
            same = opened.store.digest(opened.grant(ttl_s=86_400)) == digest
            after = log_rows(opened)
        count = Counter(control_id for _, control_id, _ in rows)
        place = {control_id: position for position, control_id, _ in rows}
        reordered = 0
        for control_ids in self.plan.by_patient.values():
            positions = [place[c] for c in control_ids if c in place]
            reordered += positions != sorted(positions)
        acked = [control_id for sender in self.senders for control_id in sender.acked]
        return {
            "in_log": len(rows),
            "acked_lost": sum(1 for c in acked if not count[c]),
            "landed_twice": sum(1 for n in count.values() if n > 1),
            "reordered_patients": reordered,
            "not_applied": sum(state is not MessageState.APPLIED for *_, state in rows),
            "applied_difference": applied - len(rows),
            "replay_kills": replay_kills,
            "replay_identical": same and after == rows,
            "processes_killed": killed,
            "verify_s": round(time.monotonic() - began_s, 1),
        }

    def end(self) -> None:
        """Stops the site and its senders."""
        for sender in self.senders:
            sender.end()
        stop(self.process)
        for sender in self.senders:
            sender.join(20)


def failed(row: dict[str, Any]) -> bool:
    """Whether anything in a run's result must not be."""
    return any(row[k] for k in BAD) or not row["replay_identical"] or bool(row["senders_stuck"])


def totals(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole campaign so far."""
    up_s = sorted(r["up_s"] for r in rows)
    return {
        "runs": len(rows),
        "kills": sum(1 + r["start_kills"] + r["replay_kills"] for r in rows),
        "processes_killed": sum(r["processes_killed"] for r in rows),
        "acked": sum(r["acked_in_run"] for r in rows),
        **{k: sum(abs(r[k]) for r in rows) for k in BAD},
        "replays_different": sum(not r["replay_identical"] for r in rows),
        "starts_failed": sum(r["starts_failed"] for r in rows),
        "runs_failed": sum(map(failed, rows)),
        "restart_s_median": up_s[len(up_s) // 2],
        "restart_s_max": up_s[-1],
    }


def earlier(path: Path, before: int) -> list[dict[str, Any]]:
    """The rows of an interrupted campaign that stay."""
    if not path.exists():
        return []
    return [r for r in json.loads(path.read_text())["rows"] if r["run"] < before]


def options_of() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seed-from", type=int, default=1, metavar="N", help="go on with run N")
    parser.add_argument("--rate", type=float, default=200, help="messages per second, all senders")
    parser.add_argument("--load-s", type=float, nargs=2, default=(0.2, 2.5))
    parser.add_argument("--kills-per-site", type=int, default=10)
    default = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-campaign-kill9.json"
    parser.add_argument("--out", type=Path, default=default)
    return parser.parse_args()


def main() -> None:
    end_properly_when_terminated()
    options = options_of()
    report = Report("campaign-kill9", seed=options.seed, commit=commit(), totals={})
    if options.seed_from > 1:
        report.rows = earlier(options.out, options.seed_from)
    began_s, run = time.monotonic(), options.seed_from
    while run <= options.runs:
        last = min(options.runs, run + options.kills_per_site - 1)
        with tempfile.TemporaryDirectory(prefix="clk9") as folder:
            messages = int((last - run + 2) * options.rate * options.load_s[1] * 2)
            fire = SiteUnderFire(Path(folder), f"{options.seed}:{run}", messages, options.rate)
            try:
                for number in range(run, last + 1):
                    rng = random.Random(f"{options.seed}:{number}")
                    row = fire.run(rng, tuple(options.load_s))
                    report.row(run=number, **row)
                    report.about["totals"] = sums = totals(report.rows)
                    report.save(options.out)
                    bad = "FAILED " + json.dumps(row) if failed(row) else "ok"
                    print(
                        f"run {number}: {bad}; {row['in_log']:,} in log, up in {row['up_s']} s, "
                        f"verified in {row['verify_s']} s; so far {sums['acked']:,} acknowledged, "
                        f"{sums['runs_failed']} failed, {time.monotonic() - began_s:.0f} s",
                        flush=True,
                    )
            finally:
                fire.end()
        run = last + 1
    print(json.dumps(report.about["totals"], indent=1))
    sys.exit(1 if report.about["totals"]["runs_failed"] else 0)


if __name__ == "__main__":
    main()
