"""The few statements of every read of a chart, several in a round trip, and planned once.

All go by key. The server would plan them anew at each execution, by how many ids there are this
time, which costs several times what they do; and psycopg sends one after the other. Whatever is
looked for otherwise (lists, searches) is planned for what is asked, as before.
"""

from __future__ import annotations

from typing import Any, Final
from weakref import WeakKeyDictionary

from psycopg import pq

from chartloom.engines.postgres.calls import Statement, Step, check, received, rows
from chartloom.engines.postgres.connect import Connection

_BINARY: Final = pq.Format.BINARY
#: A plan is kept while its table grows: it goes by index from the beginning.
_BEFORE: Final = Statement(
    "by_key",
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', true),"
    " set_config('enable_seqscan', 'off', true)",
)
_AFTER: Final = Statement(
    "by_value",
    "SELECT set_config('plan_cache_mode', 'auto', true), set_config('enable_seqscan', 'on', true)",
)
_prepared: WeakKeyDictionary[Connection, set[bytes]] = WeakKeyDictionary()


def look(conn: Connection, *steps: Step) -> list[list[tuple[Any, ...]]]:
    """The rows of each step. ``conn`` is in a transaction, and stays in it: after an error it has
    failed, and answers nothing more."""
    all_steps: list[Step] = [(_BEFORE, ()), *steps, (_AFTER, ())]
    pgconn = conn.pgconn
    known = _prepared.setdefault(conn, set())
    for statement, _ in all_steps:
        if statement.name not in known:
            check(conn, pgconn.prepare(statement.name, statement.text, statement.oids))
            known.add(statement.name)
    pgconn.enter_pipeline_mode()
    for statement, values in all_steps:
        pgconn.send_query_prepared(statement.name, values, statement.formats, _BINARY)
    pgconn.pipeline_sync()
    results = received(conn)
    for result in results:
        check(conn, result)
    return [rows(conn, result) for result in results[1:-1]]
