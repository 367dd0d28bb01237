"""Records that are linked (A24) and unlinked (A37) again, through the real store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import permutations

from tests.support.clock import FakeClock
from tests.support.hl7_examples import message, pid
from tests.support.site import Site

from chartloom.domain.feed import Feed
from chartloom.domain.message import Arrival, Format
from chartloom.engines.postgres import PostgresStore

FEED = Feed("adt", "it", "it", "mllp", Format.HL7V2)
PIDS = (pid("1"), pid("2"))
LINK = message("ADT^A24", "1", "20240101080000", *PIDS)
UNLINK = message("ADT^A37", "2", "20240102080000", *PIDS)
AGAIN = message("ADT^A24", "3", "20240103080000", *PIDS)


def persons(store: PostgresStore, bodies: tuple[bytes, ...]) -> int:
    """How many persons the two records are after the messages."""
    site = Site(store, store.clock, [FEED])
    for body in bodies:
        digest = hashlib.sha256(body).digest()
        store.land([Arrival("adt", body, store.clock.now_us(), digest, body[:90].hex())])
        while site.worker.run_once():
            pass
    return len(store.recent_persons(site.grant()))


def test_the_last_word_counts_whatever_came_first(
    store_factory: Callable[..., PostgresStore],
) -> None:
    def after(*bodies: bytes) -> set[int]:
        return {persons(store_factory(clock=FakeClock()), o) for o in permutations(bodies)}

    assert after(LINK) == {1}
    assert after(LINK, UNLINK) == {2}
    assert after(LINK, UNLINK, AGAIN) == {1}
