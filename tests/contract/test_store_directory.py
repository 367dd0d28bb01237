"""The directory in the store: words that survive a rebuild, what nobody knows, earlier tables."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from tests.support.identity_house import admission
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

from chartloom.domain.directory import Unknown
from chartloom.domain.errors import GrantRefused, LaneLost, NotFound
from chartloom.domain.grant import Purpose
from chartloom.hot import Worker
from chartloom.normalize import ResolvingMapping
from chartloom.normalize.steward import arrival, directory_word, word_in
from chartloom.registry.directory import PRACTITIONER_UNRESOLVED, About, Said, Word, load_directory

TABLES = {"practitioners.csv": b"source,key,identifiers,family,given\nhr,E1,D2,Two,Dr\n"}
PERSON = ("SGH", "P1", "Ostrander^Jonathan", "19710412", "M", "", "", "", "", "")


@pytest.fixture
def site(postgres_server, tmp_path_factory) -> Iterator[Site]:  # type: ignore[no-untyped-def]
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("directory"))
    clock = ShiftedClock()
    made = Site(factory(clock=clock), clock)
    directory = load_directory(TABLES)
    made.mappings = {
        name: (feed, mapping if feed.internal else ResolvingMapping(mapping, directory))
        for name, (feed, mapping) in made.mappings.items()
    }
    made.worker = Worker(
        made.store, made.mappings, made.namespace, clock, made.grant, "test", 64, 500
    )
    yield made
    factory.close()


def say(site: Site, said: Said, at_us: int) -> Word:
    about = About(PRACTITIONER_UNRESOLVED, "Practitioner", "", ("urn:id:H|D1",))
    word = Word(about, said, "user:lena", at_us, text="hr|E1" if said is Said.SAME else "")
    site.store.land([arrival(directory_word(word), "", at_us)])
    return word


def again(site: Site) -> None:
    """Rebuilds, and applies everything once more."""
    site.store.rebuild(site.grant())
    assert site.store.directory_words(site.grant()) == []
    assert site.store.unknown_references(site.grant()) == []
    with pytest.raises(LaneLost):  # by which the worker notices
        site.apply()
    site.apply()


def test_words_come_back_and_survive_a_rebuild(site: Site) -> None:
    now_us = site.clock.now_us()
    said = [say(site, Said.SAME, now_us), say(site, Said.WITHDRAW, now_us + 1)]
    assert site.store.directory_words(site.grant()) == []
    assert site.apply() == 2
    found = [word_in(r) for r in site.store.directory_words(site.grant())]
    assert sorted(w.said_us for w in found if w) == [w.said_us for w in said]
    assert set(found) == set(said)
    again(site)
    assert {word_in(r) for r in site.store.directory_words(site.grant())} == set(said)


def test_what_nobody_knows_is_counted_by_feed_and_again_after_a_rebuild(site: Site) -> None:
    site.land("adt", *(admission(f"U{i}", PERSON, i, doctor="D3") for i in range(3)))
    site.apply()

    def named() -> dict[str, tuple[str, int]]:
        found = site.store.unknown_references(site.grant())
        return {u.unknown.number: (u.feed, u.count) for u in found}

    before = named()
    assert before["urn:id:H|D3"] == ("adt", 3)
    assert before["urn:id:H|D1"] == ("adt", 3)
    (one,) = (
        u for u in site.store.unknown_references(site.grant()) if u.unknown.number.endswith("D3")
    )
    assert one.first_position < one.last_position
    assert one.unknown == Unknown("Practitioner", one.unknown.id, "urn:id:H|D3", "Dr Who")
    site.land("adt", admission("U9", PERSON, 9, doctor="D2"))
    site.apply()
    assert not any(number.endswith("D2") for number in named()), "the tables know D2"
    again(site)
    assert named()["urn:id:H|D3"] == ("adt", 3)


def test_a_feed_that_names_ever_new_things_is_bounded(site: Site) -> None:
    site.land("adt", admission("B1", PERSON, 1, doctor="D3"))
    site.apply()
    with psycopg.connect(site.store.dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO unknown_reference SELECT 1, 1, 1, 0, 'adt', 'Practitioner', "
            "'filler-' || n, '' FROM generate_series(1, 20000) n"
        )
        site.land("adt", admission("B2", PERSON, 2, doctor="D3"))
        site.land("adt", admission("B3", PERSON, 3, doctor="D7"))
        site.apply()
        named = conn.execute(
            "SELECT count(*), sum(count)::int FROM unknown_reference WHERE id NOT LIKE 'filler-%'"
        ).fetchall()
        before = named[0][0]
        conn.execute("DELETE FROM unknown_reference WHERE id LIKE 'filler-%'")
        known = {u.unknown.number: u.count for u in site.store.unknown_references(site.grant())}
        assert known["urn:id:H|D3"] == 2, "what is there is counted on"
        assert "urn:id:H|D7" not in known
        site.land("adt", admission("B4", PERSON, 4, doctor="D7"))
        site.apply()
        after = conn.execute("SELECT count(*) FROM unknown_reference").fetchall()
    assert after[0][0] > before


def test_tables_are_kept_as_they_were(site: Site) -> None:
    site.store.save_directory("one", TABLES)
    site.clock.shift_us += 1_000_000
    site.store.save_directory("two", {})
    site.store.save_directory("one", {"other.csv": b""})
    versions = site.store.directory_versions(site.grant())
    assert [v.fingerprint for v in versions] == ["two", "one"]
    assert site.store.directory_files(site.grant(), "one") == TABLES
    with pytest.raises(NotFound):
        site.store.directory_files(site.grant(), "three")


def test_a_grant_that_does_not_hold_opens_nothing(site: Site) -> None:
    site.store.save_directory("one", TABLES)
    grant = site.guard.mint("somebody", Purpose.OPERATIONS, ("nobody",), (), ttl_s=0.0)
    for ask in (
        site.store.directory_words,
        site.store.unknown_references,
        site.store.directory_versions,
        lambda g: site.store.directory_files(g, "one"),
    ):
        with pytest.raises(GrantRefused):
            ask(grant)
    narrow = site.guard.mint("somebody", Purpose.OPERATIONS, (), ())
    assert site.store.directory_files(narrow, "one") == TABLES, "it is about nobody"
