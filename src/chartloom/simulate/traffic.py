"""Load: realistic messages of several thousand patients, fast, by filling prepared text.

Unlike :class:`~chartloom.simulate.hospital.Hospital` there is no story and no truth; but visits
open, move and close in order, every control id is new, and each message is recorded one second
after the one before, so that times increase within every patient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from random import Random
from typing import Final

from chartloom.domain.message import Format
from chartloom.simulate.catalog import DIAGNOSES, FORMULARY, INFLUENZA, RARE_DRUGS, TESTS
from chartloom.simulate.house import clinicians
from chartloom.simulate.population import Person, people
from chartloom.simulate.rates import CLEAN
from chartloom.simulate.times import DAY, SECOND, local, to_us
from chartloom.simulate.wire import SimMessage
from chartloom.simulate.writer import fold

#: Messages by type, in percent: what an integration engine of a mid-sized house sees.
MIX: Final[dict[str, float]] = {
    "ADT": 36, "ORU": 36, "ORM": 10, "RDE": 5, "RAS": 5, "MDM": 2, "SIU": 2, "DFT": 3, "VXU": 1,
}  # fmt: skip

_FEED: Final = {
    "ADT": "adt", "ORU": "lab", "ORM": "orders", "RDE": "pharmacy", "RAS": "pharmacy",
    "MDM": "documents", "SIU": "scheduling", "DFT": "billing", "VXU": "immunisation",
}  # fmt: skip
_OID: Final = "SGH&2.16.840.1.113883.19.5&ISO"
#: How many results a report has; the mean is a little over four.
_RESULTS: Final = (1, 1, 2, 3, 3, 4, 5, 5, 6, 8, 12)
_VARIANTS: Final = 64
#: One patient in ten is in the house; they make most of the messages.
_BEDS_SHARE: Final = 10
_INSIDE: Final = 0.8


def traffic(
    seed: int,
    n: int,
    *,
    mix: Mapping[str, float] = MIX,
    patients: int = 5000,
    start: datetime | None = None,
) -> Iterator[SimMessage]:
    """``n`` messages; ``mix`` gives the share of each type in any unit (keys of :data:`MIX`).

    ``at_us`` and ``event_us`` are the same: nothing is late here. The first message takes about
    a second, because the population is drawn first.
    """
    pool = _Pool(seed, patients, start or datetime.fromisoformat("2026-03-02T00:00:00-07:00"))
    kinds = list(mix)
    cumulative = list(accumulate(mix[k] for k in kinds))
    rng = Random(f"{seed}/traffic")
    for i in range(n):
        kind = rng.choices(kinds, cum_weights=cumulative)[0]
        yield pool.message(kind, rng, i)


class _Pool:
    def __init__(self, seed: int, count: int, start: datetime) -> None:
        rng = Random(f"{seed}/pool")
        self.start_us = to_us(start)
        crowd = people(seed, count, self.start_us - 400 * DAY, CLEAN)[:count]
        self.count = len(crowd)
        self.long_pid = [_long_pid(p) for p in crowd]
        self.pid = [_pid(p) for p in crowd]
        self.lab_pid = [_lab_pid(p) for p in crowd]
        staff = clinicians(seed)
        self.staff = [f"{c.number}^{c.family}^{c.given}^^^Dr^{c.degree}^^SGH^L^^^EI" for c in staff]
        self.lab_staff = [f"{c.number}^{fold(c.family)}^{fold(c.given)}^^^Dr" for c in staff]
        self.wards = [f"{w}^{r:02d}^{b}^SGH" for w in ("3WEST", "4EAST", "ICU", "PEDS")
                      for r in range(1, 13) for b in "AB"]  # fmt: skip
        self.reasons = [f"{code}^{text}^I10" for code, text in DIAGNOSES.values()]
        self.drugs = [
            f"{d.key}^{d.text}^SGHFORM^{d.rxnorm}^{d.text}^RXNORM" if d.rxnorm
            else f"{d.key}^{d.text}^SGHFORM" for d in FORMULARY.values()
            if d.key not in RARE_DRUGS
        ]  # fmt: skip
        self.tests = list(TESTS)
        self.obx = {t: [_obx(rng, t) for _ in range(_VARIANTS)] for t in self.tests}
        #: per patient: the number of the open visit, 0 while there is none
        self.visit = [0] * self.count
        self.inside: list[int] = []  #: patients with an open visit
        self.opened = [""] * self.count
        self.visits = 0
        self.write: dict[str, Callable[[Random, int, int, str, str], tuple[str, str]]] = {
            "ADT": self._adt, "ORU": self._oru, "ORM": self._orm, "RDE": self._rde,
            "RAS": self._ras, "MDM": self._mdm, "SIU": self._siu, "DFT": self._dft,
            "VXU": self._vxu,
        }  # fmt: skip

    def message(self, kind: str, rng: Random, i: int) -> SimMessage:
        at_us = self.start_us + i * SECOND
        now = local(at_us).strftime("%Y%m%d%H%M%S")
        control = f"{kind}{i:010d}"
        trigger, text = self.write[kind](rng, self._whom(kind, rng), i, now, control)
        feed = _FEED[kind]
        body = text.encode("iso-8859-1" if feed == "lab" else "utf-8")
        return SimMessage(feed, at_us, at_us, Format.HL7V2, body, trigger, control, "")

    def _whom(self, kind: str, rng: Random) -> int:
        """Mostly somebody who is in the house; for ADT once the house is as full as usual."""
        here = self.inside
        full = kind != "ADT" or len(here) * _BEDS_SHARE > self.count
        if here and full and rng.random() < _INSIDE:
            return here[int(rng.random() * len(here))]
        return int(rng.random() * self.count)

    def _pv1(self, p: int, who: str, where: str, end: str = "") -> str:
        number = self.visit[p]
        if not number:
            return "PV1|1|U"
        return (
            f"PV1|1|I|{where}|U|||{who}|||MED|||||||||V{number:09d}^^^{_OID}^VN"
            f"|||||||||||||||||{'01' if end else ''}||||||||{self.opened[p]}|{end}"
        )

    def _adt(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        draw, end = rng.random(), ""
        if not self.visit[p]:
            event, structure = "A01", "ADT_A01"
            self.visits += 1
            self.visit[p], self.opened[p] = self.visits, f"{now}-0700"
            self.inside.append(p)
        elif draw < 0.6:
            event, structure = "A08", "ADT_A01"
        elif draw < 0.75:
            event, structure = "A02", "ADT_A02"
        else:
            event, structure, end = "A03", "ADT_A03", f"{now}-0700"
        reason, who = rng.choice(self.reasons), rng.choice(self.staff)
        text = (
            f"MSH|^~\\&|SALTREG|SGH|CHARTLOOM|SGH|{now}-0700||ADT^{event}^{structure}|{control}|P"
            f"|2.5.1||||||UNICODE UTF-8\rEVN|{event}|{now}-0700|||REG01^Desk\r{self.long_pid[p]}\r"
            f"{self._pv1(p, who, rng.choice(self.wards), end)}\rPV2|||{reason}\r"
            f"DG1|1||{reason}||{now[:12]}-0700|{'F' if end else 'W'}|||||||||1\r"
            f"ZVI|{self.visit[p]}|TRIAGE^{i % 5 + 1}\r"
        )
        if end:
            self.visit[p] = 0
            self.inside.remove(p)
        return f"ADT^{event}", text

    def _oru(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        who = rng.choice(self.lab_staff)
        tests = rng.sample(self.tests, rng.choice(_RESULTS))
        obx = "".join(
            f"OBX|{k}|NM|{self.obx[t][int(rng.random() * _VARIANTS)]}{now[:12]}|MLAB\r"
            for k, t in enumerate(tests, 1)
        )
        return "ORU^R01", (
            f"MSH|^~\\&|MERIDIAN LIS|MLAB|CHARTLOOM|SGH|{now}||ORU^R01|{control}|P|2.3.1\r"
            f"{self.lab_pid[p]}\r{self._pv1(p, who, rng.choice(self.wards))}\r"
            f"OBR|1|ORD{i:09d}|MER{i:09d}|PANEL^Chemistry panel^L^24323-8^Chemistry panel^LN"
            f"|||{now[:12]}|||||||{now[:12]}|SER^Serum|{who}||||||{now}||LAB|F\r{obx}"
        )

    def _orm(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        who = rng.choice(self.staff)
        return "ORM^O01", (
            f"MSH|^~\\&|SALTORDERS|SGH|CHARTLOOM|SGH|{now}-0700||ORM^O01^ORM_O01|{control}|P|2.5\r"
            f"{self.pid[p]}\r{self._pv1(p, who, rng.choice(self.wards))}\r"
            f"ORC|NW|ORD{i:09d}^SALTORDERS|||IP||||{now}-0700|||{who}\r"
            f"OBR|1|ORD{i:09d}^SALTORDERS||CBC^Complete blood count^L^58410-2^Complete blood count"
            f"^LN|R|{now}-0700||||||||||{who}\r"
        )

    def _rde(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        who, drug = rng.choice(self.staff), rng.choice(self.drugs)
        return "RDE^O11", (
            f"MSH|^~\\&|DISPENSARY|SGH|CHARTLOOM|SGH|{now}-0700||RDE^O11^RDE_O11|{control}|P|2.5\r"
            f"{self.pid[p]}\r{self._pv1(p, who, rng.choice(self.wards))}\r"
            f"ORC|NW|RX{i:09d}^DISPENSARY|||IP||||{now}-0700|||{who}\r"
            f"RXE||{drug}|1||mg^mg^UCUM|TAB^Tablet|^1 mg BID|||30|TAB^Tablet|11|||RX{i:09d}\r"
            f"TQ1|1||BID||||{now}-0700||R\rRXR|PO^Oral^HL70162\r"
        )

    def _ras(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        return "RAS^O17", (
            f"MSH|^~\\&|DISPENSARY|SGH|CHARTLOOM|SGH|{now}-0700||RAS^O17^RAS_O17|{control}|P|2.5\r"
            f"{self.pid[p]}\rORC|RE|RX{i:09d}^DISPENSARY|AD{i:09d}^DISPENSARY||IP\r"
            f"RXA|0|1|{now}-0700|{now}-0700|{rng.choice(self.drugs)}|1|mg^mg^UCUM|||||||||||||CP|A\r"
            f"RXR|PO^Oral^HL70162\r"
        )

    def _mdm(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        who = rng.choice(self.staff)
        lines = "".join(
            f"OBX|{k}|TX|18842-5^Discharge summary^LN||{line}||||||F\r"
            for k, line in enumerate(_NOTE, 1)
        )
        return "MDM^T02", (
            f"MSH|^~\\&|SCRIBE|SGH|CHARTLOOM|SGH|{now}-0700||MDM^T02^MDM_T02|{control}|P|2.5"
            f"||||||UNICODE UTF-8\rEVN|T02|{now}-0700\r{self.pid[p]}\r"
            f"{self._pv1(p, who, rng.choice(self.wards))}\r"
            f"TXA|1|18842-5^Discharge summary^LN|TX|{now}-0700|{who}|{now}-0700|||{who}|||"
            f"DOC{i:09d}^SCRIBE|||||AU||AV\r{lines}"
        )

    def _siu(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        event = rng.choice(("S12", "S12", "S14", "S15"))
        status = {"S12": "Booked", "S14": "Complete", "S15": "Cancelled"}[event]
        pid = self.pid[p].translate(_SCHEDULING)
        return f"SIU^{event}", (
            f"MSH|$%~*|CALENDAR|SGH|CHARTLOOM|SGH|{now}-0700||SIU${event}|{control}|P|2.3\r"
            f"SCH|AP{i:09d}$CALENDAR|AP{i:09d}$CALENDAR||||ROUTINE$Routine|Z00.00$Examination$I10"
            f"|Normal|30|min$minutes|$$30${now}-0700${now}-0700||||||||||||||{status}\r"
            f"{pid}\rRGS|1|A\rAIS|1|A|FAMMED$Visit$L|{now}-0700|||30|min\r"
        )

    def _dft(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        who = rng.choice(self.staff)
        return "DFT^P03", (
            f"MSH|^~\\&|LEDGER|SGH|CHARTLOOM|SGH|{now}||DFT^P03|{control}|P|2.3\r"
            f"EVN|P03|{now}\r{self.pid[p]}\r{self._pv1(p, who, rng.choice(self.wards))}\r"
            f"FT1|1|C{i:09d}||{now}|{now}|CG|99283^Emergency visit, level 3^C4|||1|388.40\r"
        )

    def _vxu(self, rng: Random, p: int, i: int, now: str, control: str) -> tuple[str, str]:
        vaccine = f"{INFLUENZA.cvx}^{INFLUENZA.text}^CVX"
        return "VXU^V04", (
            f"MSH|^~\\&|SALTVAX|SGH|CHARTLOOM|SGH|{now}-0700||VXU^V04^VXU_V04|{control}|P|2.5.1"
            f"||||||UNICODE UTF-8\r{self.long_pid[p]}\rORC|RE||IM{i:09d}^SALTVAX\r"
            f"RXA|0|1|{now}-0700|{now}-0700|{vaccine}|0.5|mL^^UCUM||00^New record^NIP001||||||"
            f"SIM{i % 9999:04d}A||{INFLUENZA.manufacturer[0]}^^MVX|||CP|A\r"
            f"RXR|IM^Intramuscular^HL70162|LA^Left arm^HL70163\r"
        )


_NOTE: Final = (
    "Admitted with shortness of breath after several days of cough.",
    "Course: treated with albuterol \\T\\ oral steroids; weaned over two days.",
    "Follow-up with the lung clinic within two weeks; inhaler technique reviewed.",
)
_SCHEDULING: Final = str.maketrans({"^": "$", "~": "%", "&": "*", "\\": "~"})


def _name(person: Person) -> str:
    d = person.demographics
    return f"{d.family}^{d.given}^{d.second}^^^^L"


def _pid(person: Person) -> str:
    d = person.demographics
    return f"PID|1||{person.mrn}^^^{_OID}^MR^SGH||{_name(person)}||{d.birth_date}|{d.sex}"


def _long_pid(person: Person) -> str:
    d = person.demographics
    street = d.street.replace("&", "\\T\\")
    phones = "~".join(f"{p}^PRN^PH" for p in d.phones)
    return (
        f"{_pid(person)}|||{street}^^{d.city}^{d.state}^{d.postal_code}^USA^H||{phones}"
        f"||{d.language}^^ISO6392|{d.marital}^^HL70002||||||||||||||||"
    )


def _lab_pid(person: Person) -> str:
    d = person.demographics
    name = f"{fold(d.family)}^{fold(d.given)}".upper().encode("iso-8859-1", "replace")
    return (
        f"PID|1|{person.mrn}|{person.mrn}^^^{_OID}^MR~M{person.index:08d}^^^MERIDIAN^PI||"
        f"{name.decode('iso-8859-1')}||{d.birth_date}|{d.sex}"
    )


def _obx(rng: Random, name: str) -> str:
    t = TESTS[name]
    x = max(t.low * 0.4, rng.gauss(t.mean, t.sd * 2))
    value = f"{x:.{t.decimals}f}"
    flag = "L" if float(value) < t.low else "H" if float(value) > t.high else "N"
    return (
        f"{name}^{t.text}^L^{t.loinc}^{t.text}^LN||{value}|{t.local_unit}"
        f"|{t.low:.{t.decimals}f}-{t.high:.{t.decimals}f}|{flag}|||F|||"
    )
