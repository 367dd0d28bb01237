"""What all parts of the store share."""

from __future__ import annotations

from threading import Lock

from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Grant
from chartloom.domain.ports import Clock
from chartloom.engines.postgres import migrate
from chartloom.engines.postgres.bodies import Bodies
from chartloom.engines.postgres.connect import HOT_SETTINGS, Connection, Connector, Dedicated, Pool
from chartloom.guard import Guard

LANES_DEFAULT = 64


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
    ) -> None:
        self._guard, self._clock, self._lanes = guard, clock, lanes
        #: What it was opened with.
        self.dsn, self.guard, self.clock, self.lanes = dsn, guard, clock, lanes
        self._bodies = Bodies(guard)
        connector = Connector(dsn, patience_s)
        self._pool = Pool(connector, size_max=readers_max)
        self._landing = Dedicated(connector, "landing", HOT_SETTINGS)
        self._lane = Dedicated(connector, "lanes", HOT_SETTINGS)
        self._listening = Dedicated(connector, "listener")
        self._admin = Dedicated(connector, "admin")
        # What is removed once more after a crash is no loss.
        self._tidying = Dedicated(connector, "housekeeping", {"synchronous_commit": "off"})
        self._site_lock = Lock()
        self._first_day_known = -1

    def migrate(self) -> None:
        """Brings the schema up to date; safe to run at every start and from several processes."""
        with self._admin.use() as conn:
            migrate.migrate(conn, self._guard, self._lanes, self._clock.now_us())
        self._admin.close()

    def close(self) -> None:
        """Closes all connections (and with them gives all lanes back)."""
        for dedicated in (self._landing, self._lane, self._listening, self._admin, self._tidying):
            dedicated.close()
        self._pool.close()

    def _first_day(self, conn: Connection) -> int:
        """The site's first day; the first caller also checks that keys and lanes fit the store."""
        with self._site_lock:
            if self._first_day_known < 0:
                migrate.check_site(conn, self._guard, self._lanes)
                self._first_day_known = migrate.first_day(conn)
            return self._first_day_known

    def _verify(self, grant: Grant) -> None:
        self._guard.verify(grant)

    def _verify_for_all(self, grant: Grant) -> None:
        """For what concerns the whole store: the grant must cover everyone."""
        if not self._guard.covers(grant, ""):
            raise GrantRefused("this needs a grant for everyone.", cure="Ask for one.")
