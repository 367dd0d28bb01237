"""Nouns of simulated histories: diseases and substances, habits, what was sent, what is so."""

from __future__ import annotations

from typing import Final

import msgspec

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format

#: The feeds; house and billing number people together.
FEEDS: Final[dict[str, Feed]] = {
    name: Feed(
        name=name, department=name, owner=name, source="http", format=format,
        mapping=format.value, namespace=space, zone="UTC",
    )
    for name, format, space in (
        ("house", Format.HL7V2, "histories-house"),
        ("billing", Format.HL7V2, "histories-house"),
        ("clinic", Format.FHIR, "histories-clinic"),
        ("practice", Format.FHIR, "histories-practice"),
    )
}  # fmt: skip


class Disease(msgspec.Struct, frozen=True):
    """A disease. key: as ``conditions.csv`` names it. codes: (ICD-10, words), any may be used.

    lasts: (fewest, most) days; (0, 0) for one that stays. lab: (LOINC, unit, value if ill, if not).
    """

    key: str
    codes: tuple[tuple[str, str], ...]
    lasts: tuple[int, int] = (0, 0)
    drug: str = ""
    lab: tuple[str, str, float, float] | None = None


CHRONIC: Final = (
    Disease("diabetes-2", (("E11.9", "Type 2 diabetes"), ("E11.65", "Diabetes, hyperglycemia")),
            drug="Metformin 500 mg tablet", lab=("4548-4", "%", 7.8, 5.3)),
    Disease("hypertension", (("I10", "Essential hypertension"),), drug="Lisinopril 10 mg tablet",
            lab=("8480-6", "mm[Hg]", 151, 122)),
    Disease("hyperlipidemia", (("E78.5", "Hyperlipidemia"), ("E78.00", "Hypercholesterolemia")),
            drug="Atorvastatin 20 mg tablet", lab=("2093-3", "mg/dL", 251, 172)),
    Disease("asthma", (("J45.40", "Asthma, moderate"), ("J45.20", "Asthma, mild")),
            drug="Albuterol 90 mcg inhaler"),
    Disease("heart-failure", (("I50.9", "Heart failure"), ("I50.22", "Systolic heart failure")),
            drug="Furosemide 40 mg tablet"),
    Disease("atrial-fibrillation", (("I48.91", "Atrial fibrillation"),),
            drug="Warfarin 5 mg tablet"),
    Disease("hypothyroidism", (("E03.9", "Hypothyroidism"),), drug="Levothyroxine 50 mcg tablet",
            lab=("3016-3", "m[IU]/L", 14, 2.1)),
    Disease("kidney-disease", (("N18.3", "Kidney disease, stage 3"), ("N18.9", "CKD")),
            lab=("33914-3", "mL/min/{1.73_m2}", 44, 92)),
    Disease("copd", (("J44.9", "COPD"), ("J44.1", "COPD with exacerbation")),
            drug="Tiotropium 18 mcg capsule"),
    Disease("depression", (("F33.1", "Depression, recurrent"), ("F32.9", "Depression")),
            drug="Sertraline 50 mg tablet"),
    Disease("icd10:G35", (("G35", "Multiple sclerosis"),)),
    Disease("icd10:K50", (("K50.90", "Crohn's disease"),)),
)  # fmt: skip
ACUTE: Final = (
    Disease("urinary-infection", (("N39.0", "Urinary tract infection"),), (5, 14)),
    Disease("pneumonia", (("J18.9", "Pneumonia"),), (14, 40)),
    Disease("cold", (("J06.9", "Upper respiratory infection"),), (5, 14)),
    Disease("back-pain", (("M54.50", "Low back pain"),), (10, 90)),
    Disease("sprain", (("S93.401A", "Sprain of ankle"),), (14, 50)),
    Disease("icd10:S52", (("S52.501A", "Fracture of radius"),), (40, 85)),
    Disease("cellulitis", (("L03.115", "Cellulitis of leg"),), (7, 21)),
)  # fmt: skip


class Substance(msgspec.Struct, frozen=True):
    """What somebody may be allergic to. written: how sources write it: (system, code, words)."""

    key: str
    written: tuple[tuple[str, str, str], ...]
    kind: str = "medication"


SUBSTANCES: Final = (
    Substance("penicillin-g", (("RXNORM", "7980", "Penicillin G"), ("", "", "PENICILLIN"),
                               ("", "", "pcn allergy"))),
    Substance("amoxicillin", (("RXNORM", "723", "Amoxicillin"), ("", "", "Amoxil"))),
    Substance("sulfamethoxazole", (("RXNORM", "10180", "Sulfamethoxazole"),)),
    Substance("sulfonamide-antibiotics", (("", "", "Sulfa drugs"), ("", "", "SULFA"))),
    Substance("aspirin", (("RXNORM", "1191", "Aspirin"), ("", "", "ASA"))),
    Substance("codeine", (("RXNORM", "2670", "Codeine"),)),
    Substance("peanut", (("SCT", "762952008", "Peanut"), ("", "", "Peanuts")), "food"),
    Substance("shellfish", (("SCT", "735029006", "Shellfish"), ("", "", "shrimp")), "food"),
    Substance("egg", (("", "", "Eggs"), ("SCT", "102263004", "Egg")), "food"),
    Substance("latex", (("SCT", "111088007", "Latex"), ("", "", "LATEX")), "environment"),
    Substance("grass-pollen", (("SCT", "256277009", "Grass pollen"),), "environment"),
)  # fmt: skip


class Habits(msgspec.Struct, frozen=True):
    """How people and systems behave; shares are probabilities.

    listed: true problems on a list of a source. copied: lists have them of another source. closed:
    ended problems that a list closes. billed_only: true problems that only bills name. tested:
    diseases per life that were looked for and not found; repeated: such codes billed again and
    again; suspected: said to be a suspicion. mislabelled: allergies that are none; cleared: of
    those, refuted or challenged by somebody; forwarded: a copy that is made after that. asked:
    "no known allergies" per life; careless: said of people who have some. outgrown: allergies.
    slips: per allergy, one of another substance that the house enters by mistake.
    """

    name: str
    listed: float = 0.65
    copied: float = 0.4
    closed: float = 0.45
    resolves: float = 0.08
    billed_only: float = 0.06
    treated: float = 0.75
    measured: float = 0.6
    acute: float = 2.0
    tested: float = 1.2
    repeated: float = 0.2
    suspected: float = 0.35
    mislabelled: float = 0.35
    cleared: float = 0.5
    forwarded: float = 0.08
    asked: float = 0.6
    careless: float = 0.06
    outgrown: float = 0.08
    slips: float = 0.06


#: Profiles. Seeds 1 to 3 of "usual" were looked at while the rules were written.
HABITS: Final[dict[str, Habits]] = {
    h.name: h
    for h in (
        Habits("usual"),
        Habits("orderly", listed=0.9, closed=0.85, billed_only=0.02, tested=0.6, suspected=0.8,
               mislabelled=0.2, cleared=0.8, careless=0.02),
        Habits("fragmented", listed=0.45, copied=0.55, closed=0.2, billed_only=0.12, tested=2.2,
               repeated=0.35, suspected=0.15, treated=0.6, measured=0.45, mislabelled=0.5,
               forwarded=0.2, careless=0.12),
    )
}  # fmt: skip


class Sent(msgspec.Struct, frozen=True):
    """One message."""

    feed: str
    at_us: int
    body: bytes


class Truth(msgspec.Struct, frozen=True):
    """What is so at the end: keys of the problems and allergies that the person really has."""

    problems: frozenset[str]
    allergies: frozenset[str]


class History(msgspec.Struct, frozen=True):
    """One person: everything that was sent, in order of time, and the truth."""

    person: int
    sent: tuple[Sent, ...]
    truth: Truth
