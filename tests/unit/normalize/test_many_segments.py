"""What one segment of thousands costs must not grow with their number."""

from __future__ import annotations

import time

from chartloom.normalize.context import Instance
from chartloom.normalize.functions.numbers import reference_range


def test_a_role_nobody_has_is_looked_for_once_per_group_not_once_per_result() -> None:
    order = Instance("order", None)
    order.children = [Instance("result", order) for _ in range(10_000)]
    began_s = time.process_time()
    assert not any(result.refs("specimen") for result in order.children)
    assert time.process_time() - began_s < 1.0  # 10,000 looks at 10,000 results: over 3 s


def test_what_stands_beside_is_found_for_each() -> None:
    order = Instance("order", None)
    order.children = [Instance("result", order) for _ in range(3)]
    specimens = [Instance("specimen", order) for _ in range(2)]
    for number, specimen in enumerate(specimens):
        specimen.ids["specimen"] = ("Specimen", f"s{number}")
    order.children += specimens
    both = [{"reference": "Specimen/s0"}, {"reference": "Specimen/s1"}]
    assert [c.refs("specimen") for c in order.children] == [both] * 3 + [[both[0]], [both[1]]]


def test_a_reference_range_with_a_long_run_of_blanks_is_read_at_once() -> None:
    text = "3.5 - 5.0" + "\n" * 50_000 + "\x01"
    began_s = time.process_time()
    assert reference_range(text, None) == ({"text": text}, "")
    assert time.process_time() - began_s < 1.0
    assert set(reference_range("( 3.5 - 5.0 ) mmol/L", None)[0]) == {"low", "high", "text"}
