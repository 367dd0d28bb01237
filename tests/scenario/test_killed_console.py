"""A console that is killed owes nobody an event: no answer leaves before its event is durable."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from tests.browser.test_console_http import Client
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.up import chartloom, site

from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.protection_rules import Role
from chartloom.guard.audit import read_events

__all__ = ["site"]

KILLS = 2


@pytest.mark.parametrize(("when", "events"), [("before", 0), ("after", 1)])
def test_there_may_be_an_event_without_an_answer_and_never_the_reverse(
    store_factory: StoreFactory, when: str, events: int
) -> None:
    store = store_factory()
    keys = next(store_factory.folder.glob("keys-*"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.doomed_console", store.dsn, str(keys), when],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        url, cookie = process.stdout.readline().split()
        client = Client(url)
        client.cookie = cookie
        assert client.ask("/help")[0] == 200
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            client.ask("/feeds")
        assert process.wait(PATIENCE_S) == -signal.SIGKILL
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        process.stdout.close()
    log = PostgresAuditLog(store.connector(Role.SERVE), store.guard)
    found = [e for e in read_events(log.read(0, 100)) if "site/feeds" in e.things]
    log.close()
    assert len(found) == events


class Asker:
    """Asks for one page again and again; one request is under way at a time."""

    def __init__(self, url: str) -> None:
        self.client, self.asked, self.answered = Client(url), 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Asker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.asked += 1
            try:
                self.answered += self.client.ask("/feeds")[0] == 200
            except (http.client.HTTPException, OSError):
                self._stop.wait(0.05)

    def wait_for(self, more: int) -> None:
        end_s, wanted = time.monotonic() + PATIENCE_S, self.answered + more
        while self.answered < wanted:
            assert time.monotonic() < end_s, "the console does not answer"
            time.sleep(0.005)


def console_process(site: Path) -> psutil.Process:
    """The console of this very site."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if "run" in line and "serve" in line and str(site) in line:
                return process
    raise AssertionError("no console runs")


def test_answers_never_outnumber_events_however_the_console_is_killed(site: Path) -> None:
    url, _, path = chartloom("console", "--site", str(site)).strip().rpartition("/")
    dice = random.Random(1)
    with Asker(url) as asker:
        assert asker.client.ask(f"/{path}")[0] == 200
        for _ in range(KILLS):
            asker.wait_for(dice.randint(5, 15))
            time.sleep(dice.random() / 100)
            os.kill(console_process(site).pid, signal.SIGKILL)
        asker.wait_for(5)
    lines = chartloom("audit", "export", "--site", str(site)).splitlines()
    told = [json.loads(line)["event"] for line in lines]
    events = sum(
        e["subtype"][1]["code"] == "read"
        and e["outcome"] == "0"
        and "site/feeds" in json.dumps(e["entity"])
        and e["agent"][0]["who"]["identifier"]["value"] == "operator:local"
        for e in told
    )
    assert asker.answered >= KILLS * 5
    # Each kill may have taken one answer whose event was durable; none the other way round.
    assert asker.answered <= events <= asker.answered + KILLS
    assert json.loads(chartloom("audit", "verify", "--site", str(site), "--json"))["sound"]
