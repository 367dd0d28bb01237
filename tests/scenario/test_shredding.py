"""A person's keys are destroyed: nothing of the person can be read, everybody else is untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.support.site import ShiftedClock, Site, simulate

from chartloom.domain.errors import GrantRefused, LaneLost, NotFound
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.message import MessageState
from chartloom.domain.store import Batch, MessageFilter
from chartloom.engines.postgres import PostgresStore
from chartloom.guard import Guard
from chartloom.guard.audit import read_events, stream
from chartloom.guard.keys import FileKek


class Filled:
    """A site with a hospital's past, and one of its persons.

    old: it began before there were subject keys.
    """

    def __init__(self, factory: Any, *, old: bool = False) -> None:
        clock = ShiftedClock()
        self.store: PostgresStore = factory(clock=clock)
        self.broker = self.store.guard.broker
        if old:
            self.store.guard.use(None)
        self.factory = factory
        self.site = Site(self.store, clock)
        self.sent = simulate(self.site, patients=6, days=20)
        self.store.guard.use(self.broker)
        self.grant = self.site.grant()
        hits = self.store.recent_persons(self.grant, 50)
        self.gone = max((h.source_patients for h in hits), key=lambda g: len(self.messages_of(g)))

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.store.dsn) as conn:
            return conn.execute(
                sql.SQL("SELECT * FROM {} t ORDER BY t::text").format(sql.Identifier(table))
            ).fetchall()

    def schemes(self, table: str) -> set[int]:
        """How the person's bodies in a table are sealed."""
        query = "SELECT get_byte(body, 0) FROM {} WHERE source_patient = ANY (%s)"
        with psycopg.connect(self.store.dsn) as conn:
            statement = sql.SQL(query).format(sql.Identifier(table))
            return {row[0] for row in conn.execute(statement, (list(self.gone),)).fetchall()}

    def others(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row that is not about the person, of every table with patients."""
        found = {}
        with psycopg.connect(self.store.dsn) as conn:
            for (table,) in conn.execute(
                "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE a.attname = 'source_patient' AND c.relkind IN ('r', 'p')"
                " AND c.relnamespace = 'public'::regnamespace AND NOT c.relispartition"
            ).fetchall():
                query = "SELECT * FROM {} t WHERE source_patient <> ALL (%s) ORDER BY t::text"
                statement = sql.SQL(query).format(sql.Identifier(table))
                found[table] = conn.execute(statement, (list(self.gone),)).fetchall()
        return found

    def charts(self) -> dict[str, Any]:
        """What everybody else's chart shows."""
        with psycopg.connect(self.store.dsn) as conn:
            ids = [r[0] for r in conn.execute("SELECT source_patient FROM person").fetchall()]
        return {
            id: sorted(
                (v.key.section, v.key.part, v.key.labels, v.total, v.entries)
                for v in self.store.sections(self.grant, [id])
            ).__repr__()
            for id in ids
            if id not in self.gone
        }

    def messages_of_the_person(self) -> list[int]:
        return self.messages_of(self.gone)

    def messages_of(self, source_patients: tuple[str, ...]) -> list[int]:
        where = MessageFilter(source_patients=source_patients, limit=1000)
        return [row.position for row in self.store.search(self.grant, where)]

    def shred(self) -> dict[str, int]:
        broker = self.store.guard.broker
        assert broker is not None
        for subject in self.gone:
            broker.shred(subject, "staff-1", "patient-request")
        return self.store.erase(self.grant, self.gone)


@pytest.fixture
def filled(store_factory: Callable[..., PostgresStore]) -> Filled:
    return Filled(store_factory)


@pytest.fixture
def server_files(postgres_server: Any) -> Callable[[], Iterator[tuple[str, bytes]]]:
    """All files of the server, its log of changes included, after a checkpoint."""

    def files() -> Iterator[tuple[str, bytes]]:
        folder = getattr(postgres_server, "data_dir", None)
        if folder is None:
            pytest.skip("the files of a server that others run are not ours to read")
        with psycopg.connect(postgres_server.dsn, autocommit=True) as conn:
            conn.execute("CHECKPOINT")
            where = conn.execute("SHOW data_directory").fetchone()
        assert where is not None
        for path in Path(where[0]).rglob("*"):
            if path.is_file():
                yield str(path), path.read_bytes()

    return files


def words_of(bodies: list[bytes]) -> set[bytes]:
    """Names, numbers, addresses of the person: what PID and NK1 say, long enough to be telling."""
    found = set()
    for body in bodies:
        for segment in body.split(b"\r"):
            if segment[:3] in (b"PID", b"NK1"):
                for field in segment.split(b"|")[3:12]:
                    found |= {w for w in field.replace(b"~", b"^").split(b"^") if len(w) > 6}
    return found


def test_shredding_a_person(
    filled: Filled, server_files: Callable[[], Iterator[tuple[str, bytes]]]
) -> None:
    store, grant, gone = filled.store, filled.grant, filled.gone
    positions = filled.messages_of_the_person()
    bodies = [store.detail(grant, p).message.body for p in positions]
    secret = words_of(bodies)
    assert len(positions) > 5
    assert len(secret) > 3
    others, charts = filled.others(), filled.charts()
    state_id = store.timeline(grant, gone, limit=1)[0].state.id

    with pytest.raises(GrantRefused):
        store.erase(grant, gone)  # while the key is there
    removed = filled.shred()

    assert {"view", "resource", "identifier", "person"} <= set(removed)
    assert filled.others() == others, "somebody else's rows changed"
    assert filled.charts() == charts
    for id in gone:
        with pytest.raises(NotFound):
            store.person(grant, id)
    with pytest.raises(NotFound):
        store.state(grant, state_id)
    assert store.sections(grant, gone) == []
    assert store.timeline(grant, gone) == []
    for table in ("landing", "bundle"):
        mine = [r for r in filled.rows(table) if set(gone) & {x for x in r if isinstance(x, str)}]
        assert mine, table
        for row in mine:
            sealed = next(x for x in row[::-1] if isinstance(x, bytes) and len(x) > 29)
            with pytest.raises(SubjectShredded):
                store.guard.unseal(grant, next(s for s in gone if s in row), "x", "x", "1", sealed)
    for name, content in server_files():
        for word in secret:
            assert word not in content, f"plain text in {name}"


def test_everything_derived_anew_leaves_the_person_gone(filled: Filled) -> None:
    store, grant = filled.store, filled.grant
    charts = filled.charts()
    own = [
        p
        for p in filled.messages_of_the_person()
        if store.detail(grant, p).row.source_patient in filled.gone
    ]
    filled.shred()
    store.rebuild(grant)
    with pytest.raises(LaneLost):  # as a worker learns of it
        filled.site.apply()
    filled.site.apply()
    assert filled.charts() == charts
    for id in filled.gone:
        with pytest.raises(NotFound):
            store.person(grant, id)
    held = store.search(grant, MessageFilter(state=MessageState.QUARANTINED, limit=1000))
    assert {r.position for r in held if r.quarantine == "subject-shredded"} == set(own)
    for table in ("view", "resource", "identifier", "record_number", "person"):
        assert not [r for r in filled.rows(table) if set(filled.gone) & set(map(str, r))], table


def test_a_late_message_is_kept_and_nobody_can_read_it(filled: Filled) -> None:
    store, grant = filled.store, filled.grant
    first = min(filled.messages_of_the_person())
    detail = store.detail(grant, first)
    body = detail.message.body.replace(b"|P|2.5", b"X|P|2.5")
    filled.shred()
    [position] = filled.site.land(detail.row.feed, body)
    filled.site.apply()
    [row] = [
        r
        for r in store.search(grant, MessageFilter(state=MessageState.QUARANTINED, limit=1000))
        if r.position == position
    ]
    assert row.quarantine == "subject-shredded"
    [landed] = [r for r in filled.rows("landing") if r[0] == position]
    assert len(body) in landed
    with pytest.raises(NotFound):
        store.detail(grant, position)
    assert not [r for r in filled.rows("view") if set(filled.gone) & set(map(str, r))]


def test_a_key_destroyed_while_a_batch_is_under_way(filled: Filled, tmp_path: Path) -> None:
    """Another process, which holds the key and plain text in memory, writes nothing back."""
    store, factory = filled.store, filled.factory
    name = str(psycopg.conninfo.conninfo_to_dict(store.dsn)["dbname"])
    other_guard = Guard.open(factory.folder / f"keys-{name}", store.clock)
    other = factory.again(name, other_guard, clock=store.clock)
    other.use_subject_keys(FileKek(factory.folder / f"kek-{name}"))
    feeds, grant = filled.site.mappings, filled.grant
    first = min(filled.messages_of_the_person())
    detail = store.detail(grant, first)
    store.release("test")
    second = Site(other, store.clock, [f for f, _ in feeds.values()])
    bodies = [detail.message.body.replace(b"|P|2.5", b"%d|P|2.5" % n) for n in range(3)]
    second.land(detail.row.feed, bodies[0])
    second.apply()  # its caches know the person now
    second.land(detail.row.feed, bodies[1])
    commit, commits = other.commit, list[Batch]()

    def shred_first(batch: Batch) -> None:
        commits.append(batch)
        if len(commits) == 1:
            filled.shred()
        commit(batch)

    other.commit = shred_first
    second.apply()
    assert not commits[0].derived[0].quarantine
    assert [d.quarantine for d in commits[-1].derived] == ["subject-shredded"]
    for table in ("view", "resource", "identifier", "record_number", "person"):
        assert not [r for r in filled.rows(table) if set(filled.gone) & set(map(str, r))], table
    kept = other._revisions.kept_states._values.values()
    assert not [s for s, _, _ in kept if s.source_patient in filled.gone]


def test_every_batch_is_on_record_once(filled: Filled) -> None:
    """Positions and counts of the events are those of the messages, without gap or double."""
    log = filled.store.audit_log()
    batches = [e for e in read_events(stream(log)) if e.kind == "transform"]
    reported = sum(int(e.details["count"]) for e in batches)
    applied = len(filled.rows("outcome"))
    assert reported == applied > 20
    assert all(e.service and e.purpose == "HOPERAT" for e in batches)


def test_a_site_of_before_subject_keys(store_factory: Callable[..., PostgresStore]) -> None:
    """What it has opens; shredding overwrites what no destroyed key would make unreadable."""
    filled = Filled(store_factory, old=True)
    store, grant = filled.store, filled.grant
    own = [
        p
        for p in filled.messages_of_the_person()
        if store.detail(grant, p).row.source_patient in filled.gone
    ]
    assert filled.schemes("bundle") == filled.schemes("landing") == {1}
    charts = filled.charts()
    filled.shred()
    assert filled.charts() == charts
    for position in own:
        with pytest.raises(NotFound):
            store.detail(grant, position)
    for table in ("landing", "bundle"):
        assert filled.schemes(table) == {2}
