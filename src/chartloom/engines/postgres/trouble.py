"""Reading what is pending when something is wrong: damaged rows, or messages that kill workers.

A worker that was killed leaves its name at its lanes. Whoever takes them next counts that; after
``DEATHS_MAX`` deaths without progress it takes the next messages of these lanes one by one, and
writes down before each which one it is. A message that was the one ``TRIES_MAX`` times is not tried
again: it goes to quarantine. While nobody dies, none of this costs anything.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final

from psycopg import errors

from chartloom.domain.errors import StoreUnavailable
from chartloom.domain.grant import Grant
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.message import Message
from chartloom.domain.quarantine import STORED_UNREADABLE, SUBJECT_SHREDDED, WORKER_DIED
from chartloom.engines.postgres import queries
from chartloom.engines.postgres.arrays import array
from chartloom.engines.postgres.bodies import Bodies
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.whole import Opened
from chartloom.guard import SealBroken

#: Deaths without progress after which messages are taken one by one.
DEATHS_MAX = 2

#: Deaths over one and the same message after which it goes to quarantine.
TRIES_MAX = 2

#: Bytes of messages that one ``pending`` reads at most (the first message always comes).
PENDING_BYTES_MAX = 32 * 1024 * 1024

#: Messages that are tried again at once.
RETRIES_MAX = 100
_NOTHING: Final = hashlib.sha256(b"").digest()
_DAMAGED: Final = (errors.InternalError_, errors.DataCorrupted, errors.IndexCorrupted)
_log = logging.getLogger(__name__)

Row = tuple[Any, ...]
#: Begins a transaction under the grant. Each step has its own: an error ends what it happened in.
Enter = Callable[[], AbstractContextManager[Connection]]


def bounds(lanes: Sequence[int], limit: int) -> dict[str, Any]:
    """What the queries of pending messages bind."""
    return {
        "lanes": array("int2", lanes),
        "limit": limit,
        "bytes": PENDING_BYTES_MAX,
        "retries": min(limit, RETRIES_MAX),
    }


def message(bodies: Bodies, grant: Grant, row: Row) -> Message:
    """A pending message; one whose body does not open comes without it, and says so."""
    position, feed, received, lane, control, kind, source_patient, conflict, sealed = row
    opened, fault = Opened(b"", _NOTHING), STORED_UNREADABLE
    if sealed is not None:
        try:
            opened, fault = bodies.open_message(grant, source_patient, position, sealed), ""
        except SubjectShredded:
            fault = SUBJECT_SHREDDED
        except SealBroken:
            _log.error("a stored message is damaged", extra={"chartloom": {"position": position}})
    return Message(
        position=position,
        feed=feed,
        body=opened.body,
        received_at_us=received,
        sha256=opened.sha256,
        lane=lane,
        control_id=control,
        message_type=kind,
        source_patient=source_patient,
        conflict=conflict,
        fault=fault,
        parts=opened.parts,
        shown=opened.shown,
    )


def apart(
    enter: Enter, bodies: Bodies, grant: Grant, lanes: Sequence[int], limit: int
) -> list[Message]:
    """What is pending, lane by lane and body by body: what cannot be read holds up nothing else.

    A lane in which not even the heads of messages can be read is left out, and logged.
    """
    rows: list[Row] = []
    for lane in lanes:
        try:
            rows += _headers(enter, [lane], limit)
        except _DAMAGED as error:
            fields = {"lane": lane, "sqlstate": error.sqlstate}
            _log.error("a lane of the log cannot be read", extra={"chartloom": fields})
    rows.sort()
    found: list[Message] = []
    size_bytes = 0
    for row in rows[:limit]:
        sealed = _body(enter, row[0])
        size_bytes += len(sealed or b"")
        if found and size_bytes > PENDING_BYTES_MAX:
            break
        found.append(message(bodies, grant, (*row, sealed)))
    return found


def _headers(enter: Enter, lanes: Sequence[int], limit: int) -> list[Row]:
    values = bounds(lanes, limit)
    with enter() as conn:
        again = conn.execute(queries.PENDING_RETRY_HEADERS, values, binary=True).fetchall()
        return again or conn.execute(queries.PENDING_HEADERS, values, binary=True).fetchall()


def _body(enter: Enter, position: int) -> bytes | None:
    """The sealed body, None if it cannot be read.

    Raises ``StoreUnavailable`` if that takes too long.
    """
    try:
        with enter() as conn:
            row = conn.execute(queries.BODY_AT, (position,), binary=True).fetchone()
    except errors.QueryCanceled:
        # Nothing is known of the message: a slow disk is no fault of it.
        raise StoreUnavailable(
            "the store did not read a message in time.", cure="Look at the load of its disks."
        ) from None
    except _DAMAGED as error:
        fields = {"position": position, "sqlstate": error.sqlstate}
        _log.error("a stored message cannot be read", extra={"chartloom": fields})
        return None
    return None if row is None else row[0]


class Deaths:
    """What one worker knows of those who held its lanes before. False if nobody died."""

    _lanes: dict[int, int]
    _singles_left: int  #: -1: not begun
    _outlived: bool

    def __init__(self) -> None:
        self.clear()

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def took(self, rows: Iterable[tuple[int, int]]) -> None:
        """Lanes that were taken, and the deaths in each."""
        died = {lane: deaths for lane, deaths in rows if deaths}
        if died:
            self._lanes |= died
            self._singles_left, self._outlived = -1, False

    def clear(self) -> None:
        """Nothing is held any more."""
        self._lanes, self._singles_left, self._outlived = {}, -1, False

    def single(
        self, enter: Enter, bodies: Bodies, grant: Grant, lanes: Sequence[int], limit: int
    ) -> list[Message]:
        """The next message to be taken alone; none when a batch may be tried (again).

        As many are taken alone as a batch could hold. Once a batch was outlived, all is forgotten.
        """
        careful = [lane for lane in lanes if self._lanes.get(lane, 0) >= DEATHS_MAX]
        if self._singles_left < 0:
            self._singles_left = limit
        done = False
        if careful and self._singles_left:
            if rows := _headers(enter, careful, 1):
                self._singles_left -= 1
                return [_tried(enter, bodies, grant, rows[0])]
            self._singles_left, done = 0, True
        if self._outlived or done:
            with enter() as conn:
                conn.execute(queries.LANE_WELL, (sorted(self._lanes),))
            self.clear()
        else:
            self._outlived = True
        return []


def _tried(enter: Enter, bodies: Bodies, grant: Grant, row: Row) -> Message:
    """A message that is taken alone, after that was written down for good."""
    with enter() as conn:
        tried = conn.execute(queries.LANE_TRYING, {"position": row[0], "lane": row[3]}).fetchone()
    if tried is None or tried[0] < TRIES_MAX:
        return message(bodies, grant, (*row, _body(enter, row[0])))
    _log.error("workers died over a message", extra={"chartloom": {"position": row[0]}})
    position, feed, received, lane, control, kind, source_patient, conflict = row
    return Message(
        position=position,
        feed=feed,
        body=b"",
        received_at_us=received,
        sha256=_NOTHING,
        lane=lane,
        control_id=control,
        message_type=kind,
        source_patient=source_patient,
        conflict=conflict,
        fault=WORKER_DIED,
    )
