"""Registration and bed management: ADT in 2.5.1, UTF-8, times with offset, Z-segments."""

from __future__ import annotations

from typing import Final

from chartloom.simulate.dialects import common
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Allergy, Encounter, Identifier, Problem
from chartloom.simulate.times import DAY
from chartloom.simulate.writer import NULL, Dialect, Value, Writer

DIALECT: Final = Dialect(
    application="SALTREG",
    facility="SGH",
    version="2.5.1",
    declared="UNICODE UTF-8",
    padded={"PID": 32, "PV1": 50, "PD1": 12},
)
WRITER: Final = Writer(DIALECT)

_STRUCTURE: Final = {
    "A01": "ADT_A01", "A04": "ADT_A01", "A08": "ADT_A01", "A13": "ADT_A01", "A05": "ADT_A05",
    "A28": "ADT_A05", "A31": "ADT_A05", "A02": "ADT_A02", "A03": "ADT_A03", "A06": "ADT_A06",
    "A07": "ADT_A06", "A11": "ADT_A09", "A12": "ADT_A12", "A40": "ADT_A39", "A60": "ADT_A60",
}  # fmt: skip
_ADMISSION_TYPE: Final = {"E": "E", "I": "U", "O": "R", "P": "L"}
_STATUS: Final = {"active": "C", "inactive": "I", "entered-in-error": "E"}


def render(scene: Scene) -> bytes:
    """Any ADT."""
    event = scene.event.trigger[4:]
    segments = [_header(scene, event)]
    if event == "A40":
        segments += _merge(scene)
    elif event == "A60":
        segments += _allergies(scene)
    elif event in ("A28", "A31"):
        segments += _person(scene)
    else:
        segments += _visit(scene, event)
    return WRITER.encode(segments)


def _header(scene: Scene, event: str) -> str:
    w = WRITER
    head = w.header(
        common.message_type(scene.event.trigger, _STRUCTURE[event]),
        scene.control_id,
        scene.event.at_us,
    )
    occurred: Value = None
    if scene.has(Encounter):
        encounter = scene.fact(Encounter)
        occurred = w.timestamp(encounter.end_us or encounter.start_us) or None
    evn = w.segment(
        "EVN", {1: event, 2: w.timestamp(scene.event.at_us), 5: ("REG01", "Desk"), 6: occurred}
    )
    return f"{head}\r{evn}"


def _person(scene: Scene) -> list[str]:
    w = WRITER
    problems = [p for p in scene.patient.problems.values() if p.feed == "adt"]
    return [
        common.pid(w, scene),
        *_next_of_kin(scene),
        w.segment("PV1", {1: 1, 2: "N"}),
        *_allergy_list(scene),
        *(_problem(i, p) for i, p in enumerate(problems, 1)),
        *_insurance(scene),
        _zpi(scene),
    ]


def _problem(index: int, problem: Problem) -> str:
    return WRITER.segment(
        "DG1",
        {1: index, 3: common.icd(problem.code, problem.text), 5: problem.onset, 6: "W"},
    )


def _visit(scene: Scene, event: str) -> list[str]:
    w, encounter = WRITER, scene.fact(Encounter)
    extra: dict[int, Value] = {4: _ADMISSION_TYPE[encounter.patient_class]}
    if event == "A02" and len(encounter.stays) > 1:
        before = encounter.stays[-2]
        extra[6] = common.place(before.unit, before.room, before.bed)
    if event == "A13" and encounter.visit[-1] in "02468":
        extra[36], extra[45] = NULL, NULL  # this desk clears; the other leaves them out
    segments = [
        common.pid(w, scene, account=encounter.visit),
        *(_next_of_kin(scene) if event in ("A01", "A04", "A05") else []),
        common.pv1(w, scene, encounter, extra),
    ]
    reason = (encounter.reason_code, encounter.reason_text, "I10")
    expected = w.minute(encounter.expected_us) or None
    segments.append(w.segment("PV2", {3: reason, 8: expected}))
    if event in ("A01", "A04", "A05", "A08", "A06"):
        segments += _allergy_list(scene)
    for i, (code, text, kind) in enumerate(encounter.diagnoses, 1):
        when = w.minute(scene.event.at_us)
        segments.append(
            w.segment("DG1", {1: i, 3: common.icd(code, text), 5: when, 6: kind, 15: i})
        )
    if event in ("A01", "A04"):
        segments += _insurance(scene)
    segments.append(
        w.segment("ZVI", {1: encounter.visit, 2: ("TRIAGE", str(2 + ord(event[-1]) % 3))})
    )
    return segments


def _next_of_kin(scene: Scene) -> list[str]:
    mother, w = scene.patient.mother, WRITER
    if mother is not None:
        d = mother.demographics
        who: Value = (d.family, d.given, None, None, None, None, "L")
        return [w.segment("NK1", {1: 1, 2: who, 3: ("MTH", "Mother", "HL70063"),
                                  4: common.address(scene)})]  # fmt: skip
    own = scene.patient.demographics
    if scene.patient.age_days(scene.event.at_us) < 18 * 365:
        kin: Value = (own.family, "Parent", None, None, None, None, "L")
        phones = scene.patient.demographics.phones[:1]
        return [
            w.segment(
                "NK1",
                {
                    1: 1,
                    2: kin,
                    3: ("PAR", "Parent", "HL70063"),
                    4: common.address(scene),
                    5: (phones[0], "PRN", "PH") if phones else None,
                },
            )
        ]
    return []


def _allergy_list(scene: Scene) -> list[str]:
    listed = [a for a in scene.patient.allergies.values() if a.feed == "adt"]
    return [
        WRITER.segment(
            "AL1",
            {
                1: i,
                2: (a.type, None, "HL70127"),
                3: (a.code, a.text, a.system),
                4: (a.severity, None, "HL70128") if a.severity else None,
                5: a.reaction or None,
                6: WRITER.day(a.since_us),
            },
        )
        for i, a in enumerate(listed, 1)
    ]


def _allergies(scene: Scene) -> list[str]:
    segments = [common.pid(WRITER, scene)]
    for i, a in enumerate(scene.facts(Allergy), 1):
        segments.append(
            WRITER.segment(
                "IAM",
                {
                    1: i,
                    2: (a.type, None, "HL70127"),
                    3: (a.code, a.text, a.system),
                    4: (a.severity, None, "HL70128") if a.severity else None,
                    5: a.reaction or None,
                    6: ("A" if a.status == "active" else "U", None, "HL70323"),
                    7: (f"{scene.patient.person.mrn}-{a.code}", "SGH"),
                    11: WRITER.day(a.since_us),
                    13: WRITER.timestamp(scene.event.at_us),
                    17: (_STATUS[a.status], None, "HL70438"),
                },
            )
        )
    return segments


def _insurance(scene: Scene) -> list[str]:
    index = scene.patient.person.index
    if index % 9 == 0:
        return []
    plan = ("SIMHEALTH", "SIMCARE", "SIMAID")[index % 3]
    d = scene.patient.demographics
    return [
        WRITER.segment(
            "IN1",
            {
                1: 1,
                2: (f"{plan}1", f"{plan.title()} Standard", "SGHPLAN"),
                3: f"{plan}",
                4: f"{plan.title()} & Partners (simulated)",
                8: f"G{index % 97:04d}",
                12: WRITER.day(d.since_us - 200 * DAY),
                16: common.name(scene),
                17: ("SEL", "Self", "HL70063"),
                36: f"SIMINS{index:07d}",
            },
        )
    ]


def _zpi(scene: Scene) -> str:
    person = scene.patient.person
    return WRITER.segment("ZPI", {1: 1, 2: ("PORTAL", "Y" if person.index % 3 else "N"), 4: "WEB"})


def _merge(scene: Scene) -> list[str]:
    old = scene.fact(Identifier)
    return [
        common.pid(WRITER, scene),
        WRITER.segment(
            "MRG",
            {1: (old.value, None, None, common.HOUSE, "MR", "SGH"), 7: common.name(scene)},
        ),
    ]
