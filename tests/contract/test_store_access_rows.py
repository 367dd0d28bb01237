"""What a grant opens: that person, those labels, and nothing else through any port."""

from __future__ import annotations

import psycopg
import pytest
from tests.support.guarded_store import begin, count
from tests.support.postgres import as_role

from chartloom.domain.access import Target
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Purpose
from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.protection_rules import Role

# With a grant for less


def test_a_grant_for_one_person_shows_that_person(
    filled: PostgresStore, owner: psycopg.Connection
) -> None:
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p1",), ("*",))
    with as_role(filled, Role.SERVE) as conn:
        begin(conn, filled, grant)
        named = "outcome bundle view person identifier record_number match_record membership"
        for table in named.split():
            query = f"SELECT DISTINCT source_patient FROM {table}"
            assert conn.execute(query.encode()).fetchall() in ([("p1",)], []), table
        found = conn.execute("SELECT id FROM resource ORDER BY id").fetchall()
        assert found == [("dr",), ("p1",)]  # what is about the hospital is open to any grant
        assert count(conn, "link") == 0  # it names p2 as well
        assert count(conn, "outbox") == 0
        assert count(conn, "match_key") == 0  # a key is anybody's


def test_labels_hide_what_the_grant_does_not_cover(
    filled: PostgresStore, owner: psycopg.Connection
) -> None:
    changed = ("resource", "outcome", "bundle", "view")
    for table in changed:
        statement = f"UPDATE {table} SET labels = 4 WHERE source_patient = 'p1'"
        owner.execute(statement.encode())
    whole = {t: count(owner, t) for t in changed}
    applied = count(owner, "outcome")
    for labels, all_there in ((("HIV",), True), (("PSY", "ETH"), False), ((), False)):
        grant = filled.guard.mint("tester", Purpose.TREATMENT, labels=labels)
        with as_role(filled, Role.SERVE) as conn:
            begin(conn, filled, grant)
            for table in changed:
                n = count(conn, table)
                assert (n == whole[table]) == all_there or whole[table] == 0, table
            # Never what waits (p3, and the one in retry), for nobody knows what it holds.
            landed = conn.execute("SELECT source_patient FROM landing").fetchall()
            assert {"p3"}.isdisjoint(row[0] for row in landed)
            assert (len(landed) == applied) == all_there
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p3",), ("*",))
    with as_role(filled, Role.SERVE) as conn:
        begin(conn, filled, grant)
        assert count(conn, "landing") == 1


def test_ports_answer_under_narrow_grants(filled: PostgresStore) -> None:
    """The store's own reads go through the same door."""
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p1",), ("*",))
    assert list(filled.states(grant, ["p1", "p2", "dr"])) == ["p1", "dr"]
    assert {v.key.source_patient for v in filled.sections(grant, ["p1", "p2"])} <= {"p1"}
    assert filled.person(grant, "p1").source_patients == ("p1",)
    rows = filled.search(grant, MessageFilter(state=MessageState.APPLIED))
    assert {r.source_patient for r in rows} == {"p1"}


def test_whom_a_resource_is_about(filled: PostgresStore) -> None:
    facts, grant = PostgresFacts(filled), filled.guard.mint("t", Purpose.OPERATIONS)
    assert facts.target_of_resource(grant, "p1") == Target(True, ("p1",))
    assert facts.target_of_resource(grant, "dr") == Target(True, ())  # about the hospital
    assert facts.target_of_resource(grant, "nothing") == Target(False)
    assert filled.person(grant, "p1").source_patients
    with pytest.raises(NotFound):
        filled.person(grant, "nobody")
    with pytest.raises(NotFound):
        filled.state(grant, "nothing")
