"""Several reads in one transaction: each shows what its own grant covers, and nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from psycopg.errors import DivisionByZero
from tests.support.batches import (
    apply,
    arrival,
    batch_of,
    brief_grants,
    derived,
    everyone,
    patient,
    until_over,
)

from chartloom.domain.errors import GrantRefused, NotFound
from chartloom.domain.grant import Purpose
from chartloom.engines.postgres import PostgresStore


@pytest.fixture
def two(store: PostgresStore) -> PostgresStore:
    """A store with the persons p1 and p2."""
    store.land([arrival(i, f"p{1 + i}") for i in range(2)])
    messages = store.pending(everyone(store), store.claim("w", 64), 100)
    said = [derived(m, patient(m.source_patient, m.source_patient)) for m in messages]
    apply(store, batch_of(messages, said))
    return store


def test_reads_share_a_transaction_and_grants_do_not(two: PostgresStore) -> None:
    one = two.guard.mint("tests", Purpose.TREATMENT, ("p1",))
    other = two.guard.mint("tests", Purpose.TREATMENT, ("p2",))
    with two.together(one):
        assert two.person(one, "p1").source_patients == ("p1",)
        with pytest.raises(NotFound):
            two.person(one, "p2")
        assert two.person(other, "p2").source_patients == ("p2",)
        with pytest.raises(NotFound):
            two.person(other, "p1")
        with two.together(other):
            with pytest.raises(NotFound):
                two.person(other, "p1")
            assert two.person(one, "p1").source_patients == ("p1",)
        with two.entered(one) as first, two.together(one), two.entered(one) as second:
            assert first is second
    with two.together(one), two.entered(one) as first, two.together(one), two.entered(one) as again:
        assert first is again, "within the same there is no other transaction"
    with two.entered(one) as later, two.entered(other) as beside:
        assert later is not beside


def test_a_grant_that_expires_within_shows_nothing_more(two: PostgresStore) -> None:
    for short in brief_grants(two.guard, ("p1",)):
        with contextlib.suppress(GrantRefused), two.together(short):
            assert two.person(short, "p1")
            until_over(two.guard, short)
            with pytest.raises(GrantRefused):
                two.person(short, "p1")
            return
    pytest.fail("no grant lived long enough to read with")


def test_after_a_failed_read_the_next_begins_anew(two: PostgresStore) -> None:
    grant = everyone(two)
    with pytest.raises(DivisionByZero), two.together(grant), two.entered(grant) as conn:
        conn.execute("SELECT 1 / 0")
    with two.together(grant):
        assert two.person(grant, "p2")


#: What every decision asks: a scan of a whole table for each would grow with the site.
DECISIONS: tuple[tuple[str, Any], ...] = (
    ("resource_consent", "SELECT id FROM resource WHERE source_patient = ANY('{p1,p2}'::text[])"
     " AND section = 0 AND type = 'Consent'"),
    ("resource_labelled", "SELECT bit_or(labels) FROM resource WHERE source_patient = 'p1'"
     " AND labels <> 0"),
    ("resource_directory", "SELECT id FROM resource WHERE directory"
     " AND type IN ('Practitioner', 'Location', 'Organization')"),
)  # fmt: skip


@pytest.mark.parametrize(("index", "query"), DECISIONS)
def test_facts_are_found_by_index_also_under_row_level_security(
    two: PostgresStore, index: str, query: str
) -> None:
    with two.entered(everyone(two)) as conn:
        conn.execute("SET LOCAL enable_seqscan = off")
        plan = conn.execute(f"EXPLAIN {query}".encode()).fetchall()
    assert index in str(plan)
