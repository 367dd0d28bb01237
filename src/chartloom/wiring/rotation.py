"""Log files that stay bounded, although the processes that write them never open them again."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

_LOG = logging.getLogger(__name__)

SIZE_BYTES_MAX = 10 * 1024 * 1024
KEPT_COUNT = 3


def rotate_all(logs: Iterable[Path]) -> None:
    """Rotates what is too large. What cannot be rotated (a full disk) is tried again later."""
    for log in logs:
        try:
            rotate(log)
        except OSError as e:
            extra = {"chartloom": {"file": log.name, "exception": type(e).__name__}}
            _LOG.warning("a log could not be rotated", extra=extra)


def rotate(log: Path, size_bytes_max: int = SIZE_BYTES_MAX, kept_count: int = KEPT_COUNT) -> bool:
    """Moves the content of a log above the size to ``<log>.1``, and older ones one number up.

    The file itself stays, and is emptied: its writer holds it open, in append mode. Only what is
    written in the instant between the last copied byte and the emptying is lost.
    """
    if not log.exists() or log.stat().st_size <= size_bytes_max:
        return False
    numbered = [log.with_name(f"{log.name}.{n}") for n in range(1, kept_count + 1)]
    fresh = log.with_name(f"{log.name}.new")
    with log.open("rb") as source, fresh.open("wb") as copy:
        shutil.copyfileobj(source, copy)
        for older, newer in reversed(list(zip(numbered[1:], numbered, strict=False))):
            if newer.exists():
                newer.replace(older)
        shutil.copyfileobj(source, copy)
        os.truncate(log, 0)
    fresh.replace(numbered[0])
    return True
