"""Charts of simulated lives, made by the real mapping, merge and views, without a store."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from chartloom.chart import ChartSummary, merge, place, rebuild_part, summary, view_key
from chartloom.domain.chart import PlacedState, ViewKey
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.issues import Severity
from chartloom.domain.message import Message
from chartloom.domain.resource import ResourceState, Stamp
from chartloom.normalize import load_mapping
from chartloom.simulate.therapies import SOURCES, Life, write

_MAPPINGS = {"hl7v2": load_mapping("hl7v2"), "fhir": load_mapping("fhir")}


def chart_of(life: Life, now_us: int) -> tuple[ChartSummary, dict[str, str]]:
    """(the person's chart at ``now_us``, resource id -> feed that spoke of it last)."""
    states: dict[str, ResourceState] = {}
    speakers: dict[str, str] = {}
    for position, happening in enumerate(life.happenings, start=1):
        body = write(happening, life.person)
        feed = SOURCES[happening.source]
        message = Message(position, feed.name, body, happening.at_us, hashlib.sha256(body).digest())
        derived = _MAPPINGS[feed.mapping].derive(message, feed, EXAMPLE_NAMESPACE)
        refused = [i.code for i in derived.issues if i.severity is Severity.ERROR]
        if derived.quarantine or refused:
            raise RuntimeError(f"a simulated message is refused: {derived.quarantine} {refused}")
        stamp = Stamp(1, derived.event_us, derived.position)
        for contribution in derived.contributions:
            if not contribution.directory:
                known = states.get(contribution.id)
                states[contribution.id] = merge(known, contribution, stamp)
                speakers[contribution.id] = feed.name
    rows: dict[ViewKey, list[PlacedState]] = defaultdict(list)
    for state in states.values():
        placed = place(state)
        if (key := view_key(placed)) is not None:
            rows[key].append(placed)
    views = [rebuild_part(key, placed) for key, placed in rows.items()]
    return summary(views, now_us), speakers
