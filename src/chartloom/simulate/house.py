"""The simulated house: its name, wards, clinics and clinicians. All of it is made up."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from chartloom.simulate import names

FACILITY: Final = "SGH"
FACILITY_NAME: Final = "Saltmarsh General Hospital (simulated)"
AUTHORITY: Final = "SGH"
AUTHORITY_OID: Final = "2.16.840.1.113883.19.5"  #: HL7's OID for examples
LAB_NAME: Final = "Meridian Laboratory (simulated)"
CLINIC_NAME: Final = "Alder Street Community Clinic (simulated)"

#: unit -> (rooms, beds per room, service)
WARDS: Final[dict[str, tuple[int, int, str]]] = {
    "ED": (24, 1, "EMR"),
    "3WEST": (18, 2, "MED"),
    "4EAST": (18, 2, "MED"),
    "ICU": (12, 1, "CCM"),
    "PEDS": (14, 2, "PED"),
    "LD": (8, 1, "OBS"),
    "NSY": (6, 4, "NEO"),
}
CLINICS: Final = ("PULM", "ENDO", "CARD", "PEDC", "OBGYN", "FAMMED")


class Clinician(msgspec.Struct, frozen=True):
    """A made-up clinician. npi: ten digits with a check digit that is wrong on purpose."""

    number: str
    npi: str
    family: str
    given: str
    prefix: str
    degree: str


def clinicians(seed: int, count: int = 40) -> tuple[Clinician, ...]:
    """The staff."""
    rng = Random(f"{seed}/clinicians")
    staff = []
    for i in range(count):
        sex = rng.choice("FM")
        staff.append(
            Clinician(
                number=f"SIMDR{i:03d}",
                npi=_invalid_npi(rng),
                family=names.family_name(rng),
                given=names.given_name(rng, sex),
                prefix="Dr",
                degree=rng.choice(("MD", "MD", "DO", "NP")),
            )
        )
    return tuple(staff)


def _invalid_npi(rng: Random) -> str:
    """Nine random digits and a check digit one too high, so that it can be nobody's."""
    digits = "1" + "".join(rng.choice("0123456789") for _ in range(8))
    total = 24  # the constant for the prefix 80840
    for i, c in enumerate(digits):
        n = int(c) * (2 if i % 2 == 0 else 1)
        total += n - 9 if n > 9 else n
    return digits + str((-total + 1) % 10)
