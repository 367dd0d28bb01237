"""staff.toml, claims, and which directory resources stand for a person."""

from __future__ import annotations

import pytest

from chartloom.guard.staff import Principal, Staff, principal_of, read_staff, resolve

TEXT = """
[[staff]]
subject = "alice"
name = "Alice Ames"
roles = ["clinician"]
departments = ["3W"]
practitioner = ["NPI|1234567893", "HOSP|77"]
patient = ["HOSP|4711"]

[[staff]]
subject = "bob"
name = "Bob"

[claims]
roles_claim = "groups"
departments_claim = "wards"
[claims.roles]
"G-AUDIT" = "auditor"
"""


def staff() -> Staff:
    found, issues = read_staff(TEXT)
    assert issues == []
    return found


def test_entry_and_claims_add_up() -> None:
    claims = {"groups": ["G-AUDIT", "G-OTHER", 3], "wards": "5N", "name": "ignored"}
    alice = principal_of(staff(), "alice", claims)
    assert alice.roles == {"clinician", "auditor"}
    assert alice.departments == {"3W", "5N"}
    assert alice.name == "Alice Ames"
    assert alice.own_patients == {"HOSP|4711"}


def test_strangers_have_no_role() -> None:
    assert principal_of(staff(), "mallory", {"roles": ["administrator"]}) == Principal("mallory")
    assert (
        principal_of(Staff(), "alice", {"": ["administrator"], "groups": ["G-AUDIT"]}).roles
        == set()
    )
    assert principal_of(staff(), "bob", {"groups": {"G-AUDIT": 1}}).roles == set()


def test_resolve_numbers_and_departments() -> None:
    directory = [
        {
            "resourceType": "Practitioner",
            "id": "npi",
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
        },
        {
            "resourceType": "Practitioner",
            "id": "local",
            "identifier": [{"system": "urn:id:HOSP", "value": "77"}],
        },
        {
            "resourceType": "Practitioner",
            "id": "other-hospital",
            "identifier": [{"system": "urn:id:ELSE", "value": "77"}, {"value": "77"}],
        },
        {"resourceType": "Location", "id": "ward", "name": "3w"},
        {"resourceType": "Location", "id": "room", "name": "3W 301"},
        {"resourceType": "Organization", "id": "org", "name": "5N"},
        {"resourceType": "Organization", "id": "nameless"},
    ]
    alice = resolve(principal_of(staff(), "alice", {"wards": ["5N", ""]}), directory)
    assert alice.practitioners == {"npi", "local"}
    assert alice.departments == {"ward", "org"}
    assert alice.roles == {"clinician"}
    nobody = resolve(Principal("x"), directory)
    assert nobody.practitioners == nobody.departments == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ('roles = ["clinician"]', 'roles = ["clinican"]', "staff-invalid", 2),
        ('subject = "bob"', 'subject = "alice"', "staff-invalid", 10),
        ('subject = "bob"', 'subject = " "', "staff-invalid", 10),
        ('name = "Bob"', 'nam = "Bob"', "staff-invalid", 10),
        ('["HOSP|4711"]', '["4711"]', "staff-invalid", 2),
        ('["HOSP|4711"]', '["|4711"]', "staff-invalid", 2),
        ('"G-AUDIT" = "auditor"', '"G-AUDIT" = "boss"', "staff-invalid", 0),
        ('subject = "bob"', "subject = bob", "staff-unreadable", 11),
    ],
)
def test_a_bad_list_lets_nobody_in(old: str, new: str, code: str, line: int) -> None:
    found, issues = read_staff(TEXT.replace(old, new))
    assert found == Staff()
    assert [(i.code, i.location) for i in issues] == [(code, f"staff.toml:{line}")]
    assert "4711" not in issues[0].detail


def test_empty_list() -> None:
    assert read_staff("") == (Staff(), [])
    found, issues = read_staff("staff = 3")
    assert found == Staff()
    assert [i.code for i in issues] == ["staff-invalid"]
