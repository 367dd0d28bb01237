"""A device that is told of without its patient, and with: one thing, in whatever order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.site import Site

from chartloom.domain.feed import Feed
from chartloom.domain.message import Arrival, Format, MessageState
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import PostgresStore

FEED = Feed("devices", "it", "it", "http", Format.FHIR, mapping="fhir")
OF_NOBODY = {"resourceType": "Device", "id": "pump", "serialNumber": "S1"}
OF_ANA = {**OF_NOBODY, "patient": {"reference": "Patient/ana"}}
ANA = {"resourceType": "Patient", "id": "ana", "name": [{"family": "Rivera"}]}


def heard(store: PostgresStore, told: tuple[tuple[int, dict[str, Any]], ...]) -> tuple[bool, str]:
    """(it is Ana's, whom it names) after the messages with these event times."""
    site = Site(store, store.clock, [FEED])
    for at_s, resource in told:
        meta = {"lastUpdated": f"2024-01-01T00:00:{at_s:02}Z"}
        body = json.dumps({**resource, "meta": meta}).encode()
        digest = hashlib.sha256(body).digest()
        store.land([Arrival("devices", body, store.clock.now_us() + at_s, digest)])
        while site.worker.run_once():
            pass
    rows = store.search(site.grant(), MessageFilter())
    assert {r.state for r in rows} == {MessageState.APPLIED}
    ids = {
        c["resourceType"]: c["id"]
        for r in rows
        for c in store.detail(site.grant(), r.position).resources
    }
    state = store.state(site.grant(), ids["Device"])
    assert state.resource["serialNumber"] == "S1"
    reference = state.resource.get("patient", {}).get("reference", "")
    return state.source_patient == ids["Patient"], reference.replace(ids["Patient"], "ana")


@pytest.mark.parametrize("told", [(OF_NOBODY, OF_ANA), (OF_ANA, OF_NOBODY)])
def test_a_device_belongs_to_its_patient_whatever_came_first(
    store_factory: Callable[..., PostgresStore], told: tuple[dict[str, Any], ...]
) -> None:
    messages = tuple(enumerate((ANA, *told)))
    found = {heard(store_factory(clock=FakeClock()), order) for order in permutations(messages)}
    assert found == {(True, "" if told[-1] is OF_NOBODY else "Patient/ana")}
