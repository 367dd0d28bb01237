"""What every read of a chart asks: planned once, within its transaction, and under its grant."""

from __future__ import annotations

import pytest
from psycopg.errors import DivisionByZero, InFailedSqlTransaction
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient

from chartloom.domain.grant import Purpose
from chartloom.engines.postgres import PostgresStore, queries_read
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.calls import Statement
from chartloom.engines.postgres.doors import PostgresGlass
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.lookups import look

_EVERY_READ = (
    "care_of", "consents_of", "glass_open", "is_holding", "labels_of", "persons_of", "sections_of",
    "speakers_of",
)  # fmt: skip
_BROKEN = Statement("broken", "SELECT 1 / 0")


@pytest.fixture
def one(store: PostgresStore) -> PostgresStore:
    """A store with the person p1."""
    store.land([arrival(0, "p1")])
    messages = store.pending(everyone(store), store.claim("w", 64), 100)
    apply(store, batch_of(messages, [derived(messages[0], patient("p1", "p1"))]))
    return store


def test_what_every_read_asks_is_planned_once(one: PostgresStore) -> None:
    grant, facts, glass = everyone(one), PostgresFacts(one), PostgresGlass(one)
    with one.together(grant):
        for _ in range(8):  # after five the server would compare what plans cost
            assert facts.known_of(grant, "p1").source_patients == ("p1",)
            assert facts.consents(grant, ["p1"]) == []
            assert glass.open_of(grant, "somebody", ["p1"], 1) is None
            assert one.person(grant, "p1").source_patients == ("p1",)
            assert one.sections(grant, ["p1"])
            assert set(one.speakers(grant, ["p1"])) == {"p1"}
        with one.entered(grant) as conn:
            plans = conn.execute(
                "SELECT name, custom_plans, generic_plans >= 8 FROM pg_prepared_statements"
            ).fetchall()
            modes = conn.execute(
                "SELECT current_setting('plan_cache_mode'), current_setting('enable_seqscan')"
            ).fetchone()
    assert {(f"hot_{name}", 0, True) for name in _EVERY_READ} <= set(plans)
    assert modes == ("auto", "on"), "what is asked for otherwise is planned for what is asked"


def test_after_an_error_nothing_more_is_answered(one: PostgresStore) -> None:
    """An empty answer would say that there is no consent."""
    step = (queries_read.PERSONS_OF, (packed("text", ["p1"]),))
    grant = everyone(one)
    with one.together(grant), one.entered(grant) as conn:
        with pytest.raises(DivisionByZero):
            look(conn, (_BROKEN, ()), step)
        with pytest.raises(InFailedSqlTransaction):
            look(conn, step)
    with one.together(grant), one.entered(grant) as conn:
        assert look(conn, step) == [[("p1", ["p1"])]]


def test_rows_come_step_by_step_and_under_the_grant(one: PostgresStore) -> None:
    step = (queries_read.PERSONS_OF, (packed("text", ["p1", "p2"]),))
    nobody = one.guard.mint("tests", Purpose.TREATMENT, ("p2",))
    with one.entered(everyone(one)) as conn:
        number = Statement("number", "SELECT $1 + 1", ("int4",))
        assert look(conn, (number, (b"\0\0\0\1",)), step) == [[(2,)], [("p1", ["p1"])]]
    with one.entered(nobody) as conn:
        assert look(conn, step, step) == [[], []]
