"""A console in a process of its own that is killed just before, or just after, what was asked for
became durable on record.

Arguments: DSN, key folder, ``before`` or ``after``. Prints its address and a session's cookie.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.site import Site, serving

from chartloom.domain.audit import AuditEntry, LogEnd
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.protection_rules import Role
from chartloom.guard import Guard, SystemClock
from chartloom.guard.audit import Recorder
from chartloom.guard.keys import FileKek

#: What the page that kills asks for, as its event names it.
DEADLY = b"site/feeds"


class Deadly:
    """The real log; SIGKILL when the event of that page comes."""

    def __init__(self, log: PostgresAuditLog, when: str) -> None:
        self._log, self._when = log, when

    def append(self, entries: Sequence[AuditEntry]) -> LogEnd:
        deadly = any(DEADLY in e.body for e in entries)
        if deadly and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        end = self._log.append(entries)
        if deadly and self._when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def main() -> None:
    dsn, keys, when = sys.argv[1:]
    store = PostgresStore(dsn, Guard.open(Path(keys)), SystemClock())
    kek = Path(keys).with_name(Path(keys).name.replace("keys-", "kek-", 1))
    store.use_subject_keys(FileKek(kek))
    site = Site(store, SystemClock(), feeds=())
    log: Any = Deadly(PostgresAuditLog(store.connector(Role.SERVE), store.guard), when)
    site.audit, site.recorder = log, Recorder(log)
    with serving(site.app()) as url:
        print(url, site.sign_in(), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
