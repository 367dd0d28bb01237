"""The time at a bed is traced to the message that told it, not to one that named the bed later."""

from __future__ import annotations

from typing import Any

from chartloom.chart import merge
from chartloom.domain.resource import Contribution, ResourceState, Stamp
from chartloom.serve.elements import stamp_at


def test_the_period_of_a_place_is_traced_to_who_told_it() -> None:
    state: ResourceState | None = None
    where: dict[str, Any] = {"location": {"reference": "Location/icu"}, "status": "active"}
    for at, item in ((1, where | {"period": {"start": "2024-01-01"}}), (2, where)):
        resource = {"resourceType": "Encounter", "id": "e", "location": [item]}
        state = merge(state, Contribution(resource, "p"), Stamp(1, at, at))
    assert state is not None
    assert stamp_at(state, "location[0].period.start") == Stamp(1, 1, 1)
    assert stamp_at(state, "location[0].status") == Stamp(1, 2, 2)
