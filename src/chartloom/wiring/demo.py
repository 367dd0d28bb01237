"""The demo: a site for the simulated hospital, and the thread that sends its messages."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

import msgspec
from rich.console import Console

from chartloom.domain.feed import Feed
from chartloom.project import Project, feeds_by_name, write_site
from chartloom.simulate import EVENTFUL, FEEDS, Due, Hospital
from chartloom.sources.send import SendOptions, SendReport, send_http, send_mllp
from chartloom.wiring.demo_directory import demo_directory
from chartloom.wiring.demo_people import SIGN_IN_TOML, STAFF_TOML

_LOG = logging.getLogger(__name__)

_WINDOW_S = 0.5
_HISTORY_DAYS = 180
#: Simulated seconds per second, unless somebody says otherwise: an hour of life before real time.
SPEED = 16.0
#: For how long life runs faster than the clock; then it has caught up, and goes on in real time.
_CATCHING_UP_S = 3_600.0
_BEHIND_MAX_S = 0.9 * 86_400
#: What the feeds of so small a house can promise: most speak every other day, some more seldom.
#: The first hour begins most of a day ago.
_FRESHNESS_MAX_S = 2 * 86_400
_FRESHNESS_RARE_MAX_S = 3 * 86_400
_RARE = frozenset({"billing", "documents", "fhir", "immunisation"})
#: Busier than a house of this size, so that there is something to watch.
_BUSTLE = 120.0
_HISTORY_CHUNK = 2000


class DemoState(msgspec.Struct):
    """What the next start must know: where the simulation began and how much was accepted."""

    seed: int
    patients: int
    start: datetime
    accepted_count: int = 0


def prepare_demo_site(folder: Path, seed: int) -> bool:
    """Makes the demo's site folder unless it is there; True if it was made.

    seed: which hospital its directory is of.
    """
    if (folder / "chartloom.toml").exists():
        return False
    write_site(
        folder,
        name="Saltmarsh General (simulated)",
        workers=2,
        zone=FEEDS["adt"].zone,
        feeds=tuple(promising(feed) for feed in FEEDS.values()),
    )
    for path, text in demo_directory(seed).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    (folder / "staff.toml").write_text(STAFF_TOML, encoding="utf-8")
    with (folder / "chartloom.toml").open("a", encoding="utf-8") as settings:
        settings.write(SIGN_IN_TOML)
    return True


def begin(now: datetime, speed: float) -> datetime:
    """Where the simulation begins, so that it has caught up with the clock after about an hour."""
    behind_s = min(speed * _CATCHING_UP_S, _BEHIND_MAX_S)
    return now.replace(microsecond=0) - timedelta(seconds=behind_s)


def promising(feed: Feed) -> Feed:
    """The feed with a promise of freshness that the simulated house can keep."""
    promised_s = _FRESHNESS_RARE_MAX_S if feed.name in _RARE else _FRESHNESS_MAX_S
    return msgspec.structs.replace(feed, freshness_max_s=promised_s)


class DemoDriver:
    """Sends the simulated hospital's messages in a thread for as long as a ``with`` lasts."""

    def __init__(self, project: Project, seed: int, patients: int, speed: float) -> None:
        self._feeds = feeds_by_name(project)
        self._speed = speed
        self._file = project.data_dir / "run" / "demo.json"
        self._state = self._load(seed, patients, speed)
        self._stopping = threading.Event()
        self._history_done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> DemoDriver:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join(10)
        self._save()

    def show_progress(self, console: Console) -> None:
        """A line that counts while the history goes out."""
        with console.status("Sending the history…") as status:
            while not self._history_done.wait(0.3) and not self._stopping.is_set():
                status.update(f"Sending the history: {self._state.accepted_count:,} messages")
        console.print(f"History sent: {self._state.accepted_count:,} messages. Life goes on.")

    def rhythm(self) -> str:
        """How fast life goes, and until when: nothing is sent before its time."""
        behind_s = (datetime.now(UTC) - self._state.start).total_seconds()
        left_s = behind_s / (self._speed - 1) if self._speed > 1 else 0.0
        began = self._state.start.strftime("%H:%M")
        if self._state.accepted_count or left_s < _WINDOW_S:
            return (
                "Life goes on where it stopped, faster than the clock until it has caught up;"
                " then a message every few minutes, in real time."
            )
        return (
            f"Life begins at {began} UTC and runs at {self._speed:g} times the clock's speed. In"
            f" about {max(1, round(left_s / 60))} min it has caught up: from then on real time,"
            " a message every few minutes."
        )

    def _load(self, seed: int, patients: int, speed: float) -> DemoState:
        if self._file.exists():
            return msgspec.json.decode(self._file.read_bytes(), type=DemoState)
        return DemoState(seed, patients, begin(datetime.now(UTC), speed))

    def _save(self) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(self._state))
        fresh.replace(self._file)

    def _run(self) -> None:
        state = self._state
        hospital = Hospital(
            state.seed,
            patients=state.patients,
            start=state.start,
            history_days=_HISTORY_DAYS,
            bustle=_BUSTLE,
            rates=EVENTFUL,
        )
        now_us = time.time_ns() // 1000
        due = hospital.live(self._speed, now_us=now_us, skip=state.accepted_count)
        for window in self._windows(due):
            asyncio.run(self._send(window))
            if self._stopping.is_set():
                return
            state.accepted_count += len(window)
            self._save()

    def _windows(self, due: Iterator[Due]) -> Iterator[list[Due]]:
        """Groups of messages that are due together; history in chunks, life in half seconds."""
        began_s = time.monotonic()
        window: list[Due] = []
        for item in due:
            wait_s = began_s + item.due_s - time.monotonic()
            if wait_s > 0:
                self._history_done.set()
            if window and (wait_s > 0 or len(window) >= _HISTORY_CHUNK):
                yield window
                window = []
            if wait_s > 0 and self._stopping.wait(max(wait_s, _WINDOW_S)):
                return
            window.append(item)

    async def _send(self, window: list[Due]) -> None:
        by_feed: dict[str, list[bytes]] = defaultdict(list)
        for item in window:
            by_feed[item.message.feed].append(item.message.body)
        reports = await asyncio.gather(
            *(self._send_feed(self._feeds[name], bodies) for name, bodies in by_feed.items())
        )
        for report in reports:
            if report.unanswered_count or report.failure:
                extra = {"chartloom": {"unanswered": report.unanswered_count}}
                _LOG.warning("demo messages were not answered", extra=extra)

    @staticmethod
    async def _send_feed(feed: Feed, bodies: list[bytes]) -> SendReport:
        host, port = str(feed.options.get("host", "127.0.0.1")), int(feed.options["port"])
        options = SendOptions(retries=20)
        if feed.source == "http":
            path = str(feed.options.get("path", "")) or "/"
            return await send_http(bodies, host, port, path=path, options=options)
        return await send_mllp(bodies, host, port, options=options)
