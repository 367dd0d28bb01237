"""The people of the demo: made up, one for each role there is to try."""

from __future__ import annotations

from typing import Final

#: (name, what they may be tried for), in the order in which the sign-in page offers them.
PEOPLE: Final = (
    ("Dr Mara Lindqvist", "paediatrics: sees the children in her care, nobody else"),
    ("Dr Idris Okafor", "emergency: sees who was in the ED; may break the glass"),
    ("Dr Helen Sato", "heads 3 West: a clinician's view, and the feeds"),
    ("Rowan Castellanos", "integration engineer: feeds, messages, quarantine; no charts"),
    ("Priya Natarajan", "privacy officer: reviews, data uses, who saw whom"),
    ("Tomas Berg", "analyst: asks for data uses; no charts"),
    ("Lena Fischer", "data steward: who is one person, who works here; no charts"),
    ("Yusuf Adeyemi", "the second data steward: hard pairs take two people"),
    ("Gwen Abara", "administrator: keys, feeds; no charts"),
    ("Dr Noor Halvorsen", "works on 4 East and is also a patient: not her own chart"),
)

STAFF_TOML: Final = """\
# The people of the demo. All of them are made up, and sign in without a password.

[[staff]]
subject = "mara.lindqvist"
name = "Dr Mara Lindqvist"
roles = ["clinician"]
departments = ["PEDS", "PEDC", "NSY"]  # no number of her own: simulated doctors treat all ages

[[staff]]
subject = "idris.okafor"
name = "Dr Idris Okafor"
roles = ["clinician"]
departments = ["ED"]
practitioner = ["SGH|SIMDR001"]

[[staff]]
subject = "helen.sato"
name = "Dr Helen Sato"
roles = ["clinician", "department_head"]
departments = ["3WEST"]
practitioner = ["SGH|SIMDR002"]

[[staff]]
subject = "rowan.castellanos"
name = "Rowan Castellanos"
roles = ["integration_engineer"]

[[staff]]
subject = "priya.natarajan"
name = "Priya Natarajan"
roles = ["privacy_officer"]

[[staff]]
subject = "tomas.berg"
name = "Tomas Berg"
roles = ["analyst"]

[[staff]]
subject = "lena.fischer"
name = "Lena Fischer"
roles = ["data_steward"]

[[staff]]
subject = "yusuf.adeyemi"
name = "Yusuf Adeyemi"
roles = ["data_steward"]

[[staff]]
subject = "gwen.abara"
name = "Gwen Abara"
roles = ["administrator"]

[[staff]]
subject = "noor.halvorsen"
name = "Dr Noor Halvorsen"
roles = ["clinician"]
departments = ["4EAST", "FAMMED"]
practitioner = ["SGH|SIMDR000"]
patient = ["SGH|SIM0000003"]
"""

SIGN_IN_TOML: Final = """
[sign_in]
builtin = true              # for trying only: people without passwords, see staff.toml
"""
