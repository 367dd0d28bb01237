"""Lists for any chart: no order of entries matters, nothing disappears, nothing makes them fail."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.lists import (
    NOW_US,
    allergy,
    chart,
    doses,
    entries_behind,
    ids_of,
    order,
    problem,
    results,
    visit,
)

from chartloom.chart.reconcile import (
    ReconciledList,
    Role,
    reconcile_allergies,
    reconcile_problems,
    reconcile_results,
    sentences,
)
from chartloom.chart.reconcile.rules import builtin_rules

RULES = builtin_rules()
LISTS = (reconcile_allergies, reconcile_problems, reconcile_results)

DAYS = st.sampled_from(["2020-02-03", "2025-01-01", "2025-06-01", "2026-05-20", ""])
OWNERS = st.sampled_from(["house", "clinic", "lab"])
HOSTILE = st.text(max_size=12) | st.sampled_from(
    ["0" * 400, "\u202e<b>", "\x00", "no known", "1e400"]
)
SUBSTANCES = st.sampled_from(
    ["Peanut", "Penicillin G", "Penicillins", "Amoxicillin", "NKA", "NKDA", "Moon dust"]
)
CODES = st.sampled_from(
    ["I10", "E11.9", "J45.40", "J06.9", "Z00.0", "Z85.3", "Q21.0", "sct|38341003"]
)


@st.composite
def allergies(draw: st.DrawFn, id: str) -> dict[str, Any]:
    text = draw(SUBSTANCES | HOSTILE)
    return allergy(
        id, text, draw(DAYS), owner=draw(OWNERS), said=draw(DAYS),
        status=draw(st.sampled_from(["active", "inactive", "resolved"]) | HOSTILE),
        verification=draw(st.sampled_from(["confirmed", "unconfirmed", "refuted"]) | HOSTILE),
        criticality=draw(st.sampled_from(["high", "low", "unable-to-assess"])),
        reactions=draw(st.lists(st.fixed_dictionaries({"text": HOSTILE}), max_size=2)),
    )  # fmt: skip


@st.composite
def problems(draw: st.DrawFn, id: str) -> dict[str, Any]:
    more = draw(
        st.sampled_from(
            [{}, {"status": "resolved"}, {"verification": "refuted"}, {"abated": "2025-03-01"},
             {"verification": "provisional"}, {"encounter": "Encounter/v1"}]
        )
    )  # fmt: skip
    category = draw(st.sampled_from(["problem-list-item", "encounter-diagnosis", "billing", "x"]))
    return problem(
        id, draw(CODES | HOSTILE), draw(DAYS), owner=draw(OWNERS), said=draw(DAYS),
        category=category, text=draw(HOSTILE), **more,
    )  # fmt: skip


@st.composite
def measured(draw: st.DrawFn, id: str) -> dict[str, Any]:
    values = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["2026-01-02T08:00:00Z", "2026-01-02T08:00:40Z", "2025-01-02"]),
                st.sampled_from(["90", "5.0", "7.1", "-1", "0"]) | HOSTILE,
            ),
            min_size=1, max_size=3,
        )
    )  # fmt: skip
    values.sort(key=lambda one: one[0], reverse=True)
    return results(
        id, draw(st.sampled_from(["2345-7", "14749-6", "4548-4", "2350-7", ""])),
        draw(st.sampled_from(["mg/dL", "mmol/L", "%", "furlongs", ""])), *values,
        owner=draw(OWNERS), kind=draw(st.sampled_from(["quantity", "text"])),
        text=draw(st.sampled_from(["Glucose", "Peanut oral challenge"]) | HOSTILE),
    )  # fmt: skip


@st.composite
def charts(draw: st.DrawFn) -> list[dict[str, Any]]:
    entries = [
        visit("v1", "IMP"),
        order("o", "Metformin 500 mg"),
        doses("m", "Amoxicillin", "2026-01-01"),
    ]
    for kind, name in ((allergies, "a"), (problems, "p"), (measured, "r")):
        entries += [draw(kind(f"{name}{n}")) for n in range(draw(st.integers(0, 4)))]
    return entries


def made(entries: list[dict[str, Any]]) -> list[ReconciledList]:
    return [make(chart(*entries), RULES, NOW_US) for make in LISTS]


@given(charts().flatmap(lambda entries: st.tuples(st.just(entries), st.permutations(entries))))
@settings(max_examples=60, deadline=None)
def test_the_order_of_entries_changes_nothing(
    both: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    one, other = made(both[0]), made(both[1])
    assert msgspec.json.encode(one) == msgspec.json.encode(other)


@given(charts())
@settings(max_examples=60, deadline=None)
def test_nothing_disappears_and_everything_has_words(entries: list[dict[str, Any]]) -> None:
    lists = made(entries)
    for told, kind in zip(lists, ("AllergyIntolerance", "Condition", "Observation"), strict=True):
        mine = [e for e in entries if e["type"] == kind]
        assert ids_of(mine) <= entries_behind(told)
        known = sentences(told.kind)
        for line in told.lines:
            assert (Role.REASON, line.reason) in known
            assert all((Role.BECAUSE, code) in known for code in line.because)
            assert all((Role.DISCREPANCY, d.code) in known for d in line.discrepancies)
            assert all((Role.SAYS, f.says) in known for f in line.facts)
            assert set(line.sources) <= {f.source for f in line.facts} | {"house", "clinic", "lab"}
        assert len({line.key for line in told.lines}) == len(told.lines)
        assert all(len(line.key) <= 300 for line in told.lines), "they stand in decisions"


@given(charts())
@settings(max_examples=40, deadline=None)
def test_nothing_is_active_that_only_bills_suspicion_or_results_name_once(
    entries: list[dict[str, Any]],
) -> None:
    for line in made(entries)[1].lines:
        says = {f.says for f in line.facts}
        if line.status == "active" and says <= {"billed", "suspected", "result", "refuted"}:
            assert line.reason in ("billed-and-supported", "billed-repeatedly")
