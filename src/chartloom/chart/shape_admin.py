"""Chart entries of the administrative sections; keys are described in ``chart/README.md``."""

from __future__ import annotations

from typing import Any, Final

from chartloom.chart.elements import (
    address_text,
    code_of,
    drop_empty,
    first,
    name_text,
    named,
    number,
    plain_code,
    quantity,
    text_of,
    texts_of,
)
from chartloom.chart.merge import stamp_of
from chartloom.domain.resource import ResourceState, Stamp

_Json = dict[str, Any]


def patient(r: _Json) -> _Json:
    """Demographics of one source's record."""
    names = sorted(r.get("name", ()), key=lambda n: n.get("use") not in ("official", "usual"))
    deceased = r.get("deceasedDateTime", r.get("deceasedBoolean"))
    return {
        "name": name_text(first(names)),
        "names": [drop_empty({"use": n.get("use"), "text": name_text(n)}) for n in names],
        "birth_date": r.get("birthDate"),
        "sex": r.get("gender"),
        "deceased": deceased,
        "addresses": [
            drop_empty({"use": a.get("use"), "text": address_text(a)}) for a in r.get("address", ())
        ],
        "telecom": telecom(r),
        "identifiers": [
            drop_empty(
                {
                    "type": plain_code(i.get("type")),
                    "system": i.get("system"),
                    "authority": named(i.get("assigner")),
                    "value": i.get("value"),
                }
            )
            for i in r.get("identifier", ())
        ],
        "languages": texts_of(c.get("language") for c in r.get("communication", ())),
        "marital_status": text_of(r.get("maritalStatus")),
        "general_practitioner": [named(g) for g in r.get("generalPractitioner", ())],
    }


def related_person(r: _Json) -> _Json:
    """A contact or relative."""
    return {
        "name": name_text(first(r.get("name"))),
        "relationship": texts_of(r.get("relationship")),
        "birth_date": r.get("birthDate"),
        "telecom": telecom(r),
        "addresses": [address_text(a) for a in r.get("address", ())],
        "start": r.get("period", {}).get("start"),
        "end": r.get("period", {}).get("end"),
    }


def telecom(r: _Json) -> list[_Json]:
    """Phone numbers and addresses with their use."""
    return [
        {k: t[k] for k in ("system", "use", "value") if k in t}
        for t in r.get("telecom", ())
        if t.get("value")
    ]


def encounter(r: _Json) -> _Json:
    """A stay or visit with its places and people."""
    period = r.get("period", {})
    people = [_participant(p) for p in r.get("participant", ())]
    hospitalization = r.get("hospitalization", {})
    return {
        "status": r.get("status"),
        "class": r.get("class", {}).get("code"),
        "text": text_of(first(r.get("type"))) or r.get("class", {}).get("display"),
        "service": text_of(r.get("serviceType")),
        "start": period.get("start"),
        "end": period.get("end"),
        "attending": ", ".join(p["name"] for p in people if p.get("role") == "ATND"),
        "participants": people,
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


def _participant(p: _Json) -> _Json:
    return drop_empty(
        {"role": plain_code(first(p.get("type"))), "name": named(p.get("individual"))}
    ) | {"name": named(p.get("individual"))}


def document(r: _Json) -> _Json:
    """A document; its text stays in the resource."""
    attachment = first(r.get("content")).get("attachment", {})
    return {
        "status": r.get("status"),
        "doc_status": r.get("docStatus"),
        "text": attachment.get("title") or r.get("description") or text_of(r.get("type")),
        "document_type": text_of(r.get("type")),
        "code": code_of(r.get("type")),
        "time": r.get("date"),
        "author": [named(a) for a in r.get("author", ())],
        "authenticator": named(r.get("authenticator")),
        "content_type": attachment.get("contentType"),
        "size_bytes": attachment.get("size"),
        "replaces": [
            named(t.get("target")) for t in r.get("relatesTo", ()) if t.get("code") == "replaces"
        ],
    }


def appointment(r: _Json) -> _Json:
    """A booked, kept, missed or cancelled appointment."""
    participants = [
        drop_empty(
            {
                "role": text_of(first(p.get("type"))),
                "name": named(p.get("actor")),
                "status": p.get("status"),
            }
        )
        for p in r.get("participant", ())
    ]
    return {
        "status": r.get("status"),
        "text": r.get("description")
        or text_of(first(r.get("serviceType")))
        or text_of(r.get("appointmentType")),
        "start": r.get("start"),
        "end": r.get("end"),
        "minutes": r.get("minutesDuration"),
        "reason": texts_of(r.get("reasonCode")),
        "cancelled_because": text_of(r.get("cancelationReason")),
        "participants": participants,
        "comment": r.get("comment"),
    }


def coverage(r: _Json) -> _Json:
    """An insurance."""
    classes = {plain_code(c.get("type")): c.get("value") for c in r.get("class", ())}
    return {
        "status": r.get("status"),
        "text": named(first(r.get("payor"))) or text_of(r.get("type")),
        "coverage_type": text_of(r.get("type")),
        "plan": classes.get("plan"),
        "group": classes.get("group"),
        "subscriber_id": r.get("subscriberId"),
        "relationship": text_of(r.get("relationship")),
        "order": r.get("order"),
        "start": r.get("period", {}).get("start"),
        "end": r.get("period", {}).get("end"),
    }


def account(r: _Json) -> _Json:
    """A billing account."""
    return {
        "status": r.get("status"),
        "text": r.get("name") or text_of(r.get("type")) or r.get("description"),
        "start": r.get("servicePeriod", {}).get("start"),
        "end": r.get("servicePeriod", {}).get("end"),
    }


def charge_item(r: _Json) -> _Json:
    """A charge."""
    price = r.get("priceOverride", {})
    return {
        "status": r.get("status"),
        "text": text_of(r.get("code")),
        "code": code_of(r.get("code")),
        "time": r.get("occurrenceDateTime") or r.get("occurrencePeriod", {}).get("start"),
        "quantity": quantity(r.get("quantity")),
        "price": f"{number(price['value'])} {price.get('currency', '')}".strip()
        if "value" in price
        else "",
    }
