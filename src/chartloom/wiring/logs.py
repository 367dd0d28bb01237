"""Logs: one JSON object per line with codes, counts and places. Never values from messages."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType
from typing import Any

import msgspec

#: Attributes of a record that are ours: passed as ``extra={"chartloom": {...}}``.
_EXTRA = "chartloom"
_FRAMES_MAX = 12
_LOG = logging.getLogger(__name__)


class JsonFormatter(logging.Formatter):
    """``{"at": ..., "level": ..., "role": ..., "what": ..., ...}``."""

    converter = staticmethod(time.gmtime)

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One line. An exception is given by type and place only: its text may hold values."""
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname.lower(),
            "role": self._role,
            "from": record.name,
            "what": record.getMessage(),
        }
        line.update(getattr(record, _EXTRA, {}))
        if record.exc_info and record.exc_info[0] is not None:
            line.update(_described(record.exc_info[0], record.exc_info[2]))
        return msgspec.json.encode(line).decode()


def _described(kind: type[BaseException], trace: TracebackType | None) -> dict[str, Any]:
    """Type of an exception, where it was raised, and the way there."""
    places = _places(trace)
    where = {"place": places[-1], "way": places[-_FRAMES_MAX:-1]} if places else {}
    return {"exception": kind.__name__, **where}


def _places(trace: TracebackType | None) -> list[str]:
    """``file:line`` from the outermost frame to the one that raised."""
    places = []
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places


def configure_logging(role: str, level: str = "INFO") -> None:
    """Sends all logs of this process to standard error, as JSON lines.

    So are errors that nobody caught: the interpreter would print their texts and those of their
    causes, which may quote data.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These two log addresses with parameters, which may hold values.
    for name in ("uvicorn.access", "psycopg"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _log_uncaught(args.exc_type, args.exc_traceback)
    sys.unraisablehook = lambda args: _log_uncaught(args.exc_type, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log_uncaught(kind, trace)


def _log_uncaught(kind: type[BaseException], trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    _LOG.critical("an error that nobody caught", extra={_EXTRA: _described(kind, trace)})
