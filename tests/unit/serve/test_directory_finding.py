"""The finder of the directory answers what a look at every record would answer."""

from __future__ import annotations

import random

import pytest

from chartloom.registry.directory import Directory, DirectoryKind, directory_of, load_tables
from chartloom.serve.directory.book import matching
from chartloom.serve.directory.finding import Finder, finder_of, handle_of, names, sorting

PRACTITIONER = DirectoryKind.PRACTITIONER
FAMILIES = ("Ames", "Amesbury", "Berg", "Bergström", "O'Neil", "Da Silva")


@pytest.fixture(scope="module")
def directory() -> Directory:
    rng = random.Random(7)
    rows = [
        f"hr,E{n},N{n % 40},{rng.choice(FAMILIES)},{rng.choice(('Ada', 'Bo', 'Cy'))}"
        for n in range(60)
    ]
    table = "source,key,identifiers,family,given\n" + "\n".join(rows) + "\n"
    return directory_of(load_tables({"practitioners.csv": table.encode()}))


@pytest.mark.parametrize(
    "text",
    ["ames", "am", "ada ames", "BERG", "bo ber", "E7", "N3", "silva da", "zz", "", "  ", "'"],
)
def test_it_finds_what_a_look_at_all_finds(directory: Directory, text: str) -> None:
    finder = finder_of(directory)
    expected = sorted(matching(directory.golden, text), key=lambda g: (not g.active, sorting(g)))
    assert finder.matching(text) == expected
    assert finder.matching(text, PRACTITIONER) == expected
    assert finder.matching(text, DirectoryKind.LOCATION) == []


def test_it_is_made_once_for_a_directory(directory: Directory) -> None:
    assert finder_of(directory) is finder_of(directory)


def test_records_are_named_by_each_number_and_listed_once(directory: Directory) -> None:
    finder = Finder(directory)
    for g in directory.golden:
        for name in (*g.members, *g.identifiers):
            found = finder.record(handle_of(g.kind, name))
            assert found is not None
            assert name in (*found.members, *found.identifiers)  # some numbers are shared
    assert finder.record("0" * 16) is None
    assert len(finder.all) == finder.counts[PRACTITIONER] == len(directory.golden)
    words = {"ames", "ada"}
    alike = {g.id: n for n, g in finder.alike(words, PRACTITIONER)}
    assert alike == {g.id: len(words & names(g)) for g in directory.golden if words & names(g)}
    assert finder.alike(words, DirectoryKind.LOCATION) == []
