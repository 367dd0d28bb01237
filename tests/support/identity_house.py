"""A small site whose records raise questions of identity, with two data stewards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

from chartloom.domain.identity import IdentityWord, Pair
from chartloom.guard.staff import Role, Staff, StaffMember

#: (authority, number, name, birth date, sex, address, phone, SSN, mother, order of birth)
PEOPLE = {
    "jon-a": ("SGH", "J1", "Ostrander^Jonathan^M", "19710412", "M", "12 Mill Rd^^Salem^OR^97301",
              "(503)5550101", "", "Quimby", ""),
    "jon-b": ("CLIN", "77", "Ostrandr^Jonathan", "19710412", "M", "9 Elm St^^Salem^OR^97302",
              "", "", "", ""),
    "twin-a": ("SGH", "T1", "Vandermeer^Ella", "20150309", "F", "4 Lake Dr^^Salem^OR^97301",
               "(503)5550144", "541-22-9917", "Hollis", "1"),
    "twin-b": ("CLIN", "81", "Vandermeer^Mara", "20150309", "F", "4 Lake Dr^^Salem^OR^97301",
               "(503)5550144", "541-22-9917", "Hollis", ""),
    "thin-a": ("SGH", "B1", "Castellane^Rosalind", "19620730", "F", "88 Hill Ave^^Bend^OR^97701",
               "(541)5550177", "", "", ""),
    "thin-b": ("CLIN", "90", "Castellane^Rosalynd", "19620731", "F", "5 Bay St^^Astoria^OR^97103",
               "", "", "", ""),
    "mid-a": ("SGH", "M1", "Ambrosini^Philippa^Jane", "19771019", "F", "2 Dune Way^^Bend^OR^97701",
              "", "", "", ""),
    "mid-b": ("CLIN", "92", "Ambrosini^Philipa^Rose", "19771018", "F",
              "61 Cove Rd^^Astoria^OR^97103", "", "", "", ""),
    "same-a": ("SGH", "S1", "Ibarra^Consuelo", "19551124", "F", "3 Fir Ct^^Bend^OR^97701",
               "(541)5550199", "533-41-7720", "", ""),
    "same-b": ("CLIN", "95", "Ibarra^Consuelo", "19551124", "F", "3 Fir Ct^^Bend^OR^97701",
               "(541)5550199", "533-41-7720", "", ""),
    "over": ("SGH", "O1", "Lindgren^Astrid", "19480203", "F", "1 Oak Ln^^Bend^OR^97701",
             "(541)5550111", "", "", ""),
    "me": ("SGH", "ME1", "Fischer^Lena", "19850617", "F", "7 Ash St^^Salem^OR^97301",
           "(503)5550166", "", "", ""),
    "me-too": ("CLIN", "99", "Fischer^Lena", "19850617", "F", "", "", "", "", ""),
}  # fmt: skip
#: What the update says that turned a record into somebody else.
OVERWRITTEN = ("SGH", "O1", "Petrakis^Nikolas", "20010919", "M", "", "", "", "", "")
STAFF = (
    StaffMember("lena", "Lena Fischer", (Role.DATA_STEWARD,), patient=("SGH|ME1",)),
    StaffMember("yusuf", "Yusuf Adeyemi", (Role.DATA_STEWARD,)),
    StaffMember("mina", "Mina Okoro", (Role.DATA_STEWARD,)),
    StaffMember("doctor", "Dr One", (Role.CLINICIAN,), practitioner=("H|D1",)),
    StaffMember("other", "Dr Two", (Role.CLINICIAN,), practitioner=("H|D2",)),
    StaffMember("both", "B", (Role.CLINICIAN, Role.DATA_STEWARD), practitioner=("H|D1",)),
    StaffMember("engineer", "E", (Role.INTEGRATION_ENGINEER,)),
    StaffMember("officer", "P", (Role.PRIVACY_OFFICER,)),
    StaffMember("admin", "Ad", (Role.ADMINISTRATOR,)),
    StaffMember("nobody", "N", ()),
)


#: Care relations of visits count for a time only, so all this happened yesterday.
DAY = datetime.now(UTC) - timedelta(days=1)


def admission(control: str, person: tuple[str, ...], minute: int = 0, doctor: str = "") -> bytes:
    """An ADT that says this of a record of whom D1 is the family doctor. doctor: of a visit."""
    authority, number, name, born, sex, address, phone, ssn, mother, order = person
    pid = [""] * 26
    pid[3] = f"{number}^^^{authority}^MR"
    pid[5], pid[6], pid[7], pid[8] = name, mother, born, sex
    pid[11], pid[13], pid[19] = address, phone, ssn
    pid[24], pid[25] = ("Y" if order else ""), order
    at = f"{DAY:%Y%m%d}{8 + minute // 60:02d}{minute % 60:02d}00"
    visit = f"{doctor}^Who^Dr^^^^^^H" if doctor else ""
    return (
        f"MSH|^~\\&|ADT|H|||{at}||ADT^A04^ADT_A01|{control}|P|2.5.1\rEVN|A04|{at}\r"
        f"PID|{'|'.join(pid[1:])}\r"
        f"PD1||||D1^Who^Dr^^^^^^H\r"
        f"PV1|1|O|CLIN1^1^1^H||||{visit}{'|' * 12}V{control}^^^H{'|' * 25}{at}\r"
    ).encode()


def fill(site: Site) -> dict[str, str]:
    """Lands the people; source patient ids by name."""
    site.staff = Staff((*site.staff.staff, *STAFF))
    for minute, (name, person) in enumerate(PEOPLE.items()):
        site.land("adt", admission(f"ID{name}", person, minute))
        site.apply()
    site.land("adt", admission("IDover2", OVERWRITTEN, 90))
    for name in ("thin-a", "mid-a"):
        site.land("adt", admission(f"ID{name}2", PEOPLE[name], 95, doctor="D2"))
    site.apply()
    return {name: _source_patient(site, *person[:2]) for name, person in PEOPLE.items()}


def pair(ids: dict[str, str], a: str, b: str) -> Pair:
    """The pair of two of them."""
    first, second = sorted((ids[a], ids[b]))
    return first, second


def _source_patient(site: Site, authority: str, number: str) -> str:
    grant = site.grant()
    hits = site.store.find_persons(grant, "identifier", number)
    states: dict[str, Any] = site.store.states(grant, [p for h in hits for p in h.source_patients])
    for id, state in states.items():
        for identifier in state.resource.get("identifier", ()):
            issuer = identifier.get("assigner", {}).get("display") or identifier.get("system", "")
            if identifier.get("value") == number and issuer.endswith(authority):
                return id
    raise AssertionError((authority, number, len(hits)))


class House:
    """The filled site with what its pages of identity work with."""

    def __init__(self, site: Site, ids: dict[str, str]) -> None:
        self.site, self.ids = site, ids
        #: Pairs that one person decides, the heaviest first. Which they are, the matcher says.
        self.easy = [r.pair for r in site.store.reviews(site.grant()) if not r.two]

    def pair(self, a: str, b: str) -> Pair:
        """The pair of two records by name."""
        return pair(self.ids, a, b)

    def words(self, of: Pair) -> list[IdentityWord]:
        """What was said about a pair."""
        known = self.site.store.words_of(self.site.grant(), sorted(set(of)))
        return [w for w in known if w.pair == of]

    def values(self) -> list[str]:
        """What records say of people, and no page without their comparison may show."""
        names = {part for p in PEOPLE.values() for part in p[2].split("^") if len(part) > 3}
        return sorted(names - {"Lena", "Fischer"} | {p[7] for p in PEOPLE.values() if p[7]})

    def working(self) -> AbstractContextManager[None]:
        """Applies what lands."""
        return working(self.site)


@contextmanager
def working(site: Site) -> Iterator[None]:
    """Applies what lands, as the worker of a site does, until the end."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            if not site.worker.run_once():
                stop.wait(0.02)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def make(factory: StoreFactory) -> House:
    """The house on a fresh store."""
    clock = ShiftedClock()
    site = Site(factory(clock=clock), clock)
    ids = fill(site)
    site.settle_s = PATIENCE_S
    return House(site, ids)
