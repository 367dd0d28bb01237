"""Weekly increments of NPPES and the list of deactivated NPIs, put into rows taken before."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from tests.support.derive import FEED, PID, message, text

from chartloom.cli import nppes
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.normalize import ResolvingMapping, load_mapping
from chartloom.registry.directory import load_directory, merge_ended, merge_week, rows_held

HEADER = (
    '"NPI","Entity Type Code","Provider Last Name (Legal Name)","Provider First Name",'
    '"Last Update Date","NPI Deactivation Date","NPI Reactivation Date"'
)
ANN, BEA, CLEO = "1234567893", "1245319599", "1679576722"
FULL = [
    HEADER,
    f'"{ANN}","1","OKAFOR","NGOZI","05/23/2025","",""',
    f'"{BEA}","1","MARSH","BEA","01/02/2020","",""',
]
WEEK = [
    HEADER,
    f'"{ANN}","1","OKAFOR-LEE","NGOZI","06/01/2026","",""',
    f'"{CLEO}","1","TIDE","CLEO","06/02/2026","",""',
    '"1000000004","1","ELSE","BODY","06/02/2026","",""',
]
LATER = [HEADER, f'"{ANN}","1","LEE","NGOZI","07/01/2026","",""']
ENDED = ["NPPES Deactivated NPI Report,", "NPI,NPPES Deactivation Date", f"{BEA},03/04/2026"]
BACK = [HEADER, f'"{BEA}","1","MARSH","BEA","05/05/2026","03/04/2026","05/05/2026"']
KNOWN = {ANN, BEA, CLEO}


def merged(*increments: list[str]) -> dict[str, dict[str, str]]:
    header, rows = rows_held("nppes.csv", FULL)
    for lines in increments:
        merge = merge_ended if lines is ENDED else merge_week
        header, rows, *_ = merge(header, rows, "week.csv", lines, KNOWN)
    return rows


def test_the_later_row_of_an_npi_counts_whatever_the_order() -> None:
    first = merged(WEEK, LATER, ENDED)
    assert first[ANN]["Provider Last Name (Legal Name)"] == "LEE"
    assert first[CLEO]["Provider First Name"] == "CLEO"
    assert first[BEA]["NPI Deactivation Date"] == "03/04/2026"
    assert first[BEA]["Provider Last Name (Legal Name)"] == "MARSH"
    assert set(first) == KNOWN
    for order in itertools.permutations((WEEK, LATER, ENDED)):
        assert merged(*order, *order) == first


@pytest.mark.parametrize("day", ["01/02/2020", "02/01/2026", "03/04/2026"])
def test_who_was_deactivated_stays_so_whatever_came_before_it_is_put_in_later(day: str) -> None:
    week = [HEADER, f'"{BEA}","1","MARSH-X","BEA","{day}","",""']
    for order in ((week, ENDED), (ENDED, week), (ENDED, week, week), (week, ENDED, week)):
        row = merged(*order)[BEA]
        assert row["NPI Deactivation Date"] == "03/04/2026", order
        assert row["Provider Last Name (Legal Name)"] == "MARSH-X"
    after = [HEADER, f'"{BEA}","1","MARSH","BEA","03/05/2026","",""']
    assert merged(ENDED, after)[BEA]["NPI Deactivation Date"] == ""
    assert merged(ENDED, BACK)[BEA]["NPI Reactivation Date"] == "05/05/2026"


def test_what_is_changed_is_counted() -> None:
    header, rows = rows_held("nppes.csv", FULL)
    week = merge_week(header, rows, "week.csv", WEEK, KNOWN)
    assert (week.read, week.new, week.changed, week.ended) == (3, 1, 1, 0)
    ended = merge_ended(header, rows, "ended.csv", ENDED, KNOWN)
    assert (ended.read, ended.new, ended.changed, ended.ended) == (1, 0, 0, 1)
    again = merge_ended(header, ended.rows, "ended.csv", ENDED, KNOWN)
    assert (again.new, again.ended) == (0, 0)


@pytest.mark.parametrize(
    ("lines", "merge"), [(["a,b", "1,2"], merge_ended), (["a,b", "1,2"], merge_week)]
)
def test_what_is_neither_is_refused(lines: list[str], merge: object) -> None:
    header, rows = rows_held("nppes.csv", FULL)
    with pytest.raises(ConfigurationError):
        merge(header, rows, "x.csv", lines, KNOWN)  # type: ignore[operator]


def site(tmp_path: Path) -> Path:
    """The folder with tables of a site, rows taken already."""
    tables = tmp_path / "registry" / "directory"
    tables.mkdir(parents=True)
    (tables / "nppes.csv").write_text("\n".join(FULL) + "\n", encoding="utf-8")
    for name, lines in (("week", WEEK), ("ended", ENDED), ("back", BACK)):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tables / "nppes.csv"


def codes(table: Path, day: str, npi: str = BEA) -> list[str]:
    directory = load_directory({"nppes.csv": table.read_bytes()})
    mapping = ResolvingMapping(load_mapping("hl7v2"), directory)
    place = f"PV1|1|I|4W||||{npi}^Marsh^Bea^^^^^^&2.16.840.1.113883.4.6&ISO^^^^NPI||||||||||||V1"
    one = message(text("ADT^A01", f"EVN|A01|{day}101500", PID, place))
    derived = mapping.derive(one, FEED, EXAMPLE_NAMESPACE)
    assert mapping.derive(one, FEED, EXAMPLE_NAMESPACE) == derived
    return [i.code for i in derived.issues if i.code.startswith(("npi", "practitioner"))]


def test_who_is_named_by_a_deactivated_npi_is_an_issue(tmp_path: Path) -> None:
    table = site(tmp_path)
    assert codes(table, "20260401") == []
    nppes._merge(tmp_path / "ended.csv", table, KNOWN)
    assert codes(table, "20260401") == ["npi-deactivated"]
    assert codes(table, "20260303") == []  # it was in force then
    assert codes(table, "20260401", ANN) == []
    nppes._merge(tmp_path / "back.csv", table, KNOWN)
    assert codes(table, "20260601") == []


def test_an_increment_wants_something_to_be_put_into(tmp_path: Path) -> None:
    table = site(tmp_path)
    nppes._merge(tmp_path / "week.csv", table, KNOWN)
    assert codes(table, "20260401", CLEO) == []
    with pytest.raises(ConfigurationError, match="nothing to put"):
        nppes._merge(tmp_path / "week.csv", tmp_path / "none.csv", KNOWN)
