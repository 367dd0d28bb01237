"""k-anonymity and l-diversity against a plain count."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chartloom.guard.deid import k_report, quasi_identifiers

ROWS = [
    {"gender": "f", "zip": "021", "dx": "a"},
    {"gender": "f", "zip": "021", "dx": "b"},
    {"gender": "f", "zip": "021", "dx": "a"},
    {"gender": "m", "zip": "021", "dx": "a"},
    {"gender": "m", "zip": "021", "dx": "a"},
    {"gender": "m", "dx": "a"},
]


def test_small_groups_are_suppressed() -> None:
    report = k_report(ROWS, ["gender", "zip"], k=2)
    assert (report.k, report.classes, report.smallest_before) == (2, 2, 1)
    assert report.suppressed == (5,)
    assert k_report(ROWS, ["gender", "zip"], k=4).suppressed == tuple(range(6))


def test_groups_without_variety_are_suppressed() -> None:
    report = k_report(ROWS, ["gender", "zip"], "dx", k=2, l=2)
    assert (report.k, report.l, report.suppressed) == (3, 2, (3, 4, 5))


def test_nothing_and_nonsense() -> None:
    assert k_report([], ["x"]).k == 0
    for wrong in ({"k": 0}, {"l": 0}, {"l": 2}):
        with pytest.raises(ValueError, match="l"):
            k_report(ROWS, ["x"], **wrong)


_ROW = st.fixed_dictionaries({n: st.sampled_from("ab") for n in ("q", "r", "s")})


@given(st.lists(_ROW, max_size=30), st.integers(1, 5), st.integers(1, 2))
def test_what_stays_holds_the_promise(rows: list[dict[str, str]], k: int, l: int) -> None:  # noqa: E741
    report = k_report(rows, ["q", "r"], "s", k=k, l=l)
    out = set(report.suppressed)
    stay = [r for i, r in enumerate(rows) if i not in out]
    sizes = Counter((r["q"], r["r"]) for r in stay)
    assert all(n >= k for n in sizes.values())
    assert report.k == min(sizes.values(), default=0)
    assert all(len({r["s"] for r in stay if (r["q"], r["r"]) == g}) >= l for g in sizes)
    everyone = Counter((r["q"], r["r"]) for r in rows)
    assert all(sizes[g] in (0, n) for g, n in everyone.items()), "groups stay or go whole"
    for group, n in everyone.items():
        variety = {r["s"] for r in rows if (r["q"], r["r"]) == group}
        assert bool(sizes[group]) == (n >= k and len(variety) >= l)


def test_quasi_identifiers() -> None:
    patient = {
        "gender": "male",
        "birthDate": "1980",
        "address": [{"state": "MA", "postalCode": "021"}],
        "deceasedDateTime": "2024",
    }
    assert quasi_identifiers(patient) == {
        "gender": "male", "birth_year": "1980", "state": "MA", "zip": "021", "dead": "true",
    }  # fmt: skip
    assert set(quasi_identifiers({}).values()) == {""}
