"""Packed arrays: what goes in comes out."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.engines.postgres import EmbeddedPostgres
from chartloom.engines.postgres.arrays import array, register

VALUES = {
    "bool": st.booleans(),
    "bytea": st.binary(max_size=20),
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
}


@pytest.fixture(scope="module")
def conn(postgres_server: EmbeddedPostgres) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server.dsn) as connection:
        register(connection.adapters)
        yield connection


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_arrays_round_trip(conn: psycopg.Connection, kind: str) -> None:
    @given(st.lists(VALUES[kind], max_size=8))
    @settings(max_examples=25, deadline=None)
    def check(values: list[object]) -> None:
        query = f"SELECT %b::{kind}[], cardinality(%b::{kind}[])"
        packed = array(kind, values)
        row = conn.execute(query.encode(), (packed, packed), binary=True).fetchone()
        assert row == (values, len(values))

    check()


@pytest.mark.parametrize(
    ("kind", "value"), [("int2", 2**15), ("int4", 2**31), ("int8", 2**63), ("text", "\ud800")]
)
def test_what_does_not_fit_is_refused(kind: str, value: object) -> None:
    with pytest.raises((struct.error, UnicodeEncodeError)):
        array(kind, [value])
