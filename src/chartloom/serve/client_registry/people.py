"""One person out of the records that are joined in them: who they are, and their numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from chartloom.domain.resource import FhirJson, ResourceState
from chartloom.serve.client_registry.domains import Domain, Domains

#: Elements that say who somebody is. Nothing else leaves through these doors: no contacts, no
#: physicians, no text.
_TOLD: Final = (
    "meta", "active", "name", "telecom", "gender", "birthDate", "deceasedBoolean",
    "deceasedDateTime", "address", "maritalStatus", "multipleBirthBoolean", "multipleBirthInteger",
)  # fmt: skip
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_MAIDEN: Final = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"


class Number(msgspec.Struct, frozen=True):
    """An identifier that may be told. system: as it is answered. source_patient: whose record."""

    domain: Domain
    system: str
    value: str
    source_patient: str
    said_us: int


class Known(msgspec.Struct, frozen=True):
    """A person with the records that may be told of.

    states: the Patients that still count, the newest first; those that were merged into others
    are left out. merged: those, by whose numbers the person is still found.
    """

    person_id: str
    states: tuple[ResourceState, ...]
    merged: tuple[ResourceState, ...] = ()


def known(
    person_id: str,
    source_patients: Sequence[str],
    states: Mapping[str, ResourceState],
    said: Mapping[str, str] = _NOTHING,
) -> Known | None:
    """The person of some records; ``None`` if none of them is there.

    said: records that were merged away -> into which, as sources and people said.
    """
    held = [s for p in source_patients if (s := states.get(p)) and s.type == "Patient"]
    here = {s.id for s in held}
    gone = {*_merged(held), *(p for p, into in said.items() if p in here and into in here)}
    # Two that replace each other both count: nobody is lost by a mistake of theirs.
    count = [s for s in held if s.id not in gone] or held
    count.sort(key=lambda s: (-_said_us(s), s.id))
    merged = tuple(s for s in held if s not in count)
    return Known(person_id, tuple(count), merged) if count else None


def _merged(states: Sequence[ResourceState]) -> Iterator[str]:
    """Records that were merged into others of these: their numbers are not to be used again."""
    here = {s.id for s in states}
    for state in states:
        for link in state.resource.get("link", ()):
            other = str(link.get("other", {}).get("reference", "")).removeprefix("Patient/")
            if other in here and other != state.id:
                if link.get("type") == "replaces":
                    yield other
                elif link.get("type") == "replaced-by":
                    yield state.id


def _said_us(state: ResourceState) -> int:
    return max((s.event_us for s in state.stamps.values()), default=0)


def numbers(person: Known, domains: Domains) -> list[Number]:
    """All identifiers of a person that may be told, the newest record's first."""
    found: dict[tuple[Domain, str], Number] = {}
    for state in person.states:
        for identifier in state.resource.get("identifier", ()):
            domain = domains.of_identifier(identifier)
            if domain is None:
                continue
            system, value = domain.systems[0], identifier["value"]
            number = Number(domain, system, value, state.source_patient, _said_us(state))
            found.setdefault((domain, value), number)
    return list(found.values())


def one_per_domain(some: Sequence[Number], asked: tuple[Domain, str] | None = None) -> list[Number]:
    """Of each domain the number that counts: the one asked about, else the newest record's."""
    chosen: dict[Domain, Number] = {}
    for number in some:
        held = chosen.get(number.domain)
        if held is None or (number.domain, number.value) == asked:
            chosen[number.domain] = number
    return sorted(chosen.values(), key=lambda n: (n.system, n.value))


def resource(person: Known, domains: Domains, targets: Sequence[Domain] = ()) -> FhirJson:
    """The person as a Patient: demographics of the newest record, numbers of all of them."""
    newest = person.states[0].resource
    told: FhirJson = {"resourceType": "Patient", "id": person.person_id}
    told |= {name: newest[name] for name in _TOLD if name in newest}
    told |= {f"_{name}": newest[f"_{name}"] for name in _TOLD if f"_{name}" in newest}
    if extensions := [e for e in newest.get("extension", ()) if e.get("url") == _MAIDEN]:
        told["extension"] = extensions
    wanted = [n for n in numbers(person, domains) if not targets or n.domain in targets]
    if wanted:
        told["identifier"] = [{"system": n.system, "value": n.value} for n in wanted]
    return told


def replaced(id: str, person_id: str) -> FhirJson:
    """A record that was merged away: that it is replaced, by whom, and nothing else."""
    link = {"other": {"reference": f"Patient/{person_id}"}, "type": "replaced-by"}
    return {"resourceType": "Patient", "id": id, "active": False, "link": [link]}


def element(patient: FhirJson, name: str) -> list[Any]:
    """The items of a repeating element."""
    items = patient.get(name, [])
    return items if isinstance(items, list) else []
