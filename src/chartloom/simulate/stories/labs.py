"""Orders, results and vital signs: values that fit the patient, delays that fit the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import msgspec
from msgspec.structs import replace

from chartloom.simulate.catalog import CULTURE, PANELS, SUSCEPTIBILITY, TESTS, VITALS, Panel, Test
from chartloom.simulate.facts import Order, Result
from chartloom.simulate.patient import Patient
from chartloom.simulate.stories.visit import Visit
from chartloom.simulate.times import HOUR, MINUTE, SECOND, between

#: Shifts of a test's mean, in standard deviations.
Shift = Mapping[str, float]

_ORGANISMS = (
    "Escherichia coli",
    "Klebsiella pneumoniae",
    "Staphylococcus aureus",
    "Streptococcus pneumoniae",
)


class Request(msgspec.Struct, frozen=True):
    """Who wants a panel, for which visit."""

    panel: str
    at_us: int
    orderer: int
    visit: str = ""
    mrn: str = ""
    priority: str = "R"


def for_visit(visit: Visit, panel: str, at_us: int, priority: str = "S") -> Request:
    """A request made during a visit."""
    return Request(panel, at_us, visit.attending, visit.number, visit.mrn, priority)


def order(patient: Patient, rng: Random, request: Request, shift: Shift) -> None:
    """Plans the order, its results, and everything that may go wrong with them."""
    panel = PANELS[request.panel]
    placed = Order(
        placer=patient.number("ORD"),
        panel=panel.local,
        status="active",
        at_us=request.at_us,
        orderer=request.orderer,
        priority=request.priority,
        visit=request.visit,
    )
    trigger = "OML^O21" if panel.local == "BCX" else "ORM^O01"
    patient.emit(request.at_us, "orders", trigger, placed, mrn=request.mrn)
    if rng.random() < 0.02:
        later_us = request.at_us + 9 * MINUTE
        cancelled = replace(placed, status="cancelled")
        patient.emit(later_us, "orders", trigger, cancelled, mrn=request.mrn)
        return
    drawn_us = request.at_us + between(rng, 4 * MINUTE, 25 * MINUTE)
    final_us = drawn_us + between(rng, *(m * MINUTE for m in panel.turnaround))
    if rng.random() < patient.rates.wrong_patient:
        _wrong_patient(patient, rng, panel, request, drawn_us)
    report = _Report(patient, rng, panel, placed, drawn_us, request.mrn)
    if panel.local == "BCX":
        report.culture(final_us, shift)
    else:
        report.chemistry(final_us, shift)
    done = replace(placed, status="completed")
    patient.emit(final_us + 2 * MINUTE, "orders", trigger, done, mrn=request.mrn)


class _Report:
    def __init__(
        self, patient: Patient, rng: Random, panel: Panel, order: Order, drawn_us: int, mrn: str
    ) -> None:
        self.patient, self.rng, self.panel, self.mrn = patient, rng, panel, mrn
        self.order, self.drawn_us = order, drawn_us
        self.filler = patient.number("MER")
        self.now: list[Result] = []

    def say(self, at_us: int, status: str, changed: Mapping[str, str] | None = None) -> None:
        """One ORU; ``changed`` holds new values by test, other values stand as they were."""
        results = []
        for r in self.now:
            value = (changed or {}).get(r.test, r.value)
            own = status if changed is None or r.test in changed else r.status
            flag = r.flag if value == r.value else _flag(TESTS[r.test], value)
            history = (*r.revisions, (at_us, own, value))
            results.append(
                replace(r, value=value, status=own, flag=flag, reported_us=at_us, revisions=history)
            )
        self.now = results
        self.patient.emit(at_us, "lab", "ORU^R01", *results, mrn=self.mrn)

    def result(self, test: Test, value: str, sub_id: str = "", note: str = "") -> Result:
        flag = _flag(test, value)
        if flag in ("H", "L") and self.rng.random() < self.patient.rates.contradiction:
            flag = "N"
        return Result(
            filler=self.filler,
            placer=self.order.placer,
            panel=self.panel.local,
            test=test.local,
            sub_id=sub_id,
            value=value,
            unit=test.local_unit,
            flag=flag,
            reference=reference(test),
            status="F",
            observed_us=self.drawn_us,
            reported_us=0,
            note=note,
            visit=self.order.visit,
        )

    def chemistry(self, final_us: int, shift: Shift) -> None:
        rng = self.rng
        values = {t: measure(self.patient, rng, TESTS[t], shift) for t in self.panel.tests}
        self.now = [
            self.result(TESTS[t], v, note=_note(rng, TESTS[t], v)) for t, v in values.items()
        ]
        if rng.random() < 0.12:
            self.say(final_us - (final_us - self.drawn_us) // 3 // SECOND * SECOND, "P")
        self.say(final_us, "F")
        if rng.random() < self.patient.rates.correction:
            test = rng.choice(self.panel.tests)
            right = measure(self.patient, rng, TESTS[test], shift)
            if right != values[test]:
                self.say(final_us + between(rng, 20 * MINUTE, 30 * HOUR), "C", {test: right})

    def culture(self, final_us: int, shift: Shift) -> None:
        rng = self.rng
        self.now = [self.result(CULTURE, "No growth at 24 hours", "1")]
        self.say(self.drawn_us + 24 * HOUR, "P")
        if rng.random() >= shift.get("BCX", 0.1):
            self.now = [replace(self.now[0], value="No growth at 5 days", flag="")]
            self.say(max(final_us, self.drawn_us + 120 * HOUR), "F")
            return
        organism = rng.choice(_ORGANISMS)
        note = "Called to the ward & read back.\nGram stain: see separate report."
        self.now = [replace(self.now[0], value=organism, flag="A", note=note)]
        for local, text, loinc in SUSCEPTIBILITY:
            test = Test(local, text, loinc, "", "", 0, 0, 0, 0, 0)
            letter = rng.choice("SSSIR")
            item = self.result(test, letter, "1")
            self.now.append(replace(item, flag=letter))
        self.say(max(final_us, self.drawn_us + 40 * HOUR), "F")


def _wrong_patient(
    patient: Patient, rng: Random, panel: Panel, request: Request, drawn_us: int
) -> None:
    """Somebody else's results are filed here, and withdrawn when the laboratory notices."""
    if panel.local == "BCX":
        return
    nobody = Order("", panel.local, "active", drawn_us, request.orderer, "R")
    report = _Report(patient, rng, panel, nobody, drawn_us, request.mrn)
    report.now = [
        report.result(TESTS[t], measure(patient, rng, TESTS[t], {t: 1.0})) for t in panel.tests
    ]
    report.say(drawn_us + 30 * MINUTE, "F")
    report.say(drawn_us + between(rng, HOUR, 9 * HOUR), "W")


def vitals(
    patient: Patient, rng: Random, at_us: int, shift: Shift, names: Sequence[str], visit: Visit
) -> None:
    """One set of vital signs from the ward's monitors."""
    filler = patient.number("MON")
    results = []
    for name in names:
        test = at_age(VITALS[name], patient.age_days(at_us))
        value = measure(patient, rng, test, shift)
        results.append(
            Result(
                filler=filler,
                placer="",
                panel="VITALS",
                test=name,
                sub_id="",
                value=value,
                unit=test.unit,
                flag=_flag(test, value),
                reference=reference(test),
                status="F",
                observed_us=at_us,
                reported_us=at_us + 20 * SECOND,
                revisions=((at_us, "F", value),),
                feed="vitals",
                visit=visit.number,
            )
        )
    patient.emit(at_us + 20 * SECOND, "vitals", "ORU^R01", *results, mrn=visit.mrn)


def measure(patient: Patient, rng: Random, test: Test, shift: Shift) -> str:
    own = Random(f"{patient.person.mrn}/{test.local}").gauss(0, 0.9)
    z = own + shift.get(test.local, 0.0) + rng.gauss(0, 0.7)
    x = test.mean + z * test.sd
    if test.local == "SPO2":
        x = min(x, 100)
    return f"{max(x, test.low * 0.2):.{test.decimals}f}"


#: (age in years below which it holds, test, low, high)
_CHILDREN = (
    (2, "HR", 100, 160), (6, "HR", 80, 130), (12, "HR", 70, 115),
    (2, "RR", 24, 40), (6, "RR", 20, 30), (12, "RR", 16, 25),
    (6, "SBP", 80, 110), (12, "SBP", 85, 120), (6, "DBP", 45, 70), (12, "DBP", 50, 78),
)  # fmt: skip


def at_age(test: Test, age_days: int) -> Test:
    """The test with the reference range of that age; weight and height have none."""
    years = max(age_days, 0) / 365
    if test.local in ("WT", "HT"):
        grown = min(years, 18)
        mean = 3.4 + 3.7 * grown if test.local == "WT" else 52 + 6.6 * grown
        return replace(test, mean=mean, sd=mean * 0.06, low=0, high=0)
    for below, name, low, high in _CHILDREN:
        if name == test.local and years < below:
            return replace(test, low=low, high=high, mean=(low + high) / 2, sd=(high - low) / 5)
    return test


def _flag(test: Test, value: str) -> str:
    """HL7 table 0078; "N" within the range, "" where there is none."""
    if test.high <= test.low:
        return ""
    x, span = float(value), test.high - test.low
    if x < test.low:
        return "LL" if x < test.low - span else "L"
    if x > test.high:
        return "HH" if x > test.high + span else "H"
    return "N"


def reference(test: Test) -> str:
    """The range as this house writes it, "" where there is none."""
    if test.high <= test.low:
        return ""
    return f"{test.low:.{test.decimals}f}-{test.high:.{test.decimals}f}"


def _note(rng: Random, test: Test, value: str) -> str:
    if test.local == "K" and float(value) > test.high:
        return "Specimen slightly hemolyzed; interpret with care."
    if test.local == "A1C" and rng.random() < 0.3:
        return "Target for most adults with diabetes: < 7.0 %\nSee ADA & local guideline."
    return ""
