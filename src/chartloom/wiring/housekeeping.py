"""Keeps the store bounded, from one thread of the ``serve`` role."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from chartloom.domain.errors import (
    LimitExceeded,
    StoreDamaged,
    StoreDefect,
    StoreUnavailable,
)
from chartloom.engines.postgres import PostgresStore, Retention
from chartloom.project.model import RetentionSettings
from chartloom.serve import StoreWatch

_EVERY_S = 60.0
_log = logging.getLogger(__name__)


def retention_of(settings: RetentionSettings) -> Retention:
    """What ``[retention]`` says."""
    return Retention(settings.duplicate_days, settings.outbox_days, settings.issue_days)


@contextlib.contextmanager
def housekeeping(
    store: PostgresStore,
    keep: Retention,
    every_s: float = _EVERY_S,
    also: Sequence[Callable[[], object]] = (),
    watch: StoreWatch | None = None,
) -> Iterator[threading.Thread]:
    """Tidies the store now and then, as long as the ``with`` lasts. also: what else is tidied.
    watch: is told whether the store did what it was asked."""
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            try:
                store.tidy(keep, stop.is_set)
                for tidy in also:
                    tidy()
                if watch is not None:
                    watch.fine()
            except (StoreUnavailable, StoreDamaged, StoreDefect, LimitExceeded) as error:
                if watch is not None and isinstance(error, StoreDefect):
                    watch.saw(error, store.clock)
                _log.warning("housekeeping failed", extra={"chartloom": {"why": error.what}})
            stop.wait(every_s)

    thread = threading.Thread(target=run, name="housekeeping", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(10.0)
