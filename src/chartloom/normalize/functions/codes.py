"""Codes: ID, IS, CWE, CE, CNE to code, Coding and CodeableConcept; the original always stays."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import Prim, Sink, coded
from chartloom.normalize.model import Concept, ConceptMap
from chartloom.normalize.registry import datatype

_CWE_READS = {
    "1": "coding[0].code",
    "2": "coding[0].display text",
    "3": "coding[0].system",
    "4": "coding[1].code",
    "5": "coding[1].display",
    "6": "coding[1].system",
    "7": "coding[0].version",
    "8": "coding[1].version",
    "9": "text",
    "10": "coding[2].code",
    "11": "coding[2].display",
    "12": "coding[2].system",
    "13": "coding[2].version",
}
_CWE_IGNORES = {
    "14": "OID of the code system: read only where its name is missing",
    "17": "OID of the code system: read only where its name is missing",
    "20": "OID of the code system: read only where its name is missing",
    "15": "OID of the value set the code was chosen from",
    "16": "version of the value set",
    "18": "OID of the value set the code was chosen from",
    "19": "version of the value set",
    "21": "OID of the value set the code was chosen from",
    "22": "version of the value set",
}
#: (code, text, system, version, system OID) of the three codings of a CWE.
_TRIPLES = ((0, 1, 2, 6, 13), (3, 4, 5, 7, 16), (9, 10, 11, 12, 19))


def system_uri(name: str, s: Sink) -> str:
    """The URI of a coding system as HL7 table 0396 or a site names it."""
    known = s.env.systems.get(name) or s.env.systems.get(name.upper())
    if known is not None:
        return known
    if name[:3].upper() == "HL7" and name[3:].isdigit():
        return f"http://terminology.hl7.org/CodeSystem/v2-{name[-4:]}"
    if name.startswith(("http://", "https://", "urn:")):
        return "".join(name.split())
    if _is_oid(name):
        return f"urn:oid:{name}"
    return "urn:id:" + "".join(name.split())


def _is_oid(text: str) -> bool:
    head, *rest = text.split(".")
    return head in ("0", "1", "2") and bool(rest) and all(p.isdigit() for p in rest)


def codings(x: str, s: Sink, source_system: str = "") -> tuple[list[FhirJson], str]:
    """The codings of a CWE as they came, and its text."""
    c = [s.leaf(p) if p else "" for p in x.split(s.env.comp)]
    c += [""] * (22 - len(c))
    result = []
    for code, text, system, version, oid in _TRIPLES:
        if not (c[code] or c[text]):
            continue
        coding: FhirJson = {}
        if c[system]:
            coding["system"] = system_uri(c[system], s)
        elif c[oid]:
            coding["system"] = system_uri(c[oid], s)
        elif c[code] and source_system and code == 0:
            coding["system"] = source_system
        if c[version]:
            coding["version"] = c[version]
        if c[code]:
            coding["code"] = " ".join(c[code].split())
        if c[text]:
            coding["display"] = c[text]
        # A text without code or system belongs into CodeableConcept.text alone.
        if c[code] or len(coding) > 1:
            result.append(coding)
    return result, c[8] or c[1] or ("" if c[0] else c[4])


@datatype("CWE.CodeableConcept", _CWE_READS, _CWE_IGNORES, memo=True, concept=True)
def cwe_codeable(x: str, s: Sink, concept: ConceptMap | None) -> FhirJson | None:
    """CWE, CE, CNE, CF, IS, ID -> CodeableConcept: the mapped coding first, then the original."""
    source_system = concept.source_system if concept else ""
    found, text = codings(x, s, source_system)
    if concept is not None:
        mapped = _mapped(found, text, s, concept)
        if mapped is not None and mapped.code:
            coding = {"system": mapped.system, "code": mapped.code}
            if mapped.display:
                coding["display"] = mapped.display
            if not any(_same(c, mapped) for c in found):
                found = [coding, *found]
    out: FhirJson = {}
    if found:
        out["coding"] = found
    if text:
        out["text"] = text
    return out or None


def _same(coding: FhirJson, mapped: Concept) -> bool:
    return coding.get("code") == mapped.code and coding.get("system") == mapped.system


def _mapped(found: list[FhirJson], text: str, s: Sink, concept: ConceptMap) -> Concept | None:
    """The concept of the first coding that the map knows; complains if it knows none."""
    for coding in found:
        hit = concept.find(coding.get("code", ""))
        if hit is not None:
            return hit
    if text and (hit := concept.find(text)) is not None:
        return hit
    if (found or text) and not concept.open:
        s.complain("code-unmapped", concept.name)
    return concept.other if found else None


@datatype("CWE.Coding", _CWE_READS, _CWE_IGNORES, memo=True, concept=True)
def cwe_coding(x: str, s: Sink, concept: ConceptMap | None) -> FhirJson | None:
    """CWE, IS -> one Coding: the mapped one, else the original. For elements of type Coding."""
    found, text = codings(x, s, concept.source_system if concept else "")
    if concept is not None:
        mapped = _mapped(found, text, s, concept)
        if mapped is not None and mapped.code:
            coding: FhirJson = {"system": mapped.system, "code": mapped.code}
            if mapped.display:
                coding["display"] = mapped.display
            if found and not _same(found[0], mapped):
                coding["extension"] = [_original(c) for c in found]
            return coding
    if not found:
        return {"display": text} if text else None
    first = found[0]
    if rest := found[1:]:
        first["extension"] = [_original(c) for c in rest]
    return first


def _original(coding: FhirJson) -> FhirJson:
    return {
        "url": "http://hl7.org/fhir/StructureDefinition/alternate-codes",
        "valueCodeableConcept": {"coding": [coding]},
    }


_CODE_IGNORES = {
    "2": "text of a coded element",
    "3": "coding system of a coded element: the concept map says it",
}


@datatype("CWE.code", {"1": ""}, _CODE_IGNORES, memo=True, primitive=True, concept=True)
def cwe_code(x: str, s: Sink, concept: ConceptMap) -> str | Prim | None:
    """CWE, ID, IS -> code of a required FHIR value set; the original stays beside it if needed."""
    code = s.leaf(x.split(s.env.comp, 1)[0])
    if not code:
        return None
    hit = concept.find(code)
    if hit is None:
        if not concept.open:
            s.complain("code-unmapped", concept.name)
        return coded(concept, code, concept.other.code if concept.other else None)
    if not hit.code:
        return coded(concept, code, None)
    if not concept.source_system or concept.usual[hit.code] in (code, code.upper()):
        return hit.code
    return coded(concept, code, hit.code)


@datatype("CWE.value", {"1": ""}, _CODE_IGNORES, memo=True, concept=True)
def cwe_value(x: str, s: Sink, concept: ConceptMap) -> str | None:
    """CWE, ID, IS -> code, or nothing without equivalent; the original is kept elsewhere."""
    code = s.leaf(x.split(s.env.comp, 1)[0])
    hit = concept.find(code) if code else None
    return (hit.code or None) if hit is not None else None


@datatype("Concept.CodeableConcept", concept=True)
def constant_codeable(x: str, s: Sink, concept: ConceptMap) -> FhirJson | None:
    """A fixed key of a concept map as a CodeableConcept, without the key itself."""
    hit = concept.find(x)
    return {"coding": [_constant(hit)]} if hit else None


@datatype("Concept.Coding", concept=True)
def constant_coding(x: str, s: Sink, concept: ConceptMap) -> FhirJson | None:
    """A fixed key of a concept map as a Coding."""
    hit = concept.find(x)
    return _constant(hit) if hit else None


def _constant(hit: Concept) -> FhirJson:
    coding = {"system": hit.system, "code": hit.code}
    if hit.display:
        coding["display"] = hit.display
    return coding
