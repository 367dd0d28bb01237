"""What all parts of the store share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock, local
from time import monotonic

from chartloom.domain.errors import ConfigurationError, GrantRefused
from chartloom.domain.grant import Grant
from chartloom.domain.ports import Clock
from chartloom.domain.withholding import Withholding
from chartloom.engines.postgres import held, migrate, protection
from chartloom.engines.postgres.access import Claim, ServiceClaims, claim, entered
from chartloom.engines.postgres.bodies import Bodies
from chartloom.engines.postgres.connect import (
    HOT_SETTINGS,
    Connection,
    Connector,
    Dedicated,
    Pool,
    our_errors,
)
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.withheld import Withheld
from chartloom.guard import Guard
from chartloom.registry.persons import Parameters, default_parameters

LANES_DEFAULT = 64
#: How long it may take until it is noticed that everything is derived anew.
_HOLDING_S = 1.0


class StoreBase:
    """Connections, keys and clock. Nothing is opened before it is needed."""

    def __init__(
        self,
        dsn: str,
        guard: Guard,
        clock: Clock,
        lanes: int = LANES_DEFAULT,
        *,
        readers_max: int = 8,
        patience_s: float = 5.0,
        parameters: Parameters | None = None,
    ) -> None:
        self._guard, self._clock, self._lanes = guard, clock, lanes
        #: What it was opened with.
        self.dsn, self.guard, self.clock, self.lanes = dsn, guard, clock, lanes
        #: By which it is decided who is one person.
        self.parameters = parameters or default_parameters()
        self._bodies = Bodies(guard)
        self._services = ServiceClaims(guard, "store")
        owner = self._owner = Connector(dsn, patience_s)
        ingest, worker, serve = (self._as(owner, role) for role in Role)
        self._pool = Pool(serve, size_max=readers_max)
        self._reading_all = Dedicated(serve, "digest")
        self._landing = Dedicated(ingest, "landing", HOT_SETTINGS)
        self._lane = Dedicated(worker, "lanes", HOT_SETTINGS)
        self._listening = Dedicated(worker, "listener")
        # Who owns the store: to migrate, rebuild and tidy, and for nothing else.
        self._admin = Dedicated(owner, "admin")
        # What is removed once more after a crash is no loss.
        self._tidying = Dedicated(owner, "housekeeping", {"synchronous_commit": "off"})
        self._sitting = local()  # the transaction that a thread reads in, see together()
        self._site_lock = Lock()
        self._first_day_known = -1
        self._holding_known = (-1e9, False)

    def migrate(self) -> None:
        """Brings the schema up to date; safe to run at every start and from several processes."""
        with self._admin.use() as conn:
            migrate.migrate(conn, self._guard, self._lanes, self._clock.now_us())
        self._admin.close()

    def close(self) -> None:
        """Closes all connections (and with them gives all lanes back)."""
        for dedicated in (
            *(self._landing, self._lane, self._listening, self._reading_all),
            *(self._admin, self._tidying),
        ):
            dedicated.close()
        self._pool.close()

    def connector(self, role: Role) -> Connector:
        """Connections of one of our roles, for what keeps its own (audit log, tokens, keys)."""
        return self._as(self._owner, role)

    def _as(self, owner: Connector, role: Role) -> Connector:
        name = protection.role_name(self._guard, role)
        return owner.as_role(name, protection.password(self._guard, role), self._why_refused)

    def _why_refused(self) -> None:
        """Raises why the store does not let one of our roles in."""
        with self._admin.use() as conn:
            migrate.check_site(conn, self._guard, self._lanes)
        self._admin.close()
        raise ConfigurationError(
            "the store does not let this site's roles in.", cure="Run: chartloom up"
        )

    @contextmanager
    def _reading(self, grant: Grant) -> Iterator[Connection]:
        """A connection in a transaction that shows what ``grant`` covers, and nothing else.

        The one place where reads verify their grant, which raises ``GrantRefused``: no function
        asks again, and one that asks the store nothing answers with nothing.
        """
        sitting = self._sitting
        if getattr(sitting, "grant", None) is grant:
            self._verify(grant)  # a transaction that was begun is told nothing new about it
            if sitting.conn is None:
                sitting.conn = sitting.until.enter_context(self._transaction(grant))
            with our_errors():
                yield sitting.conn
        else:
            with self._transaction(grant) as conn:
                yield conn

    @contextmanager
    def _transaction(self, grant: Grant) -> Iterator[Connection]:
        claimed = claim(self._guard, grant)  # which verifies it
        with self._pool.use() as conn:
            self._first_day(conn)
            with entered(conn, claimed):
                yield conn

    @contextmanager
    def together(self, grant: Grant) -> Iterator[None]:
        """What this thread reads under this very grant, within, is one transaction, which begins
        with the first read: however many there are, they begin and end once. Another grant within
        has transactions of its own. Each read verifies the grant."""
        mine, outer = self._sitting.__dict__, dict(self._sitting.__dict__)
        if outer.get("grant") is grant:
            yield
            return
        with ExitStack() as until:
            mine.update(grant=grant, conn=None, until=until)
            try:
                yield
            finally:
                mine.clear()
                mine.update(outer)

    @contextmanager
    def entered(self, grant: Grant) -> Iterator[Connection]:
        """The same for what is kept beside the chart: sessions, glass, data uses, facts."""
        with self._reading(grant) as conn:
            yield conn

    def _holding(self, conn: Connection) -> bool:
        """Whether everything is derived anew, as far as it was noticed: asked for once in a while,
        so that reading costs no more. What access is decided from asks each time."""
        at_s, holding = self._holding_known
        if monotonic() - at_s >= _HOLDING_S:
            holding = held.is_holding(conn)
            self._holding_known = (monotonic(), holding)
        return holding

    def _withheld(self, conn: Connection, grant: Grant, closed: Sequence[str] = ()) -> Withheld:
        """What the grant leaves out by class; asks nothing if there is nothing."""
        return Withheld(grant, grant.withheld, self._bodies, conn, closed)

    def withheld(self, conn: Connection, grant: Grant, withheld: Sequence[Withholding]) -> Withheld:
        """What would be left out, read under a grant that shows it (``conn`` is in its
        transaction)."""
        return Withheld(grant, withheld, self._bodies, conn)

    @contextmanager
    def _serving(self) -> Iterator[Connection]:
        """The same for what the store does by itself."""
        with self._pool.use() as conn:
            self._first_day(conn)
            with entered(conn, self._service()):
                yield conn

    def _service(self) -> Claim:
        """The claim of what the store does by itself."""
        return self._services.current()

    def _first_day(self, conn: Connection) -> int:
        """The site's first day. The first caller, whose connection must be idle, also checks that
        keys and lanes fit the store, and that the store is protected."""
        with self._site_lock:
            if self._first_day_known < 0:
                protection.verify_protection(conn, self._guard)
                with entered(conn, self._service()):
                    migrate.check_site(conn, self._guard, self._lanes)
                    self._first_day_known = migrate.first_day(conn)
            return self._first_day_known

    def _verify(self, grant: Grant) -> None:
        self._guard.verify(grant)

    def _verify_for_all(self, grant: Grant) -> None:
        """For what concerns the whole store: the grant must cover everyone."""
        if not self._guard.covers(grant, ""):
            raise GrantRefused("this needs a grant for everyone.", cure="Ask for one.")
