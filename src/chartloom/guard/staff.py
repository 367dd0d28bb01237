"""Who works here: ``staff.toml`` of the site folder and the claims of the identity provider.

A :class:`Principal` is who asks for something. Practitioner numbers and departments are names of
the real world; :func:`resolve` finds the directory resources that stand for them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from chartloom.domain.issues import Issue, IssueCode, Severity, register_codes
from chartloom.domain.resource import FhirJson

register_codes(
    IssueCode(
        "staff-unreadable",
        Severity.FATAL,
        "The list of staff cannot be read.",
        "Correct the line; the file is TOML.",
    ),
    IssueCode(
        "staff-invalid",
        Severity.FATAL,
        "An entry in the list of staff is not as it should be.",
        "Correct the entry; docs/howto/access.md shows one.",
    ),
)


class Role(StrEnum):
    """What people do here, for the policies."""

    CLINICIAN = "clinician"
    DEPARTMENT_HEAD = "department_head"
    INTEGRATION_ENGINEER = "integration_engineer"
    ANALYST = "analyst"
    PRIVACY_OFFICER = "privacy_officer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    DATA_STEWARD = "data_steward"  #: decides whether two records are one person


class StaffMember(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ``[[staff]]`` entry.

    subject: ``sub`` of the identity provider (``issuer|sub`` if there are several). practitioner,
    patient: ``authority|number``, as the feeds write them; patient numbers serve to tell that
    somebody opens their own chart. departments: names of places or organisations in the feeds.
    """

    subject: str
    name: str
    roles: tuple[Role, ...] = ()
    departments: tuple[str, ...] = ()
    practitioner: tuple[str, ...] = ()
    patient: tuple[str, ...] = ()


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[claims]``: how roles and departments are read from a token.

    roles_claim, departments_claim: names of the claims ("" if they are not used). roles: value of
    the claim -> role.
    """

    roles_claim: str = ""
    departments_claim: str = ""
    roles: dict[str, Role] = {}


class Staff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``staff.toml``."""

    staff: tuple[StaffMember, ...] = ()
    claims: Claims = Claims()

    def member(self, subject: str) -> StaffMember | None:
        """The entry of a subject."""
        return next((m for m in self.staff if m.subject == subject), None)


class Principal(msgspec.Struct, frozen=True):
    """Who asks. A person has roles, a service has scopes; never both.

    practitioners, departments: ids of directory resources, from :func:`resolve`.
    own_patients: ``authority|number`` of the person as a patient.
    """

    subject: str
    name: str = ""
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    practitioners: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    own_patients: frozenset[str] = frozenset()
    service: bool = False


def read_staff(text: str, file: str = "staff.toml") -> tuple[Staff, list[Issue]]:
    """Reads ``staff.toml``. With Issues (located ``file:line``) the list is empty: nobody may."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        return Staff(), [Issue("staff-unreadable", f"{file}:{at[1] if at else 0}")]
    issues: list[Issue] = []
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[", line)]
    members: dict[str, StaffMember] = {}
    entries = raw.pop("staff", [])
    if not isinstance(entries, list):
        return Staff(), [Issue("staff-invalid", f"{file}:0", "staff is written [[staff]]")]
    for number, entry in enumerate(entries):
        where = f"{file}:{lines[number] if number < len(lines) else 0}"
        try:
            member = msgspec.convert(entry, StaffMember)
        except msgspec.ValidationError as error:
            issues.append(Issue("staff-invalid", where, _without_values(error)))
            continue
        problem = _problem(member, members)
        if problem:
            issues.append(Issue("staff-invalid", where, problem))
        members[member.subject] = member
    try:
        rest = msgspec.convert(raw, Staff)
    except msgspec.ValidationError as error:
        issues.append(Issue("staff-invalid", f"{file}:0", _without_values(error)))
    if issues:
        return Staff(), issues
    return Staff(tuple(members.values()), rest.claims), []


def _problem(member: StaffMember, before: Mapping[str, StaffMember]) -> str:
    if not member.subject.strip():
        return "subject is empty"
    if member.subject in before:
        return "the subject stands here twice"
    for number in (*member.practitioner, *member.patient):
        authority, bar, value = number.rpartition("|")
        if not (bar and value.strip() and authority.strip()):
            return "practitioner and patient numbers are written authority|number"
    return ""


def _without_values(error: msgspec.ValidationError) -> str:
    """What the decoder says, without what stood there."""
    return re.sub(r"'[^']*'", "value", str(error)) if "enum value" in str(error) else str(error)


def principal_of(staff: Staff, subject: str, claims: Mapping[str, Any]) -> Principal:
    """Who has signed in. Entry and claims add up; whoever is in neither has no role at all."""
    member = staff.member(subject)
    roles = set(member.roles) if member else set()
    departments = set(member.departments) if member else set()
    for value in _texts(claims.get(staff.claims.roles_claim)):
        if value in staff.claims.roles:
            roles.add(staff.claims.roles[value])
    departments.update(_texts(claims.get(staff.claims.departments_claim)))
    return Principal(
        subject=subject,
        name=member.name if member else next(iter(_texts(claims.get("name"))), ""),
        roles=frozenset(r.value for r in roles),
        practitioners=frozenset(member.practitioner) if member else frozenset(),
        departments=frozenset(departments),
        own_patients=frozenset(member.patient) if member else frozenset(),
    )


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def resolve(principal: Principal, directory: Iterable[FhirJson]) -> Principal:
    """The principal with ids of directory resources instead of numbers and names.

    A number matches ``Practitioner.identifier`` if value and authority do: the authority as URL, or
    as the sender's short name (``urn:id:<name>``). A department matches the name of a Location or
    Organization, or their id. What nothing matches is left out.
    """
    numbers = frozenset().union(*(_spellings(n) for n in principal.practitioners))
    names = {d.strip().casefold() for d in principal.departments if d.strip()}
    practitioners, departments = set(), set()
    for resource in directory:
        kind, id = resource["resourceType"], resource["id"]
        if kind == "Practitioner":
            if any(_number(i) in numbers for i in resource.get("identifier", ())):
                practitioners.add(id)
        elif kind in ("Location", "Organization") and (
            resource.get("name", "").strip().casefold() in names or id in principal.departments
        ):
            departments.add(id)
    return msgspec.structs.replace(
        principal,
        practitioners=frozenset(practitioners),
        departments=frozenset(departments),
    )


_NPI = "http://hl7.org/fhir/sid/us-npi"


def _number(identifier: FhirJson) -> tuple[str, str]:
    return identifier.get("system", ""), identifier.get("value", "")


def _spellings(number: str) -> frozenset[tuple[str, str]]:
    authority, _, value = number.rpartition("|")
    systems = {authority, f"urn:id:{authority}"}
    if authority == "NPI":
        systems.add(_NPI)
    return frozenset((s, value) for s in systems)
