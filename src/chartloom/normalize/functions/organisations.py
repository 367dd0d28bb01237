"""People and places of the hospital: XCN, CNN, NDL, XON, PL -> references plus the resources.

A Practitioner, Organization or Location is known by identifier and assigning authority, else by
name. References to what has neither are left out; references always carry a display.
"""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import ALTERNATE_CODES, Sink
from chartloom.normalize.functions.identifiers import TYPE_SYSTEM, authority, label_of
from chartloom.normalize.registry import datatype

_XCN_READS = {
    "1": "reference identifier",
    "2.1": "display",
    "3": "display",
    "4": "display",
    "5": "display",
    "6": "display",
    "7": "display",
    "9": "reference",
    "10": "reference",
    "13": "reference",
    "14": "reference",
    "21": "reference",
}
_XCN_IGNORES = {
    "2": "prefixes and further forms of the family name",
    "8": "table of the sender from which the person was chosen",
    "11": "check digit: the id is complete without it",
    "12": "check digit scheme",
    "15": "name representation: the name itself is kept",
    "16": "name context",
    "17": "validity range of the name (deprecated)",
    "18": "name assembly order: the parts are kept",
    "19": "effective date of the name",
    "20": "expiry date of the name",
    "22": "jurisdiction of the id",
    "23": "department of the id",
    "24": "security check of the id",
    "25": "security check scheme",
}
_NAME_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0200"
_NAME_USES = {"L": "official", "D": "usual", "M": "maiden", "N": "nickname", "R": "official"}


def person_name(c: list[str], s: Sink, name_type: str = "") -> FhirJson:
    """HumanName of ``[family, given, further, suffix, prefix, degree]`` (escaped components)."""
    family = s.leaf(c[0].split(s.env.sub, 1)[0]) if c[0] else ""
    rest = [s.leaf(p) if p else "" for p in c[1:6]] + [""] * 5
    given = [g for g in (rest[0], *rest[1].split()) if g]
    suffix = [p for p in (rest[2], rest[4]) if p]
    name: FhirJson = {}
    if use := _NAME_USES.get(name_type):
        name["use"] = use
    elif name_type:
        coding = {"system": _NAME_TYPES, "code": "-".join(name_type.split())}
        name["_use"] = {
            "extension": [{"url": ALTERNATE_CODES, "valueCodeableConcept": {"coding": [coding]}}]
        }
    if family:
        name["family"] = family
    if given:
        name["given"] = given
    if rest[3]:
        name["prefix"] = [rest[3]]
    if suffix:
        name["suffix"] = suffix
    return name if family or given else {}


def display_name(name: FhirJson) -> str:
    """A name as people read it."""
    parts = [*name.get("prefix", ()), *name.get("given", ()), name.get("family", "")]
    text = " ".join(p for p in parts if p)
    suffix = ", ".join(name.get("suffix", ()))
    return f"{text}, {suffix}" if suffix else text


@datatype("XCN.Reference", _XCN_READS, _XCN_IGNORES, memo=True)
def xcn_reference(x: str, s: Sink) -> FhirJson | None:
    """XCN -> Reference(Practitioner) and the Practitioner itself."""
    c = x.split(s.env.comp)
    c += [""] * (23 - len(c))
    facility = s.leaf(c[13].split(s.env.sub, 1)[0]) if c[13] else ""
    return practitioner(
        s,
        c[0],
        c[1:7],
        c[8],
        kind=s.leaf(c[12]),
        use=s.leaf(c[9]),
        facility=facility,
        degree=s.leaf(c[20]),
    )


def practitioner(
    s: Sink,
    number: str,
    names: list[str],
    assigner: str,
    *,
    kind: str = "",
    use: str = "",
    facility: str = "",
    degree: str = "",
) -> FhirJson | None:
    """Adds the Practitioner to the directory and refers to it."""
    number = s.leaf(number)
    name = person_name(names, s, use)
    if not number and not name:
        return None
    resource: FhirJson = {"resourceType": "Practitioner", "id": ""}
    system, label = authority(assigner, s) if assigner else ("", "")
    if number:
        identifier: FhirJson = {}
        if kind:
            identifier["type"] = {
                "coding": [{"system": TYPE_SYSTEM, "code": "-".join(kind.split())}]
            }
        if system:
            identifier["system"] = system
        identifier["value"] = number
        if told := ", ".join(p for p in (label_of(system, label, s), facility) if p):
            identifier["assigner"] = {"display": told}
        resource["identifier"] = [identifier]
        key: tuple[str, ...] = ("Practitioner", system, number)
    else:
        key = ("Practitioner", "", "", display_name(name))
    resource["id"] = s.env.make_id(*key)
    if name:
        resource["name"] = [name]
    degrees = [degree] if degree else []
    if degrees:
        resource["qualification"] = [{"code": {"text": d}} for d in degrees]
    s.add_directory(resource)
    return {
        "reference": f"Practitioner/{resource['id']}",
        "display": display_name(name) or number,
    }


_NDL_READS = {
    "1": "reference display",
}
_NDL_IGNORES = {
    **{
        str(n): "where and when the person took part: the report's own times are kept"
        for n in range(2, 12)
    },
}


@datatype("NDL.Reference", _NDL_READS, _NDL_IGNORES, memo=True)
def ndl_reference(x: str, s: Sink) -> FhirJson | None:
    """NDL (name in CNN subcomponents) or, as often sent, XCN -> Reference(Practitioner)."""
    c = x.split(s.env.comp)
    sub = s.env.sub
    if sub in c[0]:
        p = c[0].split(sub)
        p += [""] * (11 - len(p))
        return practitioner(s, p[0], p[1:7], sub.join(p[8:11]).strip(sub), use="")
    return practitioner(s, c[0], c[1:2] + [""] * 5, "")


_XON_READS = {
    "1": "display",
    "2": "reference",
    "3": "reference",
    "6": "reference",
    "7": "reference",
    "8": "reference",
    "10": "reference",
}
_XON_IGNORES = {
    "4": "check digit: the id is complete without it",
    "5": "check digit scheme",
    "9": "name representation: the name itself is kept",
}


@datatype("XON.Reference", _XON_READS, _XON_IGNORES, memo=True)
def xon_reference(x: str, s: Sink) -> FhirJson | None:
    """XON -> Reference(Organization) and the Organization itself."""
    c = x.split(s.env.comp)
    c += [""] * (10 - len(c))
    name = s.leaf(c[0])
    number = s.leaf(c[9]) or s.leaf(c[2])
    return organization(
        s, name, number, c[5], kind=s.leaf(c[6]), name_type=s.leaf(c[1]), facility=c[7]
    )


def organization(
    s: Sink,
    name: str,
    number: str,
    assigner: str = "",
    *,
    kind: str = "",
    name_type: str = "",
    facility: str = "",
) -> FhirJson | None:
    """Adds the Organization to the directory and refers to it."""
    if not name and not number:
        return None
    system, label = authority(assigner, s) if assigner else ("", "")
    key = ("Organization", system, number) if number else ("Organization", "", "", name)
    resource: FhirJson = {"resourceType": "Organization", "id": s.env.make_id(*key)}
    if number:
        identifier: FhirJson = {}
        if kind:
            identifier["type"] = {
                "coding": [{"system": TYPE_SYSTEM, "code": "-".join(kind.split())}]
            }
        if system:
            identifier["system"] = system
        identifier["value"] = number
        at = s.leaf(facility.split(s.env.sub, 1)[0]) if facility else ""
        if told := ", ".join(p for p in (label_of(system, label, s), at) if p):
            identifier["assigner"] = {"display": told}
        resource["identifier"] = [identifier]
    if name:
        resource["name"] = name
    if name_type:
        code = {
            "system": "http://terminology.hl7.org/CodeSystem/v2-0204",
            "code": "-".join(name_type.split()),
        }
        resource["extension"] = [
            {"url": ALTERNATE_CODES, "valueCodeableConcept": {"coding": [code]}}
        ]
    s.add_directory(resource)
    return {"reference": f"Organization/{resource['id']}", "display": name or number}


@datatype("HD.Organization", {"1": "display", "2": "reference", "3": "reference"}, memo=True)
def hd_organization(x: str, s: Sink) -> FhirJson | None:
    """HD -> Reference(Organization), known by its universal id, else by its name."""
    parts = x.replace(s.env.comp, s.env.sub)
    uri, name = authority(parts, s)
    if s.env.sub in parts and uri:
        return organization(s, name or uri, uri)
    return organization(s, name, "")


@datatype(
    "CWE.Organization",
    {"1": "reference", "2": "display", "3": "reference"},
    {"4": "second code of an organisation", "5": "second name", "6": "second code's system"},
    memo=True,
)
def cwe_organization(x: str, s: Sink) -> FhirJson | None:
    """CWE (OBX-15) -> Reference(Organization)."""
    c = [*x.split(s.env.comp), "", "", ""]
    return organization(s, s.leaf(c[1]) or s.leaf(c[0]), s.leaf(c[0]) if s.leaf(c[1]) else "", c[2])


_PL_READS = {
    "1": "display reference",
    "2": "display reference",
    "3": "display reference",
    "4": "reference",
    "5": "reference",
    "6": "reference",
    "7.1": "reference",
    "8.1": "reference",
    "9": "reference",
    "10": "reference",
    "11": "reference",
}
_KINDS = (
    # index of the part, code and name in location-physical-type, finest first
    (2, "bd", "Bed"),
    (1, "ro", "Room"),
    (7, "lvl", "Level"),
    (0, "wa", "Ward"),
    (6, "bu", "Building"),
    (3, "si", "Site"),
)
_PHYSICAL = "http://terminology.hl7.org/CodeSystem/location-physical-type"


_PL_IGNORES = {
    "7": "who numbers the building: its name is kept",
    "8": "who numbers the floor: its name is kept",
}


@datatype("PL.Reference", _PL_READS, _PL_IGNORES, memo=True)
def pl_reference(x: str, s: Sink) -> FhirJson | None:
    """PL -> Reference(Location), the Location, and the ward it is part of."""
    c = x.split(s.env.comp)
    c += [""] * (11 - len(c))
    names = [s.leaf(p.split(s.env.sub, 1)[0]) if p else "" for p in c]
    if not any((*names[:4], names[6], names[7], names[8], names[9])):
        return None
    part_of = None
    if (names[1] or names[2]) and names[0]:
        ward = [c[0], "", "", c[3]] + [""] * 7
        part_of = _location(ward, [names[0], "", "", names[3]] + [""] * 7, s, None)
    return _location(c, names, s, part_of)


def _location(c: list[str], names: list[str], s: Sink, part_of: FhirJson | None) -> FhirJson:
    identifier = s.leaf(c[9].split(s.env.sub, 1)[0]) if c[9] else ""
    system = authority(c[10], s)[0] if c[10] else ""
    key = (identifier, system) if identifier else tuple(names[i] for i in (0, 1, 2, 3, 6, 7))
    resource: FhirJson = {"resourceType": "Location", "id": s.env.make_id("Location", *key)}
    numbers = [_numbered(system, identifier)] if identifier else []
    for part in c[:3]:
        if s.env.sub in part:  # the place's name is an identifier with an authority
            uri, place = authority(part, s)
            if place and uri:
                numbers.append(_numbered(uri, place))
    if numbers:
        resource["identifier"] = numbers
    if s.leaf(c[4]):
        resource.setdefault("extension", []).append(_note("status", s.leaf(c[4])))
    if s.leaf(c[5]):
        resource.setdefault("extension", []).append(_note("type", s.leaf(c[5])))
    shown = [names[i] for i in (0, 1, 2)]
    name = " ".join(p for p in shown if p) or names[8] or names[7] or names[6] or names[3]
    if name:
        resource["name"] = name
    described = ", ".join(p for p in (names[6], names[7], names[8]) if p)
    if described:
        resource["description"] = described
    resource["mode"] = "instance"
    for index, code, display in _KINDS:
        if names[index]:
            coding = {"system": _PHYSICAL, "code": code, "display": display}
            resource["physicalType"] = {"coding": [coding]}
            break
    if c[3]:
        parts = c[3]
        uri, facility = authority(parts, s)
        owner = organization(s, facility or uri, uri if s.env.sub in parts else "")
        if owner:
            resource["managingOrganization"] = owner
    if part_of:
        resource["partOf"] = part_of
    s.add_directory(resource)
    return {"reference": f"Location/{resource['id']}", "display": name or identifier}


def _numbered(system: str, value: str) -> FhirJson:
    return {"system": system, "value": value} if system else {"value": value}


def _note(name: str, text: str) -> FhirJson:
    """PL-5 and PL-6 (status and kind of the place) as the source wrote them."""
    table = {"status": "0306", "type": "0305"}[name]
    coding = {
        "system": f"http://terminology.hl7.org/CodeSystem/v2-{table}",
        "code": "-".join(text.split()),
    }
    return {"url": ALTERNATE_CODES, "valueCodeableConcept": {"coding": [coding]}}


@datatype(
    "DLD.Location", {"1": "display reference"}, {"2": "since when the place is valid"}, memo=True
)
def dld_location(x: str, s: Sink) -> FhirJson | None:
    """DLD or plain code (PV1-37) -> Reference(Location)."""
    name = s.leaf(x.split(s.env.comp, 1)[0].replace(s.env.sub, " "))
    if not name:
        return None
    resource = {
        "resourceType": "Location",
        "id": s.env.make_id("Location", "", "", "", "", name),
        "name": name,
        "mode": "instance",
    }
    s.add_directory(resource)
    return {"reference": f"Location/{resource['id']}", "display": name}
