"""Logs: one JSON object per line with codes, counts and places. Never values from messages."""

from __future__ import annotations

import logging
import sys
from typing import Any

import msgspec

#: Attributes of a record that are ours: passed as ``extra={"chartloom": {...}}``.
_EXTRA = "chartloom"


class JsonFormatter(logging.Formatter):
    """``{"at": ..., "level": ..., "role": ..., "what": ..., ...}``."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        """One line. An exception is given by type and place only: its text may hold values."""
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "role": self._role,
            "from": record.name,
            "what": record.getMessage(),
        }
        line.update(getattr(record, _EXTRA, {}))
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["place"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        return msgspec.json.encode(line).decode()


def configure_logging(role: str, level: str = "INFO") -> None:
    """Sends all logs of this process to standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These two log addresses with parameters, which may hold values.
    for name in ("uvicorn.access", "psycopg"):
        logging.getLogger(name).setLevel(logging.WARNING)
