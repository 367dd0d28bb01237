"""Connections: opened with patience, shared by threads, and errors turned into ours."""

from __future__ import annotations

import copy
import ipaddress
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Condition, RLock
from typing import Any

import psycopg
from psycopg import conninfo, errors
from psycopg.rows import TupleRow

from chartloom.domain.errors import (
    ConfigurationError,
    LimitExceeded,
    StoreDamaged,
    StoreDefect,
    StoreUnavailable,
)
from chartloom.engines.postgres import arrays

Connection = psycopg.Connection[TupleRow]

#: Oldest server whose SQL we use.
SERVER_VERSION_MIN = 150000

_BACKOFF_FIRST_S = 0.02
_BACKOFF_MAX_S = 0.5
#: Hot statements are few, prepared, and always go by index: planning them anew, or by what a table
#: looked like while it was small, costs more than it can win.
HOT_SETTINGS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
#: Those that make sure who answers; "require" encrypts for whoever does.
_SAFE_SSL = {"verify-ca", "verify-full"}


@contextmanager
def our_errors() -> Iterator[None]:
    """Turns a lost or refusing server into ``StoreUnavailable``, one that does not understand or
    permit what we ask into ``StoreDefect``; data errors pass through.

    The server's own words stay out of our errors: they may quote rows.
    """
    try:
        yield
    except errors.QueryCanceled as error:
        raise LimitExceeded(
            "a query took longer than the store's time limit.", cure="Ask for less at once."
        ) from error
    except (errors.DeadlockDetected, errors.SerializationFailure):
        raise
    except (errors.InternalError_, errors.DataCorrupted, errors.IndexCorrupted) as error:
        raise StoreDamaged(
            f"the store cannot read what it holds ({error.sqlstate}).",
            cure="Its log says what; restore it from a backup.",
        ) from None
    except errors.CardinalityViolation:
        raise  # of a statement that names one row twice: which rows it names is data
    except (psycopg.ProgrammingError, psycopg.NotSupportedError) as error:
        raise StoreDefect(error.sqlstate or type(error).__name__) from None
    except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
        code = getattr(error, "sqlstate", None) or "no answer"
        raise StoreUnavailable(
            f"the store does not answer ({code}).", cure="Look at its log; work resumes by itself."
        ) from error


class Connector:
    """Opens connections to one DSN. Off this host TLS is required."""

    def __init__(self, dsn: str, patience_s: float = 5.0) -> None:
        try:
            given = conninfo.conninfo_to_dict(dsn)
        except psycopg.ProgrammingError as error:
            raise ConfigurationError(
                "the DSN cannot be read.", cure="It looks like: host=... dbname=... user=..."
            ) from error
        _require_tls(given)
        self._patience_s = patience_s
        self._parameters: dict[str, Any] = {
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
            **given,
            "connect_timeout": 5,
        }
        self._why_refused: Callable[[], None] = lambda: None

    def as_role(self, user: str, password: str, why_refused: Callable[[], None]) -> Connector:
        """The same server as another role. ``why_refused`` is asked when that is not let in, and
        raises what there is to say about it."""
        other = copy.copy(self)
        login = {"user": user, "password": password, "passfile": os.devnull}
        other._parameters = {**self._parameters, **login}
        other._why_refused = why_refused
        return other

    def open(self, role: str, settings: Mapping[str, str]) -> Connection:
        """A new connection in autocommit; tries again for a while, then ``StoreUnavailable``."""
        options = {
            "default_transaction_isolation": r"read\ committed",
            "timezone": "UTC",
            "search_path": "public",
            # Hot statements switch plans off, which makes any other look dear enough to compile.
            "jit": "off",
            **settings,
        }
        deadline = time.monotonic() + self._patience_s
        wait_s = _BACKOFF_FIRST_S
        while True:
            try:
                connection = psycopg.connect(
                    "",
                    autocommit=True,
                    **self._parameters,
                    application_name=f"chartloom {role}",
                    options=" ".join(f"-c {name}={value}" for name, value in options.items()),
                    prepare_threshold=2,
                )
                arrays.register(connection.adapters)
                return connection
            except psycopg.OperationalError as error:
                if error.pgconn is not None and error.pgconn.used_password:
                    self._why_refused()
                if time.monotonic() + wait_s > deadline:
                    code = error.sqlstate or "no answer"
                    raise StoreUnavailable(
                        f"the store cannot be reached ({code}).",
                        cure="Start it (chartloom up), or check the DSN and the password file.",
                    ) from error
            time.sleep(wait_s)
            wait_s = min(wait_s * 2, _BACKOFF_MAX_S)


def _require_tls(given: dict[str, Any]) -> None:
    """What libpq would take from its environment counts as well."""

    def effective(name: str, variable: str) -> str:
        return str(given.get(name) or os.environ.get(variable) or "")

    hosts = effective("hostaddr", "PGHOSTADDR") or effective("host", "PGHOST")
    # Where a service leads is known to libpq alone.
    local = not (effective("service", "PGSERVICE") and not hosts) and all(
        not h or h.startswith(("/", "@")) or _loopback(h) for h in hosts.split(",")
    )
    if not local and effective("sslmode", "PGSSLMODE") not in _SAFE_SSL:
        raise ConfigurationError(
            "the store is on another machine and its DSN does not demand TLS that verifies it.",
            cure="Add sslmode=verify-full and sslrootcert, or at least sslmode=verify-ca.",
        )


def _loopback(host: str) -> bool:
    """An address of this machine: ``127.elsewhere.example`` is a name and none."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Dedicated:
    """One connection for one job, reopened after it broke. Used by one thread at a time."""

    def __init__(
        self, connector: Connector, role: str, settings: Mapping[str, str] | None = None
    ) -> None:
        self._connector, self._role, self._settings = connector, role, settings or {}
        self._connection: Connection | None = None
        self._lock = RLock()

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """The connection, alone. A broken one is dropped, so that the next use opens another."""
        with self._lock, our_errors():
            if self._connection is None or self._connection.closed:
                self._connection = self._connector.open(self._role, self._settings)
            try:
                yield self._connection
            finally:
                if self._connection is not None and self._connection.broken:
                    self.close()

    @property
    def current(self) -> Connection | None:
        """The open connection, if there is one: its identity tells whether it was reopened."""
        return self._connection

    def close(self) -> None:
        """Closes it; the next use opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


class Pool:
    """A few connections shared by the threads that read."""

    def __init__(
        self,
        connector: Connector,
        role: str = "reader",
        size_max: int = 8,
        wait_s: float = 10.0,
        statement_timeout_s: float = 20.0,
    ) -> None:
        self._connector, self._role = connector, role
        self._size_max, self._wait_s = size_max, wait_s
        self._settings = {"statement_timeout": str(int(statement_timeout_s * 1000))}
        self._free: deque[Connection] = deque()
        self._out = 0
        self._changed = Condition()
        self._closed = False

    @contextmanager
    def use(self) -> Iterator[Connection]:
        """A connection of one's own for the length of the ``with``."""
        connection = self._take()
        try:
            with our_errors():
                yield connection
        finally:
            self._give_back(connection)

    def _take(self) -> Connection:
        with self._changed:
            free = self._changed.wait_for(
                lambda: self._free or self._out < self._size_max or self._closed, self._wait_s
            )
            if not free or self._closed:
                raise StoreUnavailable("all connections to the store are busy.", cure="Try again.")
            self._out += 1
            connection = self._free.pop() if self._free else None
        try:
            return connection or self._connector.open(self._role, self._settings)
        except BaseException:
            self._release()
            raise

    def _give_back(self, connection: Connection) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        usable = not connection.closed and connection.info.transaction_status == idle
        if not usable or self._closed:
            connection.close()
        self._release(connection if usable and not self._closed else None)

    def _release(self, connection: Connection | None = None) -> None:
        with self._changed:
            self._out -= 1
            if connection is not None:
                self._free.append(connection)
            self._changed.notify()

    def close(self) -> None:
        """Closes all connections; those in use when they come back."""
        with self._changed:
            self._closed = True
            while self._free:
                self._free.pop().close()
            self._changed.notify_all()
