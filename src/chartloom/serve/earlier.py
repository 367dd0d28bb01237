"""The mapping of an earlier project version, from the files that the store kept of it."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.identity import STEWARD
from chartloom.normalize import Mapping, load_mapping
from chartloom.normalize.mapping import Hl7Mapping
from chartloom.normalize.sensitivity import load_files
from chartloom.normalize.steward import StewardMapping

_OVERLAY = "overlay/"
_SENSITIVITY = "sensitivity/"


def earlier_mapping(name: str, files: MappingOf[str, bytes]) -> Mapping | None:
    """The mapping as it was; None if this version of Chartloom cannot load it any more.

    ``files`` are a mapping's own ``files``: what was built in then, and the site's tables under
    ``overlay/``. What is built in today plays no part.
    """
    overlay, rules = _below(_OVERLAY, files), _below(_SENSITIVITY, files)
    special = (_OVERLAY, _SENSITIVITY)
    base = {path: content for path, content in files.items() if not path.startswith(special)}
    if not base:
        return None
    try:
        if name == STEWARD.mapping:
            return StewardMapping(base)
        if any(path.startswith("segments/") for path in base):
            return Hl7Mapping(name, base, overlay, load_files(rules))
        return load_mapping("fhir", {**base, **overlay}, load_files(rules))
    except ConfigurationError:
        return None


def _below(folder: str, files: MappingOf[str, bytes]) -> dict[str, bytes]:
    return {p.removeprefix(folder): c for p, c in files.items() if p.startswith(folder)}
