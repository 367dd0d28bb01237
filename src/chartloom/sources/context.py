"""What every source is given by the ingest server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.ports import Clock
from chartloom.sources.admission import Admission
from chartloom.sources.common import Lander
from chartloom.sources.limits import ByteBudget
from chartloom.sources.stats import FeedStats

_LOG = logging.getLogger(__name__)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class SourceContext:
    """The site around one source. base: what relative paths in options are relative to.
    admission: who may send; ``None`` knows no services."""

    feed: Feed
    lander: Lander
    clock: Clock
    namespace: UUID
    stats: FeedStats
    budget: ByteBudget
    next_control_id: Callable[[], str]
    base: Path = field(default_factory=Path)
    admission: Admission | None = None

    def path(self, option: str) -> Path | None:
        """The path in an option, or None if the option is not set."""
        value = str(self.feed.options.get(option, ""))
        return self.base / value if value else None

    def note(self, event: str, count: int = 1) -> None:
        """Counts an irregularity; the first and then every thousandth of a kind is logged."""
        counts = self.stats.events
        before = counts[event]
        counts[event] = before + count
        if before == 0 or before // 1000 != (before + count) // 1000:
            _LOG.warning(
                "irregular input",
                extra={
                    "chartloom": {
                        "feed": self.feed.name,
                        "code": event,
                        "count": before + count,
                    }
                },
            )


class Source(Protocol):
    """A running transport of one feed."""

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port it listens on, None if it does not listen."""
        ...

    async def start(self) -> None:
        """Begins to receive; raises ``ConfigurationError`` if it cannot."""
        ...

    async def stop(self, drain_s: float) -> None:
        """Stops receiving, answers what is on its way within ``drain_s``, closes everything."""
        ...


def control_ids(start_us: int) -> Callable[[], str]:
    """Control ids for our own answers: unique per start and process, at most 20 characters."""
    prefix = _base36(start_us // 1000)
    count = 0

    def next_control_id() -> str:
        nonlocal count
        count += 1
        return f"{prefix}-{count:X}"

    return next_control_id


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits or "0"
