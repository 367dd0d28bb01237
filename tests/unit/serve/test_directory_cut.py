"""What messages name and nobody knows is read up to a bound, and the book says when it is cut."""

from __future__ import annotations

import pytest

from chartloom.domain.directory import Unknown, UnknownReference
from chartloom.registry.directory import directory_of, load_tables
from chartloom.registry.formulary import builtin_formulary
from chartloom.serve.directory.book import UNKNOWN_MAX, Book


@pytest.mark.parametrize("count", [0, UNKNOWN_MAX - 1, UNKNOWN_MAX])
def test_a_book_that_is_cut_says_so(count: int) -> None:
    one = UnknownReference("adt", Unknown("Practitioner", "1", "urn:id:H|D1", "Who"), 1, 1, 1)
    tables = load_tables({})
    book = Book([], tables, directory_of(tables), builtin_formulary(), [one] * count, 0)
    assert book.is_cut is (count == UNKNOWN_MAX)
