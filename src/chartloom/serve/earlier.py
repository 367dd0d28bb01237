"""The mapping of an earlier project version, from the files that the store kept of it."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf

from chartloom.domain.errors import ConfigurationError
from chartloom.normalize import Mapping, load_mapping
from chartloom.normalize.mapping import Hl7Mapping

_OVERLAY = "overlay/"


def earlier_mapping(name: str, files: MappingOf[str, bytes]) -> Mapping | None:
    """The mapping as it was; None if this version of Chartloom cannot load it any more.

    ``files`` are a mapping's own ``files``: what was built in then, and the site's tables under
    ``overlay/``. What is built in today plays no part.
    """
    base = {path: content for path, content in files.items() if not path.startswith(_OVERLAY)}
    overlay = {
        path.removeprefix(_OVERLAY): content
        for path, content in files.items()
        if path.startswith(_OVERLAY)
    }
    if not base:
        return None
    try:
        if any(path.startswith("segments/") for path in base):
            return Hl7Mapping(name, base, overlay)
        return load_mapping("fhir", {**base, **overlay})
    except ConfigurationError:
        return None
