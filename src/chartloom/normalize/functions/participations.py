"""ROL and PRT: who had which part in what the segment stands beside; ARV: who may see it.

ROL and PRT say the same in different fields, so one description per segment drives them. A segment
speaks about the group it stands in only: the roles of a patient are not those of each stay. What is
said about a role goes to R4's element for it, and whole to a ``participation`` extension.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg, Prim
from chartloom.normalize.functions.codes import cwe_codeable
from chartloom.normalize.functions.contact import xtn_contact
from chartloom.normalize.functions.identifiers import ei_identifier
from chartloom.normalize.functions.organisations import pl_reference, xcn_reference, xon_reference
from chartloom.normalize.functions.text import st_code, st_string
from chartloom.normalize.functions.times import dr_period, dtm_datetime
from chartloom.normalize.registry import REGISTRY, SegmentFunction, parts_of

_LOCAL = "urn:chartloom:extension:"
_PARTICIPATION_TYPE = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ROLE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v2-{}"
#: HL7 tables 0443 and 0912 -> v3 ParticipationType, as Encounter.participant.type wants it.
_TYPES = {
    "AD": ("ADM", "admitter"),
    "AT": ("ATND", "attender"),
    "CP": ("CON", "consultant"),
    "RP": ("REF", "referrer"),
}
#: Roles that one person holds at a time, so that taking one back leaves nobody.
_SINGLE = frozenset(("AD", "AT"))
_PRIMARY_CARE = frozenset(("PP", "FHCP", "PCP"))
_INTERPRETERS = frozenset(("PRI", "ARI", "PI", "AI"))
_PERFORMERS = frozenset(("PO", "RO", "AP", "TN", "DP"))
#: ROL-2, PRT-2 (HL7 table 0287): the role is taken back.
_ENDED = frozenset(("DE", "UN"))

_ADDRESS_READS = {"1": "line", "2": "line", "3": "city", "4": "state", "5": "postalCode"} | {
    "6": "country",
    "7": "use",
    "8": "line",
    "9": "district",
}
_ADDRESS_IGNORES = {
    "10": "census tract of a place of work",
    "11": "address representation: the characters themselves are kept",
    "12": "validity of a place of work: the role has its own times",
    "13": "validity of a place of work: the role has its own times",
    "14": "validity of a place of work: the role has its own times",
}
_ADDRESS_USES = {"H": "home", "L": "home", "P": "home", "B": "work", "O": "work", "WP": "work"}


def address(x: str, m: Msg) -> FhirJson | None:
    """XAD -> Address."""
    c = x.split(m.env.comp)
    c += [""] * 9
    lines = [m.leaf(p) for p in (*c[0].split(m.env.sub)[:3], c[1], c[7])]
    names = ("city", "state", "postalCode", "country")
    out: FhirJson = {"line": [line for line in lines if line]}
    out |= {name: m.leaf(text) for name, text in zip(names, c[2:6], strict=False)}
    use = m.leaf(c[6]).upper()
    out["use"] = _ADDRESS_USES.get(use, "")
    if use and not out["use"]:
        m.complain("code-unmapped", "address-use")
    out["district"] = m.leaf(c[8])
    found = {k: v for k, v in out.items() if v}
    return found if found.keys() - {"use"} else None


class Field(NamedTuple):
    """What one field of ROL or PRT says: label and ``value[x]`` of the extension, and its map."""

    label: str
    value: str
    read: Callable[[str, Msg], Any]
    like: str = ""  #: the datatype map whose parts it reads; "" for XAD


class Kind(NamedTuple):
    """How a segment is read: its fields, and where the ones stand that elements are made of."""

    fields: dict[int, Field]
    action: int
    role: int
    person: int
    organisation: int
    begin: int
    end: int
    label: str = "participation"  #: of the extension


def _concept(table: str) -> Callable[[str, Msg], Any]:
    def read(x: str, m: Msg) -> FhirJson | None:
        found: FhirJson | None = cwe_codeable(x, m, None)
        for coding in found.get("coding", ())[:1] if found else ():
            coding.setdefault("system", _ROLE_SYSTEM.format(table))
        return found

    return read


def _code(x: str, m: Msg) -> FhirJson | None:
    found: FhirJson | None = cwe_codeable(x, m, None)
    return found


_CWE = "CWE.CodeableConcept"
_ROL = Kind(
    {
        1: Field("number", "valueIdentifier", ei_identifier, "EI.Identifier"),
        2: Field("action", "valueCode", st_code, "ST.code"),
        3: Field("role", "valueCodeableConcept", _concept("0443"), _CWE),
        4: Field("person", "valueReference", xcn_reference, "XCN.Reference"),
        5: Field("begin", "valueDateTime", dtm_datetime, "DTM.dateTime"),
        6: Field("end", "valueDateTime", dtm_datetime, "DTM.dateTime"),
        7: Field("duration", "valueCodeableConcept", _code, _CWE),
        8: Field("reason", "valueCodeableConcept", _code, _CWE),
        9: Field("specialty", "valueCodeableConcept", _code, _CWE),
        10: Field("organisation-kind", "valueCodeableConcept", _code, _CWE),
        11: Field("address", "valueAddress", address),
        12: Field("phone", "valueContactPoint", xtn_contact, "XTN.ContactPoint"),
        13: Field("location", "valueReference", pl_reference, "PL.Reference"),
        14: Field("organisation", "valueReference", xon_reference, "XON.Reference"),
    },
    2, 3, 4, 14, 5, 6,
)  # fmt: skip
_PRT = Kind(
    {
        1: Field("number", "valueIdentifier", ei_identifier, "EI.Identifier"),
        2: Field("action", "valueCode", st_code, "ST.code"),
        3: Field("reason", "valueCodeableConcept", _code, _CWE),
        4: Field("role", "valueCodeableConcept", _concept("0912"), _CWE),
        5: Field("person", "valueReference", xcn_reference, "XCN.Reference"),
        6: Field("specialty", "valueCodeableConcept", _code, _CWE),
        7: Field("organisation-kind", "valueCodeableConcept", _code, _CWE),
        8: Field("organisation", "valueReference", xon_reference, "XON.Reference"),
        9: Field("location", "valueReference", pl_reference, "PL.Reference"),
        10: Field("device", "valueIdentifier", ei_identifier, "EI.Identifier"),
        11: Field("begin", "valueDateTime", dtm_datetime, "DTM.dateTime"),
        12: Field("end", "valueDateTime", dtm_datetime, "DTM.dateTime"),
        13: Field("duration", "valueCodeableConcept", _code, _CWE),
        14: Field("address", "valueAddress", address),
        15: Field("phone", "valueContactPoint", xtn_contact, "XTN.ContactPoint"),
        16: Field("device-udi", "valueIdentifier", ei_identifier, "EI.Identifier"),
        17: Field("device-manufactured", "valueDateTime", dtm_datetime, "DTM.dateTime"),
        18: Field("device-expiry", "valueDateTime", dtm_datetime, "DTM.dateTime"),
        19: Field("device-lot", "valueString", st_string, "ST.string"),
        20: Field("device-serial", "valueString", st_string, "ST.string"),
        21: Field("device-donation", "valueIdentifier", ei_identifier, "EI.Identifier"),
        22: Field("device-type", "valueCodeableConcept", _code, _CWE),
    },
    2, 4, 5, 8, 11, 12,
)  # fmt: skip
#: Who may see what: it says no role, but belongs to patient or visit in the same way.
_ARV = Kind(
    {
        2: Field("action", "valueCode", st_code, "ST.code"),
        3: Field("restricted", "valueCodeableConcept", _code, _CWE),
        4: Field("reason", "valueCodeableConcept", _code, _CWE),
        5: Field("instruction", "valueString", st_string, "ST.string"),
        6: Field("validity", "valuePeriod", dr_period, "DR.Period"),
        7: Field("security-tag", "valueCodeableConcept", _code, _CWE),
        8: Field("security-handling", "valueCodeableConcept", _code, _CWE),
        9: Field("restricted-part", "valueString", st_string, "ST.string"),
        10: Field("number", "valueIdentifier", ei_identifier, "EI.Identifier"),
    },
    2, 0, 0, 0, 0, 0, "access-restriction",
)  # fmt: skip


def _read(
    kind: Kind, field: int,
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str],
) -> None:  # fmt: skip
    """Reads the whole segment when its first filled field comes, so that order does not matter."""
    if field != next(n for n in kind.fields if f[n]):
        return
    if all(seg is not own for own in instance.segments.get(seg.name, ())):
        return
    said = {n: _values(kind.fields[n], f[n], m, seg, n) for n in kind.fields if f[n]}
    said = {n: values for n, values in said.items() if values}
    if not said:
        return
    role = _role_code(f[kind.role], m) if kind.role else ""
    if kind.role and _first(said, kind.action) in _ENDED:
        _take_back(kind, role, m, out, instance, seg, said, cleared)
        _keep(kind, said, out)
    elif out["resourceType"] == "Encounter" and kind.person in said:
        _add_participant(kind, role, said, out, cleared)
    elif out["resourceType"] == "Procedure" and (kind.person in said or kind.organisation in said):
        _add_performer(kind, said, out)
    else:
        _assign(kind, role, said, out)
        _keep(kind, said, out)


def _values(field: Field, text: str, m: Msg, seg: Segment, number: int) -> list[Any]:
    if text == '""':
        return []
    values = []
    for n, x in enumerate(text.split(m.env.rep), 1):
        value = field.read(x, m) if x else None
        if value is not None:
            values.append(value)
        if m.bad:
            m.flush(seg, number, n)
    return values


def _role_code(text: str, m: Msg) -> str:
    return m.part(text, 1).upper() if text else ""


def _first(said: dict[int, list[Any]], number: int) -> Any:
    return said.get(number, (None,))[0]


def _details(kind: Kind, said: dict[int, list[Any]], without: set[int]) -> list[FhirJson]:
    """The fields as extensions, but for those that have an element."""
    result = []
    for number, values in said.items():
        if number in without:
            continue
        field = kind.fields[number]
        for value in values:
            item: FhirJson = {"url": _LOCAL + field.label}
            if isinstance(value, Prim):
                item["_" + field.value] = {"extension": [value.extension]}
            else:
                item[field.value] = value
            result.append(item)
    return result


def _keep(kind: Kind, said: dict[int, list[Any]], out: FhirJson) -> None:
    item = {"url": _LOCAL + kind.label, "extension": _details(kind, said, set())}
    out.setdefault("extension", []).append(item)


def _period(kind: Kind, said: dict[int, list[Any]]) -> tuple[FhirJson, set[int]]:
    """The period and the fields it could say."""
    period: FhirJson = {}
    for name, number in (("start", kind.begin), ("end", kind.end)):
        value = _first(said, number)
        if isinstance(value, Prim):
            period["_" + name] = {"extension": [value.extension]}
        elif value:
            period[name] = value
    return period, {kind.begin, kind.end} if period else set()


def _add_participant(
    kind: Kind, role: str, said: dict[int, list[Any]], out: FhirJson, cleared: list[str]
) -> None:
    """Encounter.participant; somebody whom PV1 names in the same role only gains details."""
    concept = _typed(role, _first(said, kind.role))
    period, timed = _period(kind, said)
    details = _details(kind, said, {kind.role, kind.person, *timed})
    code = _TYPES.get(role, ("",))[0]
    people = out.setdefault("participant", [])
    for person in said[kind.person]:
        listed = [p for p in people if code and _only_listed(p, code)]
        item = next((p for p in listed if p.get("individual") == person), None)
        if item is None:
            item = {"individual": person} | ({"type": [concept]} if concept else {})
            people.append(item)
        if len(listed) == (item in listed) and (listed or role in _SINGLE):
            # Whom PV1 listed earlier is replaced by those who are told of one by one.
            cleared.append(f"=participant:{code}")
        if period:
            item["period"] = period
        if details:
            item["extension"] = details


def _only_listed(participant: FhirJson, code: str) -> bool:
    return _has(participant, code) and not participant.keys() & {"period", "extension"}


def _has(participant: FhirJson, code: str) -> bool:
    return any(
        coding.get("code") == code
        for concept in participant.get("type", ())
        for coding in concept.get("coding", ())
    )


def _typed(role: str, concept: FhirJson | None) -> FhirJson | None:
    known = _TYPES.get(role)
    if known is None or not concept:
        return concept
    coding = {"system": _PARTICIPATION_TYPE, "code": known[0], "display": known[1]}
    return {**concept, "coding": [coding, *concept.get("coding", ())]}


def _add_performer(kind: Kind, said: dict[int, list[Any]], out: FhirJson) -> None:
    """Procedure.performer: a person, on behalf of an organisation, or the organisation."""
    people = said.get(kind.person) or said[kind.organisation][:1]
    details = _details(kind, said, {kind.role, kind.person, kind.organisation})
    others = said.get(kind.organisation, ())[1:]
    details += _details(kind, {kind.organisation: list(others)}, set())
    for person in people:
        item: FhirJson = {"actor": person}
        if concept := _first(said, kind.role):
            item["function"] = concept
        if kind.person in said and kind.organisation in said:
            item["onBehalfOf"] = said[kind.organisation][0]
        if details:
            item["extension"] = details
        out.setdefault("performer", []).append(item)


def _assign(kind: Kind, role: str, said: dict[int, list[Any]], out: FhirJson) -> None:
    """Elements that R4 has for a role; the extension keeps the rest."""
    actors = said.get(kind.person) or said.get(kind.organisation) or []
    if not actors:
        return
    target = out["resourceType"]
    if target == "Patient" and role in _PRIMARY_CARE:
        _append(out, "generalPractitioner", actors)
    elif target == "ServiceRequest" and role == "OP":
        out.setdefault("requester", actors[0])
    elif target in ("Observation", "DiagnosticReport") and role in _PERFORMERS:
        _append(out, "performer", actors)
    elif target == "DiagnosticReport" and role in _INTERPRETERS:
        _append(out, "resultsInterpreter", actors)
    elif target == "Specimen" and role == "SC" and kind.person in said:
        out.setdefault("collection", {}).setdefault("collector", actors[0])


def _append(out: FhirJson, name: str, actors: list[Any]) -> None:
    found = out.setdefault(name, [])
    found.extend(actor for actor in actors if actor not in found)


def _take_back(
    kind: Kind, role: str, m: Msg, out: FhirJson, instance: Instance, seg: Segment,
    said: dict[int, list[Any]], cleared: list[str],
) -> None:  # fmt: skip
    """A role that ended: the person leaves it, and nobody is in it unless somebody is named."""
    target = out["resourceType"]
    code = _TYPES.get(role, (role,))[0]
    if target == "Encounter":
        who = [person.get("reference", "") for person in said.get(kind.person, ())]
        cleared.extend(f"=participant:{code}|{reference}" for reference in who)
    for other in instance.segments.get(seg.name, ()):
        fields = other.fields + [""] * (kind.role + 1)
        still = m.part(fields[kind.action], 1) not in _ENDED
        if still and _role_code(fields[kind.role], m) == role:
            return
    if target == "Encounter" and role in _SINGLE:
        if not any(_has(p, code) for p in out.get("participant", ())):
            cleared.append(f"participant:{code}")
    elif target == "Patient" and role in _PRIMARY_CARE:
        cleared.append("generalPractitioner")


def _register(name: str, kind: Kind) -> None:
    for number, field in kind.fields.items():
        if field.like:
            parts = REGISTRY.datatypes[field.like].parts
        else:
            parts = parts_of(_ADDRESS_READS, _ADDRESS_IGNORES)
        function = f"{name}.{field.label}"
        call = partial(_read, kind, number)
        REGISTRY.segment_functions[function] = SegmentFunction(function, call, parts)


_register("ROL", _ROL)
_register("PRT", _PRT)
_register("ARV", _ARV)
