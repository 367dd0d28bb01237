"""A house with two groups of patients and people of every role, for trying to look across.

Everything a message says about a patient holds that patient's canary: ``QZN003`` in what is
normal, ``QZS003`` in what a label protects. A canary in an answer is a leak unless whoever asked
may see it (:meth:`House.permitted`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from tests.support.site import Site

from chartloom.domain.store import MessageFilter
from chartloom.guard.staff import Role, Staff, StaffMember

CANARY = re.compile(rb"(?i)qz([ns])(\d{3})")
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
AUTHORITY = "QH"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
#: Care relations count for a time only, so all this happened yesterday.
DAY = f"{datetime.now(UTC) - timedelta(days=1):%Y%m%d}"


@dataclass(frozen=True)
class Patient:
    """A made-up patient. group: ``A`` or ``B``. kind: ``plain``, ``vip``, ``own``, ``withheld``."""

    number: int
    group: str
    kind: str = "plain"

    @property
    def normal(self) -> str:
        return f"QZN{self.number:03d}"

    @property
    def secret(self) -> str:
        return f"QZS{self.number:03d}"

    @property
    def mrn(self) -> str:
        return f"M{self.normal}"

    @property
    def born(self) -> str:
        return f"19{40 + self.number % 50:02d}{1 + self.number % 12:02d}{1 + self.number % 28:02d}"


STAFF = Staff(
    (
        StaffMember("doctor-a", "Dr A", (Role.CLINICIAN,), practitioner=(f"{AUTHORITY}|DRA",)),
        StaffMember("doctor-b", "Dr B", (Role.CLINICIAN,), practitioner=(f"{AUTHORITY}|DRB",)),
        StaffMember("nurse-a", "Nurse A", (Role.CLINICIAN,), departments=("WARDA",)),
        StaffMember(
            "patient-a", "Also a patient", (Role.CLINICIAN,),
            practitioner=(f"{AUTHORITY}|DRA",), patient=(f"{AUTHORITY}|MQZN005",),
        ),
        StaffMember("head-b", "Head", (Role.CLINICIAN, Role.DEPARTMENT_HEAD), ("WARDB",)),
        StaffMember("engineer", "E", (Role.INTEGRATION_ENGINEER,)),
        StaffMember("analyst", "An", (Role.ANALYST,)),
        StaffMember("officer", "O", (Role.PRIVACY_OFFICER,)),
        StaffMember("auditor", "Au", (Role.AUDITOR,)),
        StaffMember("administrator", "Ad", (Role.ADMINISTRATOR,)),
        StaffMember("steward", "St", (Role.DATA_STEWARD,)),
        StaffMember("nobody", "N", ()),
    )
)  # fmt: skip
PEOPLE = tuple(m.subject for m in STAFF.staff)


def patients(count: int) -> list[Patient]:
    """Patients of both groups in turn; in each, one is a celebrity, one withholds everything."""
    kinds = {1: "vip", 2: "own", 3: "withheld"}
    made = []
    for n in range(count):
        group, place = "AB"[n % 2], n // 2
        made.append(Patient(n + 1, group, kinds.get(place, "plain")))
    return made


def messages(p: Patient) -> list[tuple[str, str]]:
    """(feed, message) of a patient; the canary stands in everything that is said."""
    c, ward, doctor = p.normal, f"WARD{p.group}", f"DR{p.group}^{p.group}^Dr^^^^^^{AUTHORITY}"
    vip = "VIP" if p.kind == "vip" else ""
    pid = (
        f"PID|1||{p.mrn}^^^{AUTHORITY}^MR||{c}fam^{c}giv||{p.born}|F|||{c} Street^^{c}ton^XX^12345"
        f"||(555){c}|||||{c}acct^^^{AUTHORITY}"
    )
    pv1 = (
        f"PV1|1|I|{ward}^1^A^{AUTHORITY}||||{doctor}|||MED||||||{vip}|||{c}visit^^^{AUTHORITY}"
        + "|" * 25 + f"{DAY}080000"
    )  # fmt: skip

    def made(feed: str, kind: str, n: int, *segments: str) -> tuple[str, str]:
        msh = f"MSH|^~\\&|{feed}|{AUTHORITY}|||{DAY}{8 + n:02d}0000||{kind}|{c}ctl{n}|P|2.5.1"
        return feed, "\r".join((msh, *segments)) + "\r"

    said = [
        made("adt", "ADT^A01^ADT_A01", 0, f"EVN|A01|{DAY}080000", pid,
             f"NK1|1|{c}kin^{c}kin|MTH|{c} Road", pv1,
             f"AL1|1|DA|{c}all^{c} allergy^L|SV|{c} hives", f"DG1|1||{c}dx^{c} diagnosis^L|{c}",
             f"IN1|1|{c}plan|PAYER1|Payer One||||{c}grp"),
        made("lab", "ORU^R01^ORU_R01", 1, pid, pv1,
             f"ORC|RE|{c}ord|{c}fil", f"OBR|1|{c}ord|{c}fil|{c}pan^{c} panel^L|||{DAY}090000",
             f"OBX|1|NM|718-7^Hemoglobin^LN||1{p.number}.5|g/dL|12-16|N|||F",
             f"OBX|2|ST|{c}tst^{c} test^L||{c} finding||||||F", f"NTE|1||{c} comment"),
        made("documents", "MDM^T02^MDM_T02", 2, f"EVN|T02|{DAY}100000", pid, pv1,
             f"TXA|1|{c} letter|TX|{DAY}100000||||||||{c}doc",
             f"OBX|1|TX|{c}n^{c} note^L||{c} text||||||F"),
        made("pharmacy", "RDE^O11^RDE_O11", 3, pid, pv1, f"ORC|NW|{c}rx|{c}rxf",
             f"RXE||{c}drug^{c} tablet^L|1||TAB", "RXR|PO"),
        made("scheduling", "SIU^S12^SIU_S12", 4,
             f"SCH|{c}app|{c}app2||||{c} reason|{c} kind||30|MIN|"
             f"^^30^{DAY}090000^{DAY}093000",
             pid, pv1, f"AIL|1|A|{ward}^^^{AUTHORITY}"),
        made("immunisation", "VXU^V04^VXU_V04", 5, pid, f"ORC|RE|{c}vx|{c}vxf",
             f"RXA|0|1|{DAY}||{c}vac^{c} vaccine^L|0.5|mL|||||||{c}lot"),
    ]  # fmt: skip
    if p.number <= 2 or p.number > 8:
        s = p.secret
        said.append(
            made("lab", "ORU^R01^ORU_R01", 6, pid, pv1, f"ORC|RE|{s}ord|{s}fil",
                 f"OBR|1|{s}ord|{s}fil|77^HIV viral load {s}^L|||{DAY}110000",
                 f"OBX|1|ST|56888-1^HIV Ag+Ab^LN||{s} reactive||||||F")
        )  # fmt: skip
    return said


def unreadable(p: Patient) -> tuple[str, bytes]:
    """A message that ends in quarantine."""
    return "adt", f"MSH|^~\\&|adt|{AUTHORITY}|||2026||ADT^A01|{p.normal}bad|P|9.9\rPIX|x\r".encode()


@dataclass
class House:
    """A site filled with two groups; whom everything is about."""

    site: Site
    patients: list[Patient]
    source_patients: dict[str, Patient] = field(default_factory=dict)
    persons: dict[str, Patient] = field(default_factory=dict)  #: person id -> patient
    resources: dict[str, tuple[Patient, bool]] = field(
        default_factory=dict
    )  #: id -> (whose, secret)
    kinds: dict[str, str] = field(default_factory=dict)  #: resource id -> type
    positions: dict[int, tuple[Patient, bool]] = field(default_factory=dict)
    shared: dict[int, list[Patient]] = field(default_factory=dict)  #: messages about several
    pairs: set[tuple[str, str]] = field(default_factory=set)  #: records that may be one person

    def of(self, group: str) -> list[str]:
        """Source patients of a group."""
        return [s for s, p in self.source_patients.items() if p.group == group]

    def sees(self, subject: str, p: Patient, *, secret: bool = False) -> bool:
        """Whether a chart, or what a label protects in it, is open to somebody."""
        if p.kind == "withheld":
            return False
        if subject in ("doctor-a", "patient-a") and p.group == "A":
            return not (subject == "patient-a" and p.kind == "own")
        if subject == "doctor-b":
            return p.group == "B"
        if subject in ("nurse-a", "head-b"):
            # The department alone opens neither celebrities nor what a label protects.
            return subject[-1].upper() == p.group and p.kind != "vip" and not secret
        return False

    def permitted(self, subject: str, p: Patient, *, secret: bool, route: str = "") -> bool:
        """Whether a canary may stand in an answer to somebody."""
        if subject == "officer" and route.startswith("/labels"):  # who it is, what is labelled
            return p.kind != "withheld"
        if subject == "steward":  # who may be one person with somebody else
            return not secret and p in {
                self.source_patients[id] for two in self.pairs for id in two
            }
        if subject == "engineer":
            return not secret and p.kind != "vip"  # the bytes of normal messages are their work
        return self.sees(subject, p, secret=secret)

    def leaks(self, subject: str, answer: bytes, route: str = "") -> set[str]:
        """Canaries and ids in an answer that somebody may not see."""
        found = set()
        for kind, number in set(CANARY.findall(answer)):
            p = self.patients[int(number) - 1]
            if not self.permitted(subject, p, secret=kind.lower() == b"s", route=route):
                found.add(f"canary {kind.decode()}{p.number} ({p.kind})")
        if subject in ("officer", "auditor", "steward"):
            return found  # the record and the queue of pairs name people by these ids
        for raw in set(UUID.findall(answer)):
            id = raw.decode()
            whose = self.source_patients.get(id) or self.persons.get(id)
            p, secret = (whose, False) if whose else self.resources.get(id, (None, False))
            if p is not None and not self.permitted(subject, p, secret=secret):
                found.add(f"id of {self.kinds.get(id, 'person')} of {p.number} ({p.kind})")
        return found


def consent(p: Patient, site: Site, source_patient: str) -> bytes:
    """A Consent by which the patient withholds everything, as a FHIR feed of the same house."""
    return msgspec.json.encode(
        {
            "resourceType": "Bundle", "type": "collection",
            "entry": [
                {"fullUrl": "urn:uuid:11111111-1111-4111-8111-111111111111",
                 "resource": {"resourceType": "Patient", "id": f"p{p.number}",
                              "identifier": [{"system": f"urn:id:{AUTHORITY}", "value": p.mrn,
                                              "type": {"coding": [{"system":
                                               "http://terminology.hl7.org/CodeSystem/v2-0203",
                                               "code": "MR"}]}}],
                              "name": [{"family": f"{p.normal}fam"}]}},
                {"resource": {
                    "resourceType": "Consent", "status": "active",
                    "scope": {"coding": [{"system":
                              "http://terminology.hl7.org/CodeSystem/consentscope",
                              "code": "patient-privacy"}]},
                    "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
                    "patient": {"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"},
                    "dateTime": "2026-03-01",
                    "policyRule": {"coding": [{"system":
                                   "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                                   "code": "OPTOUT"}]},
                    "provision": {"type": "deny"}}},
            ],
        }
    )  # fmt: skip


def together(some: list[Patient]) -> bytes:
    """One Bundle about several patients of both groups: a Patient and a result of each."""

    def entries(p: Patient) -> list[dict[str, Any]]:
        url, c = f"urn:uuid:22222222-2222-4222-8222-{p.number:012d}", p.normal
        kind = {"coding": [{"system": _TYPES, "code": "MR"}]}
        number = {"system": f"urn:id:{AUTHORITY}", "value": p.mrn, "type": kind}
        who = {"resourceType": "Patient", "identifier": [number], "name": [{"family": f"{c}fam"}]}
        result = {
            "resourceType": "Observation", "id": f"{c}obs", "status": "final",
            "code": {"text": f"{c} clinic test"}, "subject": {"reference": url},
            "valueString": f"{c} in common", "note": [{"text": f"{c} clinic"}],
        }  # fmt: skip
        return [{"fullUrl": url, "resource": who}, {"resource": result}]

    said = [entry for p in some for entry in entries(p)]
    return msgspec.json.encode({"resourceType": "Bundle", "type": "collection", "entry": said})


def build(site: Site, count: int = 12) -> House:
    """Fills an empty site; learns whom every id is about."""
    site.staff = STAFF
    house = House(site, patients(count))
    for p in house.patients:
        for feed, text in messages(p):
            site.land(feed, text.encode())
    site.land(*unreadable(house.patients[0]))
    site.apply()
    grant = site.grant()
    for p in house.patients:
        hits = site.store.find_persons(grant, "identifier", p.mrn)
        for hit in hits:
            house.persons[hit.person_id] = p
            house.source_patients |= dict.fromkeys(hit.source_patients, p)
        if p.kind == "withheld":
            site.land("fhir", consent(p, site, hits[0].source_patients[0]))
    plain = [p for p in house.patients if p.kind == "plain"]
    for some in (
        plain[:2],
        plain[:3],
        [plain[-1], *(p for p in house.patients if p.kind == "vip")],
    ):
        (position,) = site.land("fhir", together(some))
        house.shared[position] = some
    site.apply()
    _learn(house)
    return house


def _learn(house: House) -> None:
    site, grant = house.site, house.site.grant()
    decided = site.store.decisions_of(grant, list(house.source_patients))
    house.pairs = {d.pair for d in decided if d.outcome != "new"}
    house.pairs |= {r.pair for r in site.store.reviews(grant, state=None)}
    for p in house.patients:
        hits = site.store.find_persons(grant, "identifier", p.mrn)
        for hit in hits:
            house.persons[hit.person_id] = p
            house.source_patients |= dict.fromkeys(hit.source_patients, p)
    before = 0
    while rows := site.store.search(grant, MessageFilter(before=before, limit=500)):
        for row in rows:
            detail = site.store.detail(grant, row.position)
            whose = CANARY.search(detail.message.body)
            if whose is None:
                continue
            p = house.patients[int(whose[2]) - 1]
            secret = b"QZS" in detail.message.body
            if row.position not in house.shared:
                house.positions[row.position] = (p, secret)
            for resource in detail.resources:
                said = msgspec.json.encode(resource)
                if resource["resourceType"] in ("Practitioner", "Organization", "Location"):
                    continue
                if row.position in house.shared and (whose := CANARY.search(said)):
                    p = house.patients[int(whose[2]) - 1]
                held = house.resources.get(resource["id"], (p, True))[1]
                house.resources[resource["id"]] = (p, held and b"QZS" in said)
                house.kinds[resource["id"]] = resource["resourceType"]
        before = rows[-1].position


__all__ = ["PEOPLE", "STAFF", "House", "Patient", "build", "patients"]
