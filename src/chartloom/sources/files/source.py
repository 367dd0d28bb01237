"""The files source: takes complete files of a folder, lands their messages, moves the files."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError, LandingRefused, StoreUnavailable
from chartloom.domain.issues import CATALOGUE
from chartloom.domain.message import Arrival, Format, Receipt
from chartloom.formats.hl7v2 import peek
from chartloom.sources import events
from chartloom.sources.common import begin, room
from chartloom.sources.context import SourceContext
from chartloom.sources.fhir_rest.quick_look import quick_look
from chartloom.sources.files.folder import DONE, FAILED, Folder, Look, Reason
from chartloom.sources.files.splitting import Piece, pieces
from chartloom.sources.intake import Hl7Intake
from chartloom.sources.limits import TokenBucket

_IN_FLIGHT_MAX: Final = 512
_READ_AHEAD: Final = 64
_READ_AHEAD_BYTES: Final = 4 * 1024 * 1024
_NDJSON: Final = (".ndjson", ".jsonl")


#: What is being landed, in order.
_Waiting = deque[tuple[Piece, Arrival, asyncio.Future[Receipt]]]


class FilesSource:
    """Implements :class:`~chartloom.sources.context.Source`; see the room's README for options."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        options = context.feed.options
        path = context.path("folder")
        assert path is not None  # validate_options has seen to it
        self._folder = Folder(
            path,
            str(options.get("pattern", "*")),
            float(options.get("settle_s", 2.0)),
            str(options.get("marker", "")),
        )
        self._poll_s = float(options.get("poll_s", 1.0))
        self._intake = Hl7Intake(context.feed, context.namespace)
        self._bucket = TokenBucket(context.feed.limits.messages_per_second_max)
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        #: Files that were landed as they are, and could not be moved: not to be landed again.
        self._unmoved: dict[Path, tuple[Look, Reason | None]] = {}

    @property
    def address(self) -> tuple[str, int] | None:
        """None: it does not listen."""
        return None

    async def start(self) -> None:
        """Begins to watch; raises ``ConfigurationError`` if the folder cannot be used."""
        try:
            await asyncio.to_thread(self._folder.prepare)
        except OSError as e:
            raise ConfigurationError(
                f"Feed {self._context.feed.name} cannot use its folder ({e.strerror}).",
                where=str(self._folder.path),
                cure="Create it, and let Chartloom's user read, write and rename in it.",
            ) from e
        self._task = asyncio.create_task(self._watch())

    async def stop(self, drain_s: float) -> None:
        """Stops between two messages; a file begun is read again at the next start."""
        self._stopping.set()
        if self._task is None:
            return
        try:
            async with asyncio.timeout(drain_s):
                await self._task
        except TimeoutError:
            self._task.cancel()

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                complete = await asyncio.to_thread(self._folder.complete)
                self._unmoved = {p: u for p, u in self._unmoved.items() if p in complete}
                for path in complete:
                    if self._stopping.is_set() or not await self._try(path):
                        break
            except OSError:
                self._context.note(events.FOLDER)
            try:
                async with asyncio.timeout(self._poll_s):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _try(self, path: Path) -> bool:
        """:meth:`_take`; a file that cannot be read or moved does not hold up those after it."""
        try:
            return await self._take(path)
        except OSError:
            self._context.note(events.FOLDER)
            return True

    async def _take(self, path: Path) -> bool:
        """Lands one file and moves it; False if the store is not available. Raises ``OSError``."""
        before = self._folder.look(path)
        known = self._unmoved.get(path)
        if known is not None and known[0] == before:
            await self._move(path, known[1])
            return True
        try:
            landed_count, failed = await self._land_file(path)
        except StoreUnavailable:
            self._context.note(events.STORE)
            return False
        except FileNotFoundError:
            return True  # its writer took it back
        if landed_count < 0:
            return False
        if self._folder.look(path) != before:
            self._context.note(events.FILE_CHANGED)
            self._folder.wait_again(path)
            return True
        reason = None
        if failed is not None:
            self._context.note(events.FILE_FAILED)
            entry = CATALOGUE[failed.event]
            reason = Reason(entry.code, entry.title, entry.cure, failed.offset, landed_count)
        self._unmoved[path] = (before, reason)
        await self._move(path, reason)
        return True

    async def _move(self, path: Path, reason: Reason | None) -> None:
        await asyncio.to_thread(self._folder.move, path, FAILED if reason else DONE, reason)
        self._unmoved.pop(path, None)

    async def _land_file(self, path: Path) -> tuple[int, Piece | None]:
        """How many messages are durable (-1 if stopped midway), and the first that was refused."""
        limits = self._context.feed.limits
        waiting = _Waiting()
        refused: list[Piece] = []
        landed_count, failed = 0, None
        with path.open("rb") as file:
            origin = _origin(path.name, os.fstat(file.fileno()))
            stream = pieces(
                file,
                self._context.feed.format,
                limits.message_size_bytes_max,
                path.suffix.lower() in _NDJSON,
            )
            while ahead := await asyncio.to_thread(_read_ahead, stream):
                for piece in ahead:
                    if self._stopping.is_set():
                        await self._settle(waiting, 0, refused)
                        return -1, None
                    if piece.event:
                        self._context.note(piece.event)
                        failed = failed or piece
                        continue
                    await self._slow_down()
                    await room(self._context.lander)
                    arrival, readable = self._arrival(piece, origin)
                    if not readable:
                        self._context.note(events.NO_HEADER)
                        failed = failed or piece._replace(event=events.NO_HEADER)
                    waiting.append((piece, arrival, begin(self._context.lander, arrival)))
                    self._context.stats.in_flight += 1
                    landed_count += await self._settle(waiting, _IN_FLIGHT_MAX, refused)
            landed_count += await self._settle(waiting, 0, refused)
        failed = failed or next(iter(refused), None)
        if not landed_count and failed is None:
            failed = Piece(b"", 0, events.NO_HEADER)
        return landed_count, failed

    async def _settle(self, waiting: _Waiting, leave: int, refused: list[Piece]) -> int:
        """Waits until at most ``leave`` are waiting; how many became durable. What cannot be kept
        is added to ``refused``."""
        count = 0
        stats = self._context.stats
        try:
            while len(waiting) > leave:
                piece, arrival, durable = waiting.popleft()
                stats.in_flight -= 1
                try:
                    receipt = await durable
                except LandingRefused:
                    self._context.note(events.REFUSED)
                    refused.append(piece._replace(body=b"", event=events.REFUSED))
                    continue
                now_us = self._context.clock.now_us()
                stats.durable(receipt.outcome, len(arrival.body), arrival.received_at_us, now_us)
                count += 1
        except StoreUnavailable:
            stats.in_flight -= len(waiting)
            await asyncio.gather(*(f for _, _, f in waiting), return_exceptions=True)
            waiting.clear()
            raise
        return count

    async def _slow_down(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._bucket.take(1, loop.time()):
            await asyncio.sleep(0.01)

    def _arrival(self, piece: Piece, origin: str) -> tuple[Arrival, bool]:
        """The arrival, and whether it looks like a message of the feed's format."""
        feed, now_us, body = self._context.feed, self._context.clock.now_us(), piece.body
        if feed.format is Format.HL7V2:
            seen = peek(body, charset=feed.charset)
            return self._intake.arrival(body, seen, now_us), not seen.fatal
        look = quick_look(body, feed, self._context.namespace)
        control_id = f"{origin}:{piece.offset}"
        return look.arrival(feed, body, now_us, control_id), bool(look.resource_type)


def _origin(name: str, status: os.stat_result) -> str:
    """Names this very file without giving its name away: read again after a crash, its resources
    have the same control ids; dropped again later, they are news, even with equal bytes."""
    key = f"{name}\x1f{status.st_mtime_ns}\x1f{status.st_ino}\x1f{status.st_size}"
    return "file:" + hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _read_ahead(stream: Iterator[Piece]) -> list[Piece]:
    """The next pieces: a bounded number, and no more bytes than a bound once there is one."""
    ahead: list[Piece] = []
    size_bytes = 0
    for piece in stream:
        ahead.append(piece)
        size_bytes += len(piece.body)
        if len(ahead) >= _READ_AHEAD or size_bytes >= _READ_AHEAD_BYTES:
            break
    return ahead
