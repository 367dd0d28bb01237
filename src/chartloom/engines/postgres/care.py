"""Who cares for whom, and labels of persons, as the store keeps them: what access is decided from.

Rows are written with the resources they follow from (``commit``). ``who`` is what the resource
names; that a bed is in a ward is added when it is asked for (``chart.relations.upwards``), since
the directory may learn it later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from chartloom.chart.relations import below, upwards
from chartloom.domain.access import Relation, RelationKind
from chartloom.engines.postgres import held
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.bulk import Table
from chartloom.engines.postgres.calls import Statement, Step
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.lookups import look

#: What the worker writes.
CARE: Final = Table(
    "care",
    (
        ("start_us", "int8"),
        ("end_us", "int8"),
        ("resource_id", "text"),
        ("source_patient", "text"),
        ("who", "text"),
        ("kind", "text"),
    ),
)

_OF: Final = Statement(
    "care_of",
    """
    SELECT source_patient, who, kind, start_us, end_us FROM care
    WHERE source_patient = ANY($1)""",
    ("text[]",),
)
_OF_HELD: Final = f"""
    SELECT source_patient, who, kind, start_us, end_us FROM {held.CARE} c
    WHERE source_patient = ANY(%b::text[])"""  # noqa: S608 - a constant
_TO: Final = """
    SELECT source_patient, who, kind, start_us, end_us FROM {care} c
    WHERE who = ANY(%b::text[])
        AND start_us < %s AND (end_us = 0 OR end_us >= %s)
    ORDER BY start_us DESC LIMIT %s"""
#: By whether something is held.
_CARE: Final = {False: "care", True: held.CARE}

#: More relations than this of one place or person are cut, the oldest first.
RELATED_MAX: Final = 100_000
_FOREVER_US: Final = 1 << 62


_Masks = dict[str, tuple[int, int]]


def known_of(
    conn: Connection,
    source_patients: Sequence[str],
    parents: Mapping[str, str],
    *,
    holding: bool,
) -> tuple[tuple[Relation, ...], _Masks]:
    """:func:`relations_of` and :func:`labels_of_persons`, in one round trip if nothing is held.
    holding: what ``held.is_holding`` said in this transaction."""
    if holding:
        return (
            relations_of(conn, source_patients, parents, holding=True),
            labels_of_persons(conn, source_patients, holding=True),
        )
    care, labels = look(conn, _of(_OF, source_patients), _of(held.LABELS_PLAIN, source_patients))
    return upwards(map(_relation, care), parents), _masks(labels)


def _of(statement: Statement, source_patients: Sequence[str]) -> Step:
    return statement, (packed("text", source_patients),)


def relations_of(
    conn: Connection,
    source_patients: Sequence[str],
    parents: Mapping[str, str],
    *,
    holding: bool | None = None,
) -> tuple[Relation, ...]:
    """All relations of these source patients, whenever they were, also to wards of beds. holding:
    what ``held.is_holding`` said in this transaction, if it was asked."""
    if held.is_holding(conn) if holding is None else holding:
        rows = conn.execute(_OF_HELD, (list(source_patients),), binary=True).fetchall()
    else:
        (rows,) = look(conn, _of(_OF, source_patients))
    return upwards(map(_relation, rows), parents)


def patients_of(
    conn: Connection,
    who: Sequence[str],
    parents: Mapping[str, str],
    *,
    from_us: int = 0,
    until_us: int = _FOREVER_US,
    limit: int = RELATED_MAX,
) -> tuple[Relation, ...]:
    """Relations to any of ``who`` (or to what is part of it) that were within a window, sorted."""
    wanted = frozenset(who)
    asked = (sorted(below(wanted, parents)), until_us, from_us, limit)
    query = _TO.format(care=_CARE[held.is_holding(conn)])
    rows = conn.execute(query, asked, binary=True).fetchall()
    return tuple(r for r in upwards(map(_relation, rows), parents) if r.who in wanted)


def labels_of_persons(
    conn: Connection, source_patients: Sequence[str], *, holding: bool | None = None
) -> _Masks:
    """Source patient -> mask of the person's labels, and of those of the data there is."""
    if held.is_holding(conn) if holding is None else holding:
        rows = conn.execute(held.LABELS, (list(source_patients),), binary=True).fetchall()
    else:
        (rows,) = look(conn, _of(held.LABELS_PLAIN, source_patients))
    return _masks(rows)


def _masks(rows: Sequence[tuple[Any, ...]]) -> _Masks:
    return {patient: (person, data) for patient, person, data in rows}


def _relation(row: tuple[Any, ...]) -> Relation:
    patient, who, kind, start_us, end_us = row
    return Relation(patient, who, RelationKind(kind), start_us, end_us)
