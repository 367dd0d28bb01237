"""A site that is up: the embedded store and all roles, for as long as a ``with`` lasts."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from chartloom.domain.feed import Feed
from chartloom.engines.postgres import EmbeddedPostgres
from chartloom.guard import SystemClock
from chartloom.project import Project
from chartloom.project.tls import OFF
from chartloom.wiring.address import console_address
from chartloom.wiring.console_token import console_token, make_console_token
from chartloom.wiring.internal_ca import internal_certificates
from chartloom.wiring.keys import make_kek
from chartloom.wiring.logs import configure_logging
from chartloom.wiring.ports import need_free
from chartloom.wiring.site import open_site
from chartloom.wiring.supervisor import Supervisor, only_one


class RunningSite:
    """What ``up`` has started."""

    def __init__(self, project: Project, supervisor: Supervisor) -> None:
        self.project, self._supervisor = project, supervisor

    @property
    def console_url(self) -> str:
        """Where to sign in; without an identity provider, a link that works once."""
        return console_url(self.project)

    @property
    def feed_addresses(self) -> list[str]:
        """Where each feed listens, for people."""
        return [f"{feed.name:14} {_address(feed)}" for feed in self.project.feeds]

    @property
    def door_addresses(self) -> list[str]:
        """Where questions about identity by HL7 v2 are answered, for people."""
        door = self.project.settings.doors.identity
        sealed = (door.tls_cert or self.project.settings.tls.certificate) not in ("", OFF)
        scheme = "mllps" if sealed else "mllp"
        return [f"{'PIX and PDQ':14} {scheme}://{door.host}:{door.port}"] if door.port else []

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


def console_url(project: Project) -> str:
    """Where people sign in; without an identity provider, a fresh link for the local operator."""
    from chartloom.serve.access import sign_in_path

    if project.settings.sign_in.builtin or project.settings.sign_in.issuer:
        return console_address(project) + "/sign-in"
    path = sign_in_path(console_token(project), SystemClock().now_us())
    return console_address(project) + path


def _address(feed: Feed) -> str:
    if feed.source == "files":
        return f"folder {feed.options.get('folder', '')}"
    scheme = feed.source + ("s" if feed.options.get("tls_cert") else "")
    return f"{scheme}://{feed.options.get('host', '127.0.0.1')}:{feed.options.get('port', '?')}"


@contextlib.contextmanager
def running_site(
    project: Project, report: Callable[[str], None] = lambda _: None
) -> Iterator[RunningSite]:
    """Starts the store and every role; stops them in the right order at the end."""
    configure_logging("up", "WARNING")
    project.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with only_one(project.data_dir / "run"), contextlib.ExitStack() as stack:
        need_free(project)
        embedded = None
        if not project.settings.store.dsn_env:
            embedded = EmbeddedPostgres(project.data_dir / "postgres")
            embedded.start()
            stack.callback(embedded.stop)
            report("store")
        with open_site(project) as opened:
            opened.store.migrate()
            make_kek(project, opened.store, opened.clock)
        make_console_token(project)
        stack.enter_context(internal_certificates(project, SystemClock()))
        supervisor = Supervisor(project, report, embedded)
        stack.callback(supervisor.stop)
        supervisor.start()
        yield RunningSite(project, supervisor)
