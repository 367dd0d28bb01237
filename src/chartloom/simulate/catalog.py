"""What the house can order, give and find: tests, drugs, vaccines, allergens, diagnoses.

Codes are real where a public system has one (LOINC, ICD-10-CM, CVX, RxNorm); local codes are made
up. Only a small part of the drugs carries RxNorm, as in many hospitals.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Test(msgspec.Struct, frozen=True):
    """A test of the laboratory or of the ward's monitors.

    mean, sd: of a healthy adult. local_unit: the spelling this laboratory writes. decimals: digits
    after the point, always written (1.50 stays 1.50).
    """

    local: str
    text: str
    loinc: str
    unit: str
    local_unit: str
    low: float
    high: float
    decimals: int
    mean: float
    sd: float


def _t(
    local: str, text: str, loinc: str, unit: str, low: float, high: float, decimals: int,
    local_unit: str = "",
) -> Test:  # fmt: skip
    mean, sd = (low + high) / 2, (high - low) / 4
    return Test(local, text, loinc, unit, local_unit or unit, low, high, decimals, mean, sd)


TESTS: Final[dict[str, Test]] = {
    t.local: t
    for t in (
        _t("WBC", "White blood cells", "6690-2", "10*3/uL", 4.0, 11.0, 1, "K/uL"),
        _t("RBC", "Red blood cells", "789-8", "10*6/uL", 4.0, 5.6, 2, "M/uL"),
        _t("HGB", "Hemoglobin", "718-7", "g/dL", 12.0, 16.5, 1),
        _t("HCT", "Hematocrit", "4544-3", "%", 36.0, 49.0, 1),
        _t("PLT", "Platelets", "777-3", "10*3/uL", 150, 400, 0, "K/uL"),
        _t("NA", "Sodium", "2951-2", "mmol/L", 135, 145, 0),
        _t("K", "Potassium", "2823-3", "mmol/L", 3.5, 5.1, 1),
        _t("CL", "Chloride", "2075-0", "mmol/L", 98, 107, 0),
        _t("CO2", "Carbon dioxide, total", "2028-9", "mmol/L", 22, 29, 0),
        _t("BUN", "Urea nitrogen", "3094-0", "mg/dL", 7, 20, 0),
        _t("CREA", "Creatinine", "2160-0", "mg/dL", 0.5, 1.2, 2),
        _t("GLU", "Glucose", "2345-7", "mg/dL", 70, 99, 0),
        _t("CA", "Calcium", "17861-6", "mg/dL", 8.5, 10.5, 1),
        _t("ALT", "Alanine aminotransferase", "1742-6", "U/L", 7, 45, 0, "IU/L"),
        _t("AST", "Aspartate aminotransferase", "1920-8", "U/L", 8, 40, 0, "IU/L"),
        _t("TBIL", "Bilirubin, total", "1975-2", "mg/dL", 0.1, 1.2, 1),
        _t("A1C", "Hemoglobin A1c", "4548-4", "%", 4.0, 5.6, 1),
        _t("HIVVL", "HIV-1 RNA viral load", "20447-9", "{copies}/mL", 0, 50, 0, "cp/mL"),
        _t("CD4", "CD4 T-cell count", "24467-3", "/uL", 500, 1500, 0),
        _t("LACT", "Lactate", "2524-7", "mmol/L", 0.5, 2.0, 1),
        _t("CRP", "C-reactive protein", "1988-5", "mg/L", 0.0, 5.0, 1),
        _t("CHOL", "Cholesterol", "2093-3", "mg/dL", 110, 199, 0),
        _t("TRIG", "Triglycerides", "2571-8", "mg/dL", 40, 149, 0),
        _t("HDL", "HDL cholesterol", "2085-9", "mg/dL", 40, 80, 0),
        _t("INR", "INR", "6301-6", "{INR}", 0.9, 1.1, 1, "ratio"),
        _t("PCO2", "pCO2", "11557-6", "mm[Hg]", 35, 45, 0, "mmHg"),
        _t("PH", "pH", "2744-1", "[pH]", 7.35, 7.45, 2, "pH"),
    )
}

VITALS: Final[dict[str, Test]] = {
    t.local: t
    for t in (
        _t("TEMP", "Body temperature", "8310-5", "Cel", 36.1, 37.8, 1),
        _t("HR", "Heart rate", "8867-4", "/min", 60, 100, 0),
        _t("RR", "Respiratory rate", "9279-1", "/min", 12, 20, 0),
        _t("SBP", "Systolic blood pressure", "8480-6", "mm[Hg]", 95, 139, 0),
        _t("DBP", "Diastolic blood pressure", "8462-4", "mm[Hg]", 55, 89, 0),
        _t("SPO2", "Oxygen saturation", "59408-5", "%", 94, 100, 0),
        _t("WT", "Body weight", "29463-7", "kg", 45, 95, 1),
        _t("HT", "Body height", "8302-2", "cm", 150, 190, 0),
    )
}

#: The text-valued tests of microbiology.
CULTURE: Final = _t("BCX", "Bacteria identified in blood by culture", "600-7", "", 0, 0, 0)
SUSCEPTIBILITY: Final = (
    ("CRO", "Ceftriaxone susceptibility", "141-2"),
    ("CIP", "Ciprofloxacin susceptibility", "185-9"),
    ("GEN", "Gentamicin susceptibility", "267-5"),
)


class Panel(msgspec.Struct, frozen=True):
    """What is ordered as one thing. turnaround: minutes from collection to final, (low, high)."""

    local: str
    text: str
    loinc: str
    tests: tuple[str, ...]
    specimen: tuple[str, str]
    turnaround: tuple[int, int]


PANELS: Final[dict[str, Panel]] = {
    p.local: p
    for p in (
        Panel("CBC", "Complete blood count", "58410-2",
              ("WBC", "RBC", "HGB", "HCT", "PLT"), ("BLD", "Whole blood"), (25, 90)),
        Panel("BMP", "Basic metabolic panel", "51990-0",
              ("NA", "K", "CL", "CO2", "BUN", "CREA", "GLU", "CA"), ("SER", "Serum"), (35, 120)),
        Panel("HEP", "Hepatic function panel", "24325-3",
              ("ALT", "AST", "TBIL"), ("SER", "Serum"), (40, 180)),
        Panel("LIPID", "Lipid panel", "24331-1",
              ("CHOL", "TRIG", "HDL"), ("SER", "Serum"), (60, 600)),
        Panel("A1C", "Hemoglobin A1c", "4548-4", ("A1C",), ("BLD", "Whole blood"), (90, 900)),
        Panel("HIVM", "HIV monitoring", "75622-1",
              ("HIVVL", "CD4"), ("PLAS", "Plasma"), (600, 4000)),
        Panel("LACT", "Lactate", "2524-7", ("LACT",), ("PLAS", "Plasma"), (15, 45)),
        Panel("CRP", "C-reactive protein", "1988-5", ("CRP",), ("SER", "Serum"), (40, 120)),
        Panel("PT", "Prothrombin time", "5902-2", ("INR",), ("PLAS", "Plasma"), (40, 120)),
        Panel("BG", "Blood gas", "24338-6", ("PH", "PCO2"), ("BLDA", "Arterial blood"), (8, 25)),
        Panel("BCX", "Blood culture", "600-7", ("BCX",), ("BLD", "Whole blood"), (1500, 4300)),
    )
}  # fmt: skip


class Drug(msgspec.Struct, frozen=True):
    """One entry of the formulary. dose: usual single dose; unit in UCUM or as the house writes."""

    key: str
    text: str
    rxnorm: str
    dose: str
    dose_unit: str
    frequency: str
    route: tuple[str, str]
    form: tuple[str, str]
    quantity: int
    days_supply: int


_PO, _INH, _IV, _SC = ("PO", "Oral"), ("IH", "Inhalation"), ("IV", "Intravenous"), ("SC", "Sub-Q")
_TAB, _PUFF, _VIAL, _PEN = ("TAB", "Tablet"), ("AER", "Inhaler"), ("INJ", "Vial"), ("PEN", "Pen")

FORMULARY: Final[dict[str, Drug]] = {
    d.key: d
    for d in (
        Drug("D001", "Albuterol 90 mcg/actuation inhaler", "745679", "2", "puff", "Q4H PRN",
             _INH, _PUFF, 1, 30),
        Drug("D002", "Fluticasone 44 mcg/actuation inhaler", "895994", "2", "puff", "BID",
             _INH, _PUFF, 1, 30),
        Drug("D003", "Prednisone 20 mg tablet", "312615", "40", "mg", "DAILY", _PO, _TAB, 10, 5),
        Drug("D004", "Montelukast 5 mg chewable tablet", "", "5", "mg", "QHS", _PO, _TAB, 30, 30),
        Drug("D005", "Metformin 500 mg ER tablet", "860975", "500", "mg", "BID", _PO, _TAB, 60, 30),
        Drug("D006", "Insulin glargine 100 unit/mL pen", "", "12", "[iU]", "QHS",
             _SC, _PEN, 1, 30),
        Drug("D007", "Lisinopril 10 mg tablet", "314076", "10", "mg", "DAILY", _PO, _TAB, 30, 30),
        Drug("D008", "Amlodipine 5 mg tablet", "197361", "5", "mg", "DAILY", _PO, _TAB, 30, 30),
        Drug("D009", "Atorvastatin 20 mg tablet", "617310", "20", "mg", "QHS", _PO, _TAB, 30, 30),
        Drug("D010", "Furosemide 40 mg tablet", "313988", "40", "mg", "DAILY", _PO, _TAB, 30, 30),
        Drug("D011", "Warfarin 5 mg tablet", "855332", "5", "mg", "DAILY", _PO, _TAB, 30, 30),
        Drug("D012", "Metoprolol succinate 100 mg ER tablet", "866412", "100", "mg", "DAILY",
             _PO, _TAB, 30, 30),
        Drug("D013", "Ceftriaxone 1 g vial", "", "1", "g", "Q24H", _IV, _VIAL, 1, 1),
        Drug("D014", "Vancomycin 1 g vial", "", "1", "g", "Q12H", _IV, _VIAL, 2, 1),
        Drug("D015", "Sodium chloride 0.9 % 1000 mL", "", "1000", "mL", "ONCE",
             _IV, ("SOL", "Solution"), 1, 1),
        Drug("D016", "Amoxicillin 250 mg capsule", "308182", "500", "mg", "TID",
             _PO, ("CAP", "Capsule"), 42, 7),
        Drug("D017", "Acetaminophen 325 mg tablet", "313782", "650", "mg", "Q6H PRN",
             _PO, _TAB, 40, 10),
        Drug("D018", "Ibuprofen 200 mg tablet", "310965", "400", "mg", "Q8H PRN",
             _PO, _TAB, 30, 10),
        Drug("D019", "Prenatal vitamin tablet", "", "1", "tablet", "DAILY", _PO, _TAB, 90, 90),
        Drug("D020", "Donepezil 5 mg tablet", "", "5", "mg", "QHS", _PO, _TAB, 30, 30),
        Drug("D021", "Dolutegravir 50 mg tablet", "", "50", "mg", "DAILY", _PO, _TAB, 30, 30),
        Drug("D022", "Buprenorphine 8 mg / naloxone 2 mg sublingual tablet", "", "1", "tablet",
             "DAILY", _PO, _TAB, 30, 30),
        Drug("D023", "Sertraline 50 mg tablet", "", "50", "mg", "DAILY", _PO, _TAB, 90, 90),
    )
}  # fmt: skip
#: Those that few people take: not in the pool of load.
RARE_DRUGS: Final = frozenset(("D021", "D022", "D023"))


class Vaccine(msgspec.Struct, frozen=True):
    """A vaccine and the ages in days at which it is due."""

    cvx: str
    text: str
    manufacturer: tuple[str, str]
    due_days: tuple[int, ...]


VACCINES: Final = (
    Vaccine("08", "Hep B, adolescent or pediatric", ("SIMA", "Simulated Biologics A"),
            (1, 60, 180)),
    Vaccine("20", "DTaP", ("SIMB", "Simulated Biologics B"), (60, 120, 180, 480, 1480)),
    Vaccine("10", "IPV", ("SIMB", "Simulated Biologics B"), (60, 120, 240, 1480)),
    Vaccine("133", "Pneumococcal conjugate PCV 13", ("SIMA", "Simulated Biologics A"),
            (60, 120, 180, 390)),
    Vaccine("116", "Rotavirus, pentavalent", ("SIMA", "Simulated Biologics A"), (60, 120, 180)),
    Vaccine("03", "MMR", ("SIMC", "Simulated Biologics C"), (380, 1490)),
    Vaccine("21", "Varicella", ("SIMC", "Simulated Biologics C"), (385, 1495)),
    Vaccine("115", "Tdap", ("SIMB", "Simulated Biologics B"), (4050,)),
    Vaccine("165", "HPV9", ("SIMC", "Simulated Biologics C"), (4060, 4250)),
    Vaccine("187", "Zoster recombinant", ("SIMA", "Simulated Biologics A"), (18300, 18400)),
    Vaccine("33", "Pneumococcal polysaccharide PPV23", ("SIMA", "Simulated Biologics A"),
            (23800,)),
)  # fmt: skip
INFLUENZA: Final = Vaccine(
    "141", "Influenza, seasonal, injectable", ("SIMB", "Simulated Biologics B"), ()
)


class Allergen(msgspec.Struct, frozen=True):
    """A substance. type: HL7 table 0127. reactions: what people report."""

    code: str
    system: str  #: HL7 table 0396
    text: str
    type: str
    reactions: tuple[str, ...]


ALLERGENS: Final = (
    Allergen("7980", "RXNORM", "Penicillin G", "DA", ("Urticaria", "Anaphylaxis", "Rash")),
    Allergen("10180", "RXNORM", "Sulfamethoxazole", "DA", ("Rash", "Fever")),
    Allergen("1191", "RXNORM", "Aspirin", "DA", ("Wheezing", "Angioedema")),
    Allergen("2670", "RXNORM", "Codeine", "DA", ("Vomiting", "Itching")),
    Allergen("762952008", "SCT", "Peanut", "FA", ("Anaphylaxis", "Urticaria")),
    Allergen("735029006", "SCT", "Shellfish", "FA", ("Vomiting", "Urticaria")),
    Allergen("256277009", "SCT", "Grass pollen", "EA", ("Rhinitis", "Wheezing")),
    Allergen("260147004", "SCT", "House dust mite", "EA", ("Rhinitis", "Wheezing")),
    Allergen("111088007", "SCT", "Latex", "MA", ("Contact dermatitis", "Itching")),
)
NO_KNOWN_ALLERGY: Final = Allergen("NKA", "L", "No known allergies", "MA", ())

#: ICD-10-CM codes and texts, by the name the stories use.
DIAGNOSES: Final[dict[str, tuple[str, str]]] = {
    "asthma": ("J45.40", "Moderate persistent asthma, uncomplicated"),
    "asthma_mild": ("J45.20", "Mild intermittent asthma, uncomplicated"),
    "asthma_attack": ("J45.41", "Moderate persistent asthma with (acute) exacerbation"),
    "sepsis": ("A41.9", "Sepsis, unspecified organism"),
    "uti": ("N39.0", "Urinary tract infection, site not specified"),
    "pneumonia": ("J18.9", "Pneumonia, unspecified organism"),
    "diabetes": ("E11.9", "Type 2 diabetes mellitus without complications"),
    "hyperglycemia": ("E11.65", "Type 2 diabetes mellitus with hyperglycemia"),
    "hypertension": ("I10", "Essential (primary) hypertension"),
    "hyperlipidemia": ("E78.5", "Hyperlipidemia, unspecified"),
    "heart_failure": ("I50.9", "Heart failure, unspecified"),
    "atrial_fibrillation": ("I48.91", "Unspecified atrial fibrillation"),
    "dementia": ("F03.90", "Unspecified dementia without behavioral disturbance"),
    "pregnancy": ("Z34.90", "Encounter for supervision of normal pregnancy, unspecified"),
    "delivery": ("O80", "Encounter for full-term uncomplicated delivery"),
    "newborn": ("Z38.00", "Single liveborn infant, delivered vaginally"),
    "cold": ("J06.9", "Acute upper respiratory infection, unspecified"),
    "sprain": ("S93.401A", "Sprain of unspecified ligament of right ankle, initial encounter"),
    "back_pain": ("M54.50", "Low back pain, unspecified"),
    "hiv": ("B20", "Human immunodeficiency virus [HIV] disease"),
    "opioids": ("F11.20", "Opioid dependence, uncomplicated"),
    "depression": ("F33.1", "Major depressive disorder, recurrent, moderate"),
    "child_checkup": (
        "Z00.129",
        "Encounter for routine child health examination without abnormal findings",
    ),
    "checkup": ("Z00.00", "Encounter for general adult medical examination"),
}
