"""Some patients of two systems, for the doors that other systems ask."""

from __future__ import annotations

import pytest
from tests.support.consents import WITHHELD
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

_PATIENT = (
    "MSH|^~\\&|ADT|WEST|CL|HQ|20260301120000||ADT^A01^ADT_A01|{number}|P|2.5.1\r"
    "EVN|A01|20260301120000\r"
    "PID|1||{numbers}||{name}||{born}|{sex}|||{home}||{phone}\r"
    "PV1|1|I|3W^301^A^HOSP|||||||||||||{vip}|||V{number}^^^HOSP\r"
)
HOME = "12 Mill Lane^^Marsh^^10115"
_BOTH = ("Weber^Anna^Maria", "19701224", "F", HOME, "030555")
PEOPLE = (
    ("1", "4711^^^HOSP^MR~123-45-6789^^^USA^SS", *_BOTH),
    ("2", "C-9^^^CLINIC^MR", *_BOTH),
    ("3", "4712^^^HOSP^MR~77^^^NID", "Weber^Bert", "19680501", "M", HOME, ""),
    ("4", "4713^^^HOSP^MR", "Star^Vera", "19800303", "F", "1 Palace^^Marsh^^10117", ""),
    ("5", "4714^^^HOSP^MR~77^^^NID", "O'Neil^Zoë", "1990", "F", "", ""),
)
VIP = "4"


def people() -> list[bytes]:
    """Their messages."""
    return [
        _PATIENT.format(
            number=number, numbers=numbers, name=name, born=born, sex=sex, home=home,
            phone=f"{phone}1234567^PRN^PH" if phone else "", vip="VIP" if number == VIP else "",
        ).encode()
        for number, numbers, name, born, sex, home, phone in PEOPLE
    ]  # fmt: skip


def site_of_people(server: object, folders: pytest.TempPathFactory) -> tuple[Site, StoreFactory]:
    """A site that knows them."""
    factory = StoreFactory(server, folders.mktemp("asked"))
    clock = ShiftedClock()
    site = Site(factory(clock=clock), clock)
    site.land("adt", *people())
    site.apply()
    return site, factory


def withheld(id: str) -> dict[str, object]:
    """A consent of a patient of the FHIR feed who withholds everything."""
    return {**WITHHELD, "patient": {"reference": f"Patient/{id}"}}
