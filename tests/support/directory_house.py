"""A small site with a directory that leaves questions, and stewards who answer them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.identity_house import admission
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.hot import Worker
from chartloom.normalize import ResolvingMapping
from chartloom.registry.directory import directory_of, load_tables
from chartloom.registry.formulary import Formulary, load_formulary
from chartloom.serve import DirectoryDoor
from chartloom.serve.directory.book import Book, read_book

TABLES = {
    "practitioners.csv": b"""source,key,npi,identifiers,prefix,family,given,department,phone,at
hr,E17,1234567893,urn:id:EHR|4711,Dr,Okafor,Ngozi,Cardiology,480-112-0001,2024-05-01
ehr,4711,,urn:id:EHR|4711,,OKAFOR,N.,,480-112-9999,2026-01-01
cred,9,1234567893,,,Whitfield,Rosa,,,2025-01-01
lab,L1,,urn:id:EHR|4712,,Lindqvist,Per,,555-0101,2024-05-01
rad,R1,,urn:id:EHR|4712,,Lindqvist,Per,,555-0102,2024-05-01
old,X1,1234567890,,,Castellane,Ines,,,2020-02-02
new,Y1,,,,Castellane,Ines,,,2021-02-02
hr,E30,,urn:id:H|D2,Dr,Two,Who,,,2024-05-01
""",
    "organizations.csv": b"""source,key,npi,name,kind,part_of
ehr,main,1679576722,Saltmarsh General Hospital,hospital,
ehr,lab,,Meridian Laboratory,laboratory,main
""",
    "locations.csv": b"""source,key,kind,name,part_of,ward,room,bed,facility
ehr,site,site,Main site,,,,,
ehr,card,department,Cardiology,site,,,,
ehr,CLIN1,ward,Clinic 1,card,CLIN1,,,H
ehr,CLIN1-1,room,Clinic 1 room 1,CLIN1,CLIN1,1,,H
ehr,CLIN1-1-1,bed,Clinic 1 chair 1,CLIN1-1,CLIN1,1,1,H
ehr,lost,ward,Lost ward,nowhere,LOST,,,H
""",
}
FORMULARY = {
    "products.csv": b"system,code,name\nSGHFORM,D005,Metformin 500 mg ER tablet\n",
    "ndc.csv": b"ndc,code,system\n50580-449-05,D005,SGHFORM\n",
}
#: Texts that stand in charts, and on no page of the directory.
PATIENT_WORDS = ("Ostrander", "Jonathan", "19710412", "1971-04-12", "J1")
STAFF = (
    StaffMember("lena", "Lena Fischer", (Role.DATA_STEWARD,)),
    StaffMember("yusuf", "Yusuf Adeyemi", (Role.DATA_STEWARD,)),
    StaffMember("engineer", "Rowan Castellanos", (Role.INTEGRATION_ENGINEER,)),
    StaffMember("doctor", "Dr One", (Role.CLINICIAN,), practitioner=("H|D9",)),
    StaffMember("officer", "Priya Natarajan", (Role.PRIVACY_OFFICER,)),
    StaffMember("analyst", "Tomas Berg", (Role.ANALYST,)),
)
PERSON = ("SGH", "J1", "Ostrander^Jonathan", "19710412", "M", "", "", "", "", "")


class DirectoryHouse:
    """A site whose console has a directory. tables may be edited; the door follows."""

    def __init__(self, factory: StoreFactory, *, empty: bool = False) -> None:
        clock = ShiftedClock()
        self.site = site = Site(factory(clock=clock), clock)
        self.tables = {} if empty else dict(TABLES)
        self.formulary: Formulary = load_formulary(FORMULARY)[0]
        directory = directory_of(load_tables(self.tables))
        site.staff = Staff((*site.staff.staff, *STAFF))
        site.mappings = {
            name: (f, m if f.internal else ResolvingMapping(m, directory, self.formulary))
            for name, (f, m) in site.mappings.items()
        }
        site.worker = Worker(
            site.store, site.mappings, site.namespace, clock, site.grant, "test", 64, 500
        )
        self.door = DirectoryDoor(
            site.store, site.store, lambda: load_tables(self.tables), lambda: self.formulary
        )
        self.door.settle_s = PATIENCE_S
        self.app = site.app(site.doors(directory=self.door))

    def fill(self) -> None:
        """Messages that name people, places and drugs whom the tables do not have."""
        self.site.land("adt", *(admission(f"DH{i}", PERSON, i, doctor="D7") for i in range(3)))
        self.site.land("pharmacy", drug("D005", 0), drug("D991", 1), drug("D991", 2))
        self.site.apply()

    def book(self) -> Book:
        """As a steward sees it now."""
        return read_book(self.site.grant(), self.door, self.site.clock.now_us())

    def key(self, code: str, part: str = "") -> str:
        """The key of the one question of a code that is about something with this in its id."""
        found = [a for a in self.book().asked if a.question.code == code and part in a.question.id]
        assert len(found) == 1, [a.question for a in found]
        return found[0].about.key

    @contextmanager
    def working(self) -> Iterator[None]:
        """Applies what lands, as the worker of a site does, until the end."""
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                if not self.site.worker.run_once():
                    stop.wait(0.02)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(PATIENCE_S)


def drug(code: str, number: int) -> bytes:
    """A pharmacy's order of a drug by a code of the house."""
    return (
        f"MSH|^~\\&|PHARM|H|||2026010108{number:02d}00||RDE^O11^RDE_O11|DR{number}|P|2.5\r"
        f"PID|||J1^^^SGH^MR||Ostrander^Jonathan||19710412|M\r"
        f"ORC|NW|RX{number}^PHARM\r"
        f"RXE|^^^20260101|{code}^A tablet^SGHFORM|1||TAB\r"
        f"RXR|PO\r"
    ).encode()
