"""``chartloom up``: the embedded store and one process per role, started, watched and stopped.

Roles are separate processes, so that one that dies takes nothing with it: it is started again after
a pause that grows with every death in a row. Stopping goes against the stream: ingest first (no new
acknowledgements), then the workers, the console, and the store last.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from chartloom.domain.errors import ConfigurationError, StoreUnavailable
from chartloom.engines.postgres import EmbeddedPostgres
from chartloom.project import Project
from chartloom.wiring.rotation import rotate_all

_LOG = logging.getLogger(__name__)

READY_LINE = "chartloom-ready"
_RESTART_PAUSE_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_STOP_GRACE_S = 10.0
_HEALTHY_AFTER_S = 30.0
_STORE_PAUSE_S = 5.0
_ROTATE_EVERY_S = 10.0


class RoleSpec(msgspec.Struct, frozen=True):
    """One process to run: ``name`` is unique (``worker-2``), ``role`` what it does."""

    name: str
    role: str


class _Process:
    """A role's process with its log file and its deaths in a row."""

    def __init__(self, spec: RoleSpec, command: list[str], log: Path) -> None:
        self.spec, self._command, self.log = spec, command, log
        self.ready = threading.Event()
        self.deaths = 0
        self.not_before_s = 0.0
        self.started_s = 0.0
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.ready.clear()
        self.started_s = time.monotonic()
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        stdout = self.popen.stdout
        if stdout is not None:
            threading.Thread(target=self._listen, args=(stdout,), daemon=True).start()

    def _listen(self, stdout: IO[bytes]) -> None:
        with stdout:
            for line in stdout:
                if line.decode(errors="replace").strip() == READY_LINE:
                    self.ready.set()

    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def terminate(self) -> None:
        if self.alive() and self.popen is not None:
            self.popen.terminate()

    def wait_or_kill(self, deadline_s: float) -> None:
        if self.popen is None:
            return
        try:
            self.popen.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            _LOG.warning("role did not stop in time", extra={"chartloom": {"name": self.spec.name}})
            self.popen.kill()
            self.popen.wait()


def roles_of(project: Project) -> list[RoleSpec]:
    """The processes that ``up`` runs for a project."""
    workers = project.settings.engines.workers
    return [
        *(RoleSpec(f"worker-{n}", "worker") for n in range(1, workers + 1)),
        RoleSpec("ingest", "ingest"),
        RoleSpec("serve", "serve"),
    ]


@contextlib.contextmanager
def only_one(run_dir: Path) -> Iterator[None]:
    """Holds the site's lock; raises ``ConfigurationError`` if ``up`` is running already."""
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (run_dir / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise ConfigurationError(
                "This site is already up.",
                where=str(run_dir.parent),
                cure="Stop the other `chartloom up` first (Ctrl-C, or a TERM signal).",
            ) from e
        yield


class Supervisor:
    """Runs the roles of a project until :meth:`stop`, and starts ``store`` again if it dies."""

    def __init__(
        self,
        project: Project,
        report: Callable[[str], None] = lambda _: None,
        store: EmbeddedPostgres | None = None,
    ) -> None:
        self._project = project
        self._report = report
        self._store, self._store_not_before_s = store, 0.0
        self._stopping = threading.Event()
        self._rotate_at_s = 0.0
        logs = project.data_dir / "log"
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._processes = [
            _Process(spec, self._command(spec), logs / f"{spec.name}.log")
            for spec in roles_of(project)
        ]

    def _command(self, spec: RoleSpec) -> list[str]:
        return [
            *(sys.executable, "-m", "chartloom.cli", "run", spec.role),
            *("--name", spec.name, "--site", str(self._project.folder)),
        ]

    def start(self, timeout_s: float = 120.0) -> None:
        """Starts all roles and returns when each is ready; raises ``StoreUnavailable`` if not."""
        for process in self._processes:
            process.start()
        deadline_s = time.monotonic() + timeout_s
        for process in self._processes:
            while not process.ready.wait(0.05):
                if not process.alive():
                    self._give_up(process, "stopped while starting")
                if time.monotonic() > deadline_s:
                    self._give_up(process, f"was not ready within {timeout_s:g} s")
            self._report(process.spec.name)

    def _give_up(self, process: _Process, what: str) -> None:
        self.stop()
        raise StoreUnavailable(
            f"{process.spec.name} {what}.",
            where=str(process.log),
            cure="The end of that file says why.",
        )

    def watch(self) -> None:
        """Blocks until :meth:`stop` was called, starting again what dies. Call it from the main
        thread: the kernel ties a store that is started here to the thread's life."""
        while not self._stopping.wait(0.2):
            self._watch_store()
            self._rotate_logs()
            now_s = time.monotonic()
            for process in self._processes:
                if process.alive():
                    if process.deaths and now_s - process.started_s > _HEALTHY_AFTER_S:
                        process.deaths = 0
                elif not process.not_before_s:
                    pause = _RESTART_PAUSE_S[min(process.deaths, len(_RESTART_PAUSE_S) - 1)]
                    process.deaths += 1
                    process.not_before_s = now_s + pause
                    code = process.popen.returncode if process.popen else None
                    _LOG.error(
                        "role died, starting it again",
                        extra={"chartloom": {"name": process.spec.name, "exit_code": code}},
                    )
                elif now_s >= process.not_before_s:
                    process.not_before_s = 0.0
                    process.start()

    def _watch_store(self) -> None:
        """The roles wait for the store by themselves; nobody else would start it again."""
        store = self._store
        if store is None or store.running() or time.monotonic() < self._store_not_before_s:
            return
        _LOG.error("the store died, starting it again")
        try:
            store.revive()
        except StoreUnavailable as e:
            _LOG.error("the store did not start", extra={"chartloom": {"log": e.where}})
        self._store_not_before_s = time.monotonic() + _STORE_PAUSE_S

    def _rotate_logs(self) -> None:
        if time.monotonic() >= self._rotate_at_s:
            rotate_all(process.log for process in self._processes)
            rotate_all([self._store.log] if self._store else [])
            self._rotate_at_s = time.monotonic() + _ROTATE_EVERY_S

    def request_stop(self) -> None:
        """Makes :meth:`watch` return; safe in a signal handler."""
        self._stopping.set()

    def stop(self) -> None:
        """Stops all roles against the stream; what is acknowledged stays durable either way."""
        self._stopping.set()
        for role in ("ingest", "worker", "serve"):
            group = [p for p in self._processes if p.spec.role == role]
            for process in group:
                process.terminate()
            deadline_s = time.monotonic() + _STOP_GRACE_S
            for process in group:
                process.wait_or_kill(deadline_s)


def die_with_parent() -> None:
    """Asks the kernel to end this process when its supervisor is gone (Linux; else a no-op)."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == 1:
        # The parent may have died before the request was in force; in a container it may be 1.
        _LOG.info("running without a supervisor")


def say_ready() -> None:
    """Tells the supervisor that this role does its work now."""
    sys.stdout.write(READY_LINE + "\n")
    sys.stdout.flush()
