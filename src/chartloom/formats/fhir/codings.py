"""Codings in one spelling, so that two may be compared: systems by family, codes without dots."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

ICD_10: Final = "icd-10"
ICD_9: Final = "icd-9"
ATC: Final = "atc"
NDC: Final = "ndc"
_DOTLESS: Final = frozenset({ICD_10, ICD_9})
#: Families in which a code stands for all that begin with it.
BY_PREFIX: Final = frozenset({ICD_10, ICD_9, ATC})
#: Families that name what somebody has, had or took: what a letter or a note tells in words.
CLINICAL: Final = frozenset({ICD_10, ICD_9, "snomed", "rxnorm", NDC, ATC, "cvx", "icd-10-pcs"})
#: Families that name reasons, findings and conclusions.
FINDINGS: Final = frozenset({ICD_10, ICD_9, "snomed"})
_MEDICINES: Final = frozenset({
    "Medication", "MedicationRequest", "MedicationStatement", "MedicationAdministration",
    "MedicationDispense", "Immunization",
})  # fmt: skip
_DONE: Final = frozenset({"Procedure", "ServiceRequest", "ChargeItem"})
#: What a family names, and so what may be the same thing in another family's words.
_NAMES: Final[dict[str, frozenset[str]]] = {
    ICD_10: frozenset({"Condition"}),
    ICD_9: frozenset({"Condition"}),
    "snomed": frozenset({"Condition", "AllergyIntolerance", "Procedure"}) | _MEDICINES,
    "rxnorm": _MEDICINES | {"AllergyIntolerance"},
    NDC: _MEDICINES,
    ATC: _MEDICINES | {"AllergyIntolerance"},
    "cvx": frozenset({"Immunization"}),
    "loinc": frozenset({
        "Observation", "DiagnosticReport", "DocumentReference", "Composition", "ServiceRequest",
    }),
    "cpt": _DONE,
    "hcpcs": _DONE,
    "icd-10-pcs": _DONE,
}  # fmt: skip
_SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    ICD_10: ("hl7.org/fhir/sid/icd-10", "hl7.org/fhir/sid/icd-10-cm", "2.16.840.1.113883.6.3",
             "2.16.840.1.113883.6.90", "i10", "i10c", "icd10", "icd-10", "icd10cm", "icd-10-cm",
             "hl7.org/fhir/sid/icd-10-gm", "fhir.de/codesystem/bfarm/icd-10-gm"),
    ICD_9: ("hl7.org/fhir/sid/icd-9-cm", "hl7.org/fhir/sid/icd-9", "2.16.840.1.113883.6.103",
            "2.16.840.1.113883.6.42", "i9", "i9c", "icd9", "icd-9", "icd9cm", "icd-9-cm"),
    "snomed": ("snomed.info/sct", "2.16.840.1.113883.6.96", "sct", "snomed", "snomed-ct"),
    "rxnorm": ("www.nlm.nih.gov/research/umls/rxnorm", "2.16.840.1.113883.6.88", "rxnorm"),
    NDC: ("hl7.org/fhir/sid/ndc", "2.16.840.1.113883.6.69", "ndc"),
    ATC: ("www.whocc.no/atc", "2.16.840.1.113883.6.73", "atc"),
    "cvx": ("hl7.org/fhir/sid/cvx", "2.16.840.1.113883.12.292", "cvx"),
    "loinc": ("loinc.org", "2.16.840.1.113883.6.1", "ln", "loinc"),
    "cpt": ("www.ama-assn.org/go/cpt", "2.16.840.1.113883.6.12", "c4", "cpt"),
    "hcpcs": ("www.cms.gov/medicare/coding/hcpcsreleasecodesets", "2.16.840.1.113883.6.285",
              "hcpcs"),
    "icd-10-pcs": ("www.cms.gov/medicare/coding/icd10", "hl7.org/fhir/sid/icd-10-pcs",
                   "2.16.840.1.113883.6.4", "i10p"),
}  # fmt: skip
_FAMILY: Final = {text: family for family, texts in _SPELLINGS.items() for text in texts}
_SCHEMES: Final = ("http://", "https://", "urn:oid:", "urn:id:", "urn:")


def canonical(code: str, *, dotless: bool) -> str:
    """A code as it is compared: upper case, trimmed, without the dots of ICD."""
    code = code.strip().upper()
    return code.replace(".", "") if dotless else code


@lru_cache(4_096)
def family(system: str) -> str:
    """The family of a code system (URL, OID or HL7 v2 name); if unknown, its own spelling."""
    text = system.strip().casefold().partition("|")[0].rstrip("/")
    for scheme in _SCHEMES:
        text = text.removeprefix(scheme)
    if text.startswith("snomed.info/sct/"):  # an edition or a version
        return "snomed"
    return _FAMILY.get(text, text)


def known(system: str) -> bool:
    """Whether it can be told what a code system names."""
    return family(system) in _NAMES


def may_name(family: str, resource_type: str) -> bool:
    """Whether a code of a family may say what such a resource is. Of unknown ones nobody knows."""
    return family not in _NAMES or resource_type in _NAMES[family]


def normal(system: str, code: str) -> tuple[str, str]:
    """A coding as it is compared: its family and the canonical code."""
    of = family(system)
    code = canonical(code, dotless=of in _DOTLESS)
    return of, _ndc(code) if of == NDC else code


def _ndc(code: str) -> str:
    """Labeler and product of an NDC in nine digits (5-4), without the package: 0069-0468-56, 00069
    046856 and 0069-0468 are one. Ten digits without hyphens may be three: they stay as they are."""
    parts = code.split("-")
    if len(parts) in (2, 3) and all(part.isascii() and part.isdigit() for part in parts):
        return parts[0].zfill(5) + parts[1].zfill(4)
    digits = code.replace(" ", "")
    if len(digits) == 12 and digits[0] == "0":
        digits = digits[1:]
    return digits[:9] if len(digits) == 11 and digits.isascii() and digits.isdigit() else digits


def ndc_products(code: str) -> frozenset[str]:
    """What ten digits of an NDC without hyphens may stand for, as :func:`normal` writes it."""
    if len(code) != 10 or not (code.isascii() and code.isdigit()):
        return frozenset()
    layouts = ((4, 8), (5, 8), (5, 9))
    return frozenset(code[:a].zfill(5) + code[a:b].zfill(4) for a, b in layouts)
