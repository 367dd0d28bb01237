"""Claims of a provider that are not what they should be give nothing, and are no error."""

from __future__ import annotations

import pytest

from chartloom.guard.staff import Claims, Role, Staff, principal_of

STAFF = Staff(claims=Claims("groups", "wards", {"doctors": Role.CLINICIAN}))


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        ("doctors", {"clinician"}),
        (["doctors", "others"], {"clinician"}),
        (["doctors", 7, None, ["doctors"], {"doctors": 1}], {"clinician"}),
        ([["doctors"]], set()),
        ({"doctors": True}, set()),
        ("Doctors", set()),
        (7, set()),
        (None, set()),
    ],
)
def test_roles_of_claims(groups: object, roles: set[str]) -> None:
    assert principal_of(STAFF, "x", {"groups": groups}).roles == roles
    assert principal_of(STAFF, "x", {"roles": "doctors"}).roles == set()


def test_departments_of_claims() -> None:
    wards = ["W1", 7, None, ["W2"], {"W3": 1}]
    assert principal_of(STAFF, "x", {"wards": wards}).departments == {"W1"}
