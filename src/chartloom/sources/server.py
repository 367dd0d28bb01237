"""The ingest server: all sources of a site over one landing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final
from uuid import UUID

import msgspec
from prometheus_client import CollectorRegistry

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.ports import Clock, Landing
from chartloom.sources.admission import Admission
from chartloom.sources.context import Source, SourceContext, control_ids
from chartloom.sources.fhir_rest.source import HttpSource
from chartloom.sources.files.source import FilesSource
from chartloom.sources.grouping import GroupCommitter
from chartloom.sources.limits import ByteBudget
from chartloom.sources.mllp.source import MllpSource
from chartloom.sources.options import validate_options
from chartloom.sources.stats import FeedStats, IngestCollector

_SOURCES: Final[dict[str, Callable[[SourceContext], Source]]] = {
    "mllp": MllpSource,
    "http": HttpSource,
    "files": FilesSource,
}


class IngestSettings(msgspec.Struct, frozen=True):
    """Limits of the whole ingest process; see :class:`GroupCommitter` for the first five.

    unfinished_bytes_max: bytes of large unfinished messages over all connections. drain_s: how long
    a stop waits for what is on its way.
    """

    waiting_max: int = 4096
    waiting_bytes_max: int = 64 * 1024 * 1024
    group_max: int = 512
    gather_s: float = 0.005
    patience_s: float = 5.0
    unfinished_bytes_max: int = 256 * 1024 * 1024
    drain_s: float = 10.0


class IngestServer:
    """Receives for all feeds: start it, wait on :meth:`failed`, stop it. Needs a running loop.

    base: the site's folder, for relative paths in options. registry: where to show metrics.
    admission: which services may send where.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        landing: Landing,
        clock: Clock,
        namespace: UUID,
        *,
        base: Path | None = None,
        settings: IngestSettings | None = None,
        registry: CollectorRegistry | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._feeds = feeds
        self._landing, self._clock, self._namespace = landing, clock, namespace
        self._base, self._admission = base or Path(), admission
        self._settings = settings or IngestSettings()
        self._committer: GroupCommitter | None = None
        self._sources: dict[str, Source] = {}
        self.stats: dict[str, FeedStats] = {feed.name: FeedStats() for feed in feeds}
        self._collector = IngestCollector(self.stats)
        self._registry = registry
        if registry is not None:
            registry.register(self._collector)

    async def start(self) -> None:
        """Starts all sources; if one cannot, stops the others and raises ``ConfigurationError``."""
        for feed in self._feeds:
            _refuse_wrong_options(feed)
        s = self._settings
        self._committer = GroupCommitter(
            self._landing,
            waiting_max=s.waiting_max,
            waiting_bytes_max=s.waiting_bytes_max,
            group_max=s.group_max,
            gather_s=s.gather_s,
            patience_s=s.patience_s,
        )
        budget = ByteBudget(s.unfinished_bytes_max)
        next_control_id = control_ids(self._clock.now_us())
        try:
            for feed in self._feeds:
                context = SourceContext(
                    feed,
                    self._committer,
                    self._clock,
                    self._namespace,
                    self.stats[feed.name],
                    budget,
                    next_control_id,
                    self._base,
                    self._admission,
                )
                source = _SOURCES[feed.source](context)
                self._sources[feed.name] = source
                await source.start()
        except ConfigurationError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stops receiving, answers what becomes durable within the drain time, closes."""
        await asyncio.gather(*(s.stop(self._settings.drain_s) for s in self._sources.values()))
        if self._committer is not None:
            await self._committer.close()
        self._sources.clear()
        if self._registry is not None:
            self._registry.unregister(self._collector)
            self._registry = None

    async def failed(self) -> None:
        """Waits until the landing fails by a defect, and raises it: end the process then."""
        if self._committer is not None:
            await asyncio.shield(self._committer.failure)

    def ready(self) -> dict[str, tuple[str, int] | None]:
        """The running feeds with the address they listen on (None: they watch)."""
        return {name: source.address for name, source in self._sources.items()}

    @property
    def waiting_count(self) -> int:
        """Messages received and not yet durable."""
        return self._committer.waiting_count if self._committer is not None else 0

    @property
    def group_count(self) -> int:
        """Durable commits so far."""
        return self._committer.group_count if self._committer is not None else 0

    async def __aenter__(self) -> IngestServer:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _refuse_wrong_options(feed: Feed) -> None:
    for problem in validate_options(feed):
        if problem.severity == "error":
            raise ConfigurationError(
                problem.what, where=f"feed {feed.name}, {problem.key}", cure=problem.cure
            )
