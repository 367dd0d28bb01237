"""Two statements of one message about one resource: a value and its extensions are one element."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.derive import PID, derive

from chartloom.chart import merge
from chartloom.domain.resource import Contribution, Stamp
from chartloom.normalize.joining import gone, joined

UNREAD = {"extension": [{"url": "urn:x", "valueString": "soon"}]}
DAY = "2024-01-05"


def said(
    weak: tuple[str, ...] = (), cleared: tuple[str, ...] = (), **elements: Any
) -> Contribution:
    """A statement about one order."""
    resource = {"resourceType": "ServiceRequest", "id": "o1", **elements}
    return Contribution(resource, "p", False, weak, cleared)


STRONG, STRONG_UNREAD = said(authoredOn=DAY), said(_authoredOn=UNREAD)
WEAK, WEAK_UNREAD = (
    said(("authoredOn",), authoredOn="2024-02-01"),
    said(("authoredOn",), _authoredOn=UNREAD),
)


@pytest.mark.parametrize(("default", "source"), [(WEAK, STRONG_UNREAD), (WEAK_UNREAD, STRONG)])
def test_a_default_never_mixes_with_what_the_source_said(
    default: Contribution, source: Contribution
) -> None:
    for both in (joined(default, source), joined(source, default)):
        assert both.resource == source.resource
        assert both.weak == ()


def test_the_later_one_wins_with_its_extensions() -> None:
    assert joined(STRONG, STRONG_UNREAD).resource == STRONG_UNREAD.resource
    assert joined(STRONG_UNREAD, STRONG).resource == STRONG.resource
    assert joined(WEAK, WEAK_UNREAD).resource == WEAK.resource  # a default never replaces anything


def test_cleared_is_gone_with_its_extensions() -> None:
    nothing = said(cleared=("authoredOn",))
    assert joined(STRONG_UNREAD, nothing).resource == nothing.resource
    assert joined(nothing, STRONG_UNREAD).cleared == ()
    assert gone(["authoredOn", "=code", "status"], STRONG_UNREAD.resource) == ("code", "status")


def test_an_unreadable_default_stays_a_default_in_the_state() -> None:
    """Whoever said it properly, before or after, keeps the element."""
    orders = [
        derive(
            "ORM^O01",
            PID,
            f"ORC|{code}|P1^HIS|F1^LAB||||||{time}",
            "OBR|1|P1^HIS|F1^LAB|24331-1^L^LN",
        )
        for code, time in (("NW", "20240105"), ("SC", "soon"))
    ]
    new, changed = (next(c for c in d.contributions if c.type == "ServiceRequest") for d in orders)
    assert "authoredOn" in changed.weak
    assert "authoredOn" not in changed.resource
    assert "_authoredOn" in changed.resource
    first, then = Stamp(1, 1, 1), Stamp(1, 2, 2)
    for a, b in (((new, first), (changed, then)), ((changed, then), (new, first))):
        state = merge(merge(None, *a), *b)
        assert state.resource["authoredOn"] == DAY
        assert "_authoredOn" not in state.resource
