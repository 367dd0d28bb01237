"""Normalisation: HL7 v2 and FHIR messages to FHIR R4 resources, with evidence for every value.

``load_mapping`` reads reviewable tables (see ``README.md``) and compiles them; ``Mapping.derive``
is the pure function from one message to everything it says, ``Mapping.trace`` the same with
evidence and the full loss report.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from importlib import resources
from importlib.resources.abc import Traversable

import chartloom.normalize.issues  # noqa: F401  (registers the issue codes)
from chartloom.domain.errors import ConfigurationError
from chartloom.normalize.contract import Mapping
from chartloom.normalize.resolving import ResolvingMapping
from chartloom.normalize.sensitivity import Labeller

__all__ = ["Labeller", "Mapping", "ResolvingMapping", "builtin_files", "load_mapping"]


def load_mapping(
    name: str = "hl7v2",
    overlays: MappingOf[str, bytes] | None = None,
    labeller: Labeller | None = None,
) -> Mapping:
    """The mapping ``hl7v2`` or ``fhir``; overlay files (relative path -> content) go on top.
    ``steward`` reads decisions of people and takes none.

    labeller: the site's rules of sensitivity; the built-in ones if there is none.

    Raises ``ConfigurationError`` naming file, line, key and cure.
    """
    if name == "hl7v2":
        from chartloom.normalize.mapping import Hl7Mapping

        return Hl7Mapping(name, builtin_files(name), overlays or {}, labeller)
    if name == "fhir":
        from chartloom.normalize.fhir_feed import load_fhir_mapping

        return load_fhir_mapping(overlays or {}, labeller)
    if name == "steward":
        from chartloom.normalize.steward import StewardMapping

        return StewardMapping(builtin_files(name))
    raise ConfigurationError(
        f"there is no mapping {name!r}.", where="mapping", cure="Use hl7v2 or fhir."
    )


def builtin_files(name: str) -> dict[str, bytes]:
    """The files of a built-in mapping: relative path -> content."""
    found: dict[str, bytes] = {}
    folder = resources.files("chartloom.normalize").joinpath("tables", name)

    def read(at: Traversable, prefix: str) -> None:
        for entry in at.iterdir():
            if entry.is_dir():
                read(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith((".csv", ".toml")):
                found[prefix + entry.name] = entry.read_bytes()

    read(folder, "")
    return found
