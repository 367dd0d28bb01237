"""Clinical documents (CDA) of our own, and charts told by documents."""

from __future__ import annotations

import base64
from typing import Any, Final

from tests.support.medication_lists import Told, day

RXNORM: Final = "2.16.840.1.113883.6.88"
SNOMED: Final = "2.16.840.1.113883.6.96"
_CODES: Final = {"medications": "10160-0", "allergies": "48765-2", "problems": "11450-4"}


def target(given: str, family: str, birth: str = "", number: str = "") -> str:
    """The record target: whom a document says that it is about."""
    id = f'<id root="1.2.3" extension="{number}"/>' if number else ""
    born = f'<birthTime value="{birth}"/>' if birth else ""
    return (
        f"<recordTarget><patientRole>{id}<patient><name><given>{given}</given><family>{family}"
        f"</family></name>{born}</patient></patientRole></recordTarget>"
    )


def cda(
    *sections: str, made: str = "20260220093000+0100", before: str = "", about: str = ""
) -> bytes:
    """A document of sections. before: what stands before its root. about: see ``target``."""
    body = "".join(f"<component>{s}</component>" for s in sections)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<ClinicalDocument '
        'xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<effectiveTime value="{made}"/>{about}<component><structuredBody>{body}</structuredBody>'
        "</component></ClinicalDocument>"
    ).encode()


def section(lists: str, *entries: str, text: str = "") -> str:
    """A section of a list, by its LOINC code."""
    inside = "".join(f"<entry>{e}</entry>" for e in entries)
    code = _CODES.get(lists, lists)
    return (
        f'<section><code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><title>T</title>'
        f"<text>{text}</text>{inside}</section>"
    )


def drug(
    name: str,
    *,
    status: str = "active",
    code: str = "",
    since: str = "20250101",
    until: str = "",
    negated: bool = False,
    said: str = "",
    display: str | None = None,
) -> str:
    """An entry of a list of medications. name: as originalText, unless ``display`` says another."""
    high = f'<high value="{until}"/>' if until else ""
    author = f'<author><time value="{said}"/></author>' if said else ""
    coded = f'code="{code}" codeSystem="{RXNORM}"' if code else 'nullFlavor="UNK"'
    shown = f' displayName="{display}"' if display else ""
    return (
        f'<substanceAdministration moodCode="EVN" negationInd="{str(negated).lower()}">'
        f'<statusCode code="{status}"/><effectiveTime><low value="{since}"/>{high}'
        "</effectiveTime><consumable><manufacturedProduct><manufacturedMaterial>"
        f"<code {coded}{shown}><originalText>{name}</originalText></code></manufacturedMaterial>"
        f"</manufacturedProduct></consumable>{author}</substanceAdministration>"
    )


def concern(inner: str, *, status: str = "active") -> str:
    """A concern about an observation."""
    return (
        f'<act><statusCode code="{status}"/><entryRelationship typeCode="SUBJ">{inner}'
        "</entryRelationship></act>"
    )


def allergy(name: str, *, negated: bool = False, kind: str = "419199007", more: str = "") -> str:
    """An allergy to a substance; without a name, of a kind only."""
    agent = (
        '<participant><participantRole><playingEntity><code code="1" codeSystem="urn" '
        f'displayName="{name}"/></playingEntity></participantRole></participant>'
        if name
        else ""
    )
    return concern(
        f'<observation negationInd="{str(negated).lower()}"><effectiveTime><low value="2010"/>'
        f'</effectiveTime><value code="{kind}" codeSystem="{SNOMED}"/>{agent}{more}</observation>'
    )


def problem(name: str, code: str, *, until: str = "", negated: bool = False) -> str:
    """A problem of a problem list."""
    high = f'<high value="{until}"/>' if until else ""
    return concern(
        f'<observation negationInd="{str(negated).lower()}"><effectiveTime><low value="2012"/>'
        f'{high}</effectiveTime><value code="{code}" codeSystem="{SNOMED}" displayName="{name}"/>'
        "</observation>"
    )


def document(
    id: str, data: bytes, ago: float, kind: str = "application/hl7-cda+xml", **more: Any
) -> Told:
    """A DocumentReference with an attachment."""
    attachment = {"contentType": kind, "data": base64.b64encode(data).decode()}
    resource = {"resourceType": "DocumentReference", "id": id, "status": "current"}
    return "house", resource | {"date": day(ago), "content": [{"attachment": attachment}]} | more
