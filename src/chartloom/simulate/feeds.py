"""The feeds of the simulated house as a site would configure them."""

from __future__ import annotations

from typing import Final

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.simulate.times import SITE_ZONE

#: Systems of one vendor that number patients, visits and orders together.
HOUSE_NAMESPACE: Final = "saltmarsh"


def _mllp(
    name: str, department: str, *, namespace: str = HOUSE_NAMESPACE, charset: str = "utf-8"
) -> Feed:
    return Feed(
        name=name,
        department=department,
        owner=f"{name}@saltmarsh.example.org",
        source="mllp",
        format=Format.HL7V2,
        namespace=namespace,
        zone=SITE_ZONE,
        charset=charset,
    )


#: Every feed by name. The laboratory and the clinic number patients and orders on their own.
FEEDS: Final[dict[str, Feed]] = {
    feed.name: feed
    for feed in (
        _mllp("adt", "Registration"),
        _mllp("lab", "Laboratory", namespace="lab", charset="iso-8859-1"),
        _mllp("vitals", "Nursing"),
        _mllp("orders", "Order entry"),
        _mllp("pharmacy", "Pharmacy"),
        _mllp("immunisation", "Immunization"),
        _mllp("documents", "Transcription"),
        _mllp("scheduling", "Scheduling"),
        _mllp("billing", "Billing"),
        Feed(
            name="fhir",
            department="Alder Street Community Clinic",
            owner="fhir@alder-street.example.org",
            source="http",
            format=Format.FHIR,
            mapping="fhir",
            namespace="clinic",
            zone=SITE_ZONE,
        ),
    )
}
