"""Logs of the roles: whatever goes wrong, no text of an error reaches them."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

from chartloom.wiring.logs import JsonFormatter

_SCRIPT = """
import logging, threading
from chartloom.wiring.logs import configure_logging

configure_logging("worker-1")

def quote():
    try:
        raise KeyError("Example^Erika")
    except KeyError as error:
        raise ValueError("DETAIL: (Example^Erika)") from error

class Gone:
    def __del__(self):
        quote()

try:
    quote()
except ValueError:
    logging.getLogger("x").exception("it failed")
thread = threading.Thread(target=quote)
thread.start()
thread.join()
Gone()
quote()
"""


def test_errors_that_nobody_caught_are_told_without_their_text() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "Erika" not in done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["exception"] for line in lines] == ["ValueError"] * 4
    assert [line["level"] for line in lines] == ["error", "critical", "critical", "critical"]
    assert all(line["place"].endswith(":11") for line in lines)  # the inner raise


def test_times_are_utc_and_say_so() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "what", None, None)
    record.created = 1_795_329_062.0
    line = json.loads(JsonFormatter("ingest").format(record))
    assert line["at"] == "2026-11-22T06:31:02Z"
