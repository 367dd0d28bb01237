"""Which lines of a reconciled list are shown first, asked about, and may be decided by whom."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.chart.reconcile import ListKind
from chartloom.domain.decisions import STATUSES
from chartloom.domain.grant import Purpose
from chartloom.serve.lists.pages import _may_decide
from chartloom.serve.lists.shown import _CURRENT, ShownLine, ShownList, _sensible

FRESH, STALE = SimpleNamespace(stale=False, said="x"), SimpleNamespace(stale=True, said="x")


def line(status: str = "active", **more: Any) -> Any:
    found: dict[str, Any] = {"status": status, "decided": None, "discrepancies": (), "detail": {}}
    return SimpleNamespace(**(found | more))


def shown_line(of: Any) -> ShownLine:
    return ShownLine(of, "", "", "", (), (), (), (), "", (), "", "")


def test_what_holds_or_may_hold_is_shown_at_first() -> None:
    for status in _CURRENT:
        assert shown_line(line(status)).current
    assert not shown_line(line("refuted")).current


@pytest.mark.parametrize(
    ("of", "asked"),
    [
        (line("active"), False),
        (line("unknown"), True),
        (line("active", discrepancies=("dose",)), True),
        (line("unknown", decided=FRESH), False),
        (line("active", discrepancies=("dose",), decided=FRESH), False),
        (line("active", discrepancies=("dose",), decided=STALE), True),
        (line("active", decided=STALE), False),
    ],
)
def test_what_differs_or_is_unknown_is_asked_about_until_it_is_decided(
    of: Any, asked: bool
) -> None:
    assert shown_line(of).check is asked


def test_only_medications_stand_under_headings() -> None:
    grouped = {k for k in ListKind if ShownList(k, (), (), "", "").grouped}
    assert grouped == {ListKind.MEDICATIONS}


def test_what_was_said_is_not_offered_again_and_what_makes_no_sense_never() -> None:
    kind = ListKind.ALLERGIES
    known = set(STATUSES[kind])
    assert {s for s in (*known, "explode") if _sensible(kind, line(), s)} == known
    said = next(iter(known))
    again = SimpleNamespace(stale=False, said=said)
    assert not _sensible(kind, line(decided=again), said)
    assert _sensible(kind, line(decided=SimpleNamespace(stale=True, said=said)), said)
    none = line(detail={"substance": "none"})
    assert {s for s in known if _sensible(kind, none, s)} == known & {"confirmed", "inactive"}


@pytest.mark.parametrize(
    ("log", "permit", "may"),
    [
        (object(), SimpleNamespace(purpose=Purpose.TREATMENT), True),
        (None, SimpleNamespace(purpose=Purpose.TREATMENT), False),
        (object(), None, False),
        (object(), SimpleNamespace(purpose=Purpose.OPERATIONS), False),
    ],
)
def test_buttons_are_for_who_reads_for_treatment(log: Any, permit: Any, may: bool) -> None:
    console: Any = SimpleNamespace(doors=SimpleNamespace(lists=SimpleNamespace(log=log)))
    request: Any = SimpleNamespace(scope={"chartloom.permit": permit})
    assert _may_decide(console, request) is may
