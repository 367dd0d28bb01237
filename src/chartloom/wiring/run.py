"""A site that is up: the embedded store and all roles, for as long as a ``with`` lasts."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from chartloom.domain.feed import Feed
from chartloom.engines.postgres import EmbeddedPostgres
from chartloom.project import Project
from chartloom.wiring.logs import configure_logging
from chartloom.wiring.site import open_site
from chartloom.wiring.supervisor import Supervisor, only_one


class RunningSite:
    """What ``up`` has started."""

    def __init__(self, project: Project, supervisor: Supervisor, token: str) -> None:
        self.project, self._supervisor, self._token = project, supervisor, token

    @property
    def console_url(self) -> str:
        """Opens the console and signs the local operator in; good until the next ``up``."""
        console = self.project.settings.console
        return f"http://{console.host}:{console.port}/?token={self._token}"

    @property
    def feed_addresses(self) -> list[str]:
        """Where each feed listens, for people."""
        return [f"{feed.name:14} {_address(feed)}" for feed in self.project.feeds]

    def watch_until(self, *signals: signal.Signals) -> None:
        """Watches the roles until one of the signals arrives."""

        def on_signal(number: int, frame: FrameType | None) -> None:
            self._supervisor.request_stop()

        previous = {s: signal.signal(s, on_signal) for s in signals}
        try:
            self._supervisor.watch()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def watch_in_background(self) -> threading.Thread:
        """Watches the roles in a thread, for callers that do something else meanwhile."""
        thread = threading.Thread(target=self._supervisor.watch, daemon=True)
        thread.start()
        return thread


def _address(feed: Feed) -> str:
    if feed.source == "files":
        return f"folder {feed.options.get('folder', '')}"
    scheme = {"mllp": "mllp", "http": "http"}[feed.source]
    return f"{scheme}://{feed.options.get('host', '127.0.0.1')}:{feed.options.get('port', '?')}"


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def token_file(project: Project) -> Path:
    """Where the console's sign-in token of the running site stands (mode 0600)."""
    return project.data_dir / "run" / "console-token"


@contextlib.contextmanager
def running_site(
    project: Project, report: Callable[[str], None] = lambda _: None
) -> Iterator[RunningSite]:
    """Starts the store and every role; stops them in the right order at the end."""
    configure_logging("up", "WARNING")
    project.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(project.data_dir / "run"), contextlib.ExitStack() as stack:
        if not project.settings.store.dsn_env:
            embedded = EmbeddedPostgres(project.data_dir / "postgres")
            embedded.start()
            stack.callback(embedded.stop)
            report("store")
        with open_site(project) as opened:
            opened.store.migrate()
            for _, mapping in opened.load_mappings().values():
                opened.store.save_project_version(mapping.fingerprint, mapping.files)
        token = secrets.token_urlsafe(24)
        _write_private(token_file(project), token)
        supervisor = Supervisor(project, report)
        stack.callback(supervisor.stop)
        supervisor.start()
        yield RunningSite(project, supervisor, token)
