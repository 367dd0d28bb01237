"""Tables never break a word: what does not fit becomes a list."""

from __future__ import annotations

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console

from chartloom.cli.grid import Table

ID = "0123456789abcdef0123456789abcdef"
NAME = "RespiratoryTherapyDepartment"


def shown(table: Table, width: int) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def requests(**options: object) -> Table:
    table = Table("Request", "Reason", "Asked by", "State", **options)  # type: ignore[arg-type]
    table.add_row(ID, "the person asked for it and said why at length", NAME, "requested")
    return table


@pytest.mark.parametrize("width", [40, 60, 72, 80, 81, 90, 100, 132])
@pytest.mark.parametrize(
    "options", [{}, {"box": SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0)}]
)
def test_no_word_is_broken_at_any_width(width: int, options: dict[str, object]) -> None:
    text = shown(requests(**options), width)
    for word in (ID, NAME, "requested", "length"):
        assert word in text
    assert max(map(len, text.splitlines())) <= width


def test_what_fits_is_a_table_and_what_does_not_is_a_list_with_its_headings() -> None:
    wide, narrow = shown(requests(), 140), shown(requests(), 60)
    assert len([line for line in wide.splitlines() if ID in line and NAME in line]) == 1
    assert f"Request   {ID}" in narrow
    assert f"Asked by  {NAME}" in narrow


def test_rows_of_a_list_are_apart_and_empty_cells_are_left_out() -> None:
    table = requests(title="Asked", caption="All of them.")
    table.add_row(ID[::-1], "", NAME, "done")
    text = shown(table, 50)
    assert text.splitlines()[0].strip() == "Asked"
    assert text.splitlines()[-1].strip() == "All of them."
    assert text.count("Reason") == 1
    assert "\n\n" in "\n".join(line.rstrip() for line in text.splitlines())


def test_cells_are_words_in_a_list_as_well() -> None:
    table = Table("A", "B")
    table.add_row("[bold]x[/]" + "y" * 30, "z" * 30)
    assert "[bold]x[/]" in shown(table, 40)


def test_what_a_cut_column_holds_is_cut_where_it_says() -> None:
    table = Table("Field")
    table.add_column("Value", max_width=10, no_wrap=True)
    table.add_row("PID-5", "v" * 40)
    assert "v" * 9 + "…" in shown(table, 40)
