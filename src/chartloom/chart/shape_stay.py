"""Stays: where they took place and who had a part in them, as a chart shows them."""

from __future__ import annotations

from typing import Any, Final

from chartloom.chart.elements import drop_empty, first, named, plain_code, text_of, texts_of
from chartloom.chart.merge import stamp_of
from chartloom.domain.resource import ResourceState, Stamp

_Json = dict[str, Any]


def encounter(r: _Json) -> _Json:
    """A stay or visit with its places and people."""
    period = r.get("period", {})
    hospitalization = r.get("hospitalization", {})
    return {
        "status": r.get("status"),
        "class": r.get("class", {}).get("code"),
        "text": text_of(first(r.get("type"))) or r.get("class", {}).get("display"),
        "service": text_of(r.get("serviceType")),
        "start": period.get("start"),
        "end": period.get("end"),
        "reason": texts_of(r.get("reasonCode")),
        "admit_source": text_of(hospitalization.get("admitSource")),
        "disposition": text_of(hospitalization.get("dischargeDisposition")),
        "diagnoses": [named(d.get("condition")) for d in r.get("diagnosis", ())],
    }


def whereabouts(state: ResourceState) -> _Json:
    """Where a stay took place, in the order in which its places were last spoken of.

    The current (or, after discharge, the last) place is the one that was spoken of last; of those
    named together, the active one. Sources tell where somebody went, and not always that the
    earlier bed was left: an older ``active`` is not shown as if it still held. Places that are
    only planned or kept free are nobody's whereabouts.
    """
    places = []
    for item in state.resource.get("location", ()):
        period, said = item.get("period", {}), stamp_of(state, "location", item)
        place = {
            "text": named(item.get("location")),
            "status": item.get("status"),
            "start": period.get("start"),
            "end": period.get("end"),
            "said_us": said.event_us if said else 0,
        }
        places.append((said or NEVER, place))
    places.sort(key=lambda p: (p[0], p[1]["text"]))
    taken = [p for p in places if p[1]["status"] not in ("planned", "reserved")]
    last, current = max(taken, key=_lastness, default=(NEVER, {}))
    for said, shown in taken:
        if said < last and shown["status"] == "active":
            shown["status"] = None
    return drop_empty(
        {"location": current.get("text"), "locations": [drop_empty(p) for _, p in places]}
    )


def _lastness(place: tuple[Stamp, _Json]) -> tuple[Stamp, bool, str, str]:
    said, shown = place
    time = shown["end"] or shown["start"] or ""
    return said, shown["status"] == "active", time, shown["text"]


#: Sorts before every statement.
NEVER: Final = Stamp(-1, 0, 0)


def people(state: ResourceState) -> _Json:
    """Who had which part, each once, and who attends.

    The attending is who was named last of those whose time did not end; if it ended for all, the
    last of them. Who was named together attends together.
    """
    found: dict[tuple[str, str], _Json] = {}
    attending: list[tuple[bool, Stamp, str]] = []
    for item in state.resource.get("participant", ()):
        role, name = plain_code(first(item.get("type"))) or "", named(item.get("individual"))
        period = item.get("period", {})
        shown = {"role": role, "name": name, "start": period.get("start"), "end": period.get("end")}
        if period or (role, name) not in found:
            found[role, name] = drop_empty(shown) | {"name": name}
        if role == "ATND" and name:
            said = stamp_of(state, "participant", item) or NEVER
            attending.append(("end" not in period, said, name))
    last = max((a[:2] for a in attending), default=None)
    now = list(dict.fromkeys(name for *rank, name in attending if tuple(rank) == last))
    return drop_empty({"attending": ", ".join(now), "participants": list(found.values())})
