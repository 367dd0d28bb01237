"""Chart entries of the administrative sections; keys are described in ``chart/README.md``."""

from __future__ import annotations

from typing import Any

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
from chartloom.formats.documents.lists import document_lists

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


def document(r: _Json) -> _Json:
    """A document; its text stays in the resource, but for the lines that it has about drugs."""
    attachment = first(r.get("content")).get("attachment", {})
    return {
        "status": r.get("status"),
        "doc_status": r.get("docStatus"),
        "text": attachment.get("title") or r.get("description") or text_of(r.get("type")),
        "document_type": text_of(r.get("type")),
        "code": code_of(r.get("type")),
        "time": r.get("date"),
        "author": list(dict.fromkeys(named(a) for a in r.get("author", ()))),
        "authenticator": named(r.get("authenticator")),
        "content_type": attachment.get("contentType"),
        "size_bytes": attachment.get("size"),
        "replaces": [
            named(t.get("target")) for t in r.get("relatesTo", ()) if t.get("code") == "replaces"
        ],
        **document_lists(r),
    }


def composition(r: _Json) -> _Json:
    """A document written in FHIR; its narrative stays in the resource, but for its lists."""
    return {
        "status": r.get("status"),
        "text": r.get("title") or text_of(r.get("type")),
        "document_type": text_of(r.get("type")),
        "code": code_of(r.get("type")),
        "time": r.get("date"),
        "author": [named(a) for a in r.get("author", ())],
        "replaces": [
            named(t.get("targetReference"))
            for t in r.get("relatesTo", ())
            if t.get("code") == "replaces"
        ],
        **document_lists(r),
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
        "price": f"{number(price['value'])} {price.get('currency') or '(currency not stated)'}"
        if "value" in price
        else "",
        "reasons": [
            drop_empty({"code": code_of(c), "text": text_of(c)}) for c in r.get("reason", ())
        ],
    }
