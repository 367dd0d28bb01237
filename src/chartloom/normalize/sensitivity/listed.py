"""What documents, reports and notes list, as words and codes to judge."""

from __future__ import annotations

from typing import Final

from chartloom.domain.resource import FhirJson
from chartloom.formats.documents import named_in

__all__ = ["may_list", "named_in", "parted"]

_HOLDERS: Final = {
    "DocumentReference": "content",
    "Composition": "section",
    "DiagnosticReport": "presentedForm",
}
_ATTACHING: Final = frozenset({"Observation", *_HOLDERS})


def may_list(resource: FhirJson) -> bool:
    """Whether attachments, narrative or a text of several lines in it may list something."""
    kind = resource["resourceType"]
    if kind in _HOLDERS and _HOLDERS[kind] in resource:
        return True
    if kind == "Observation" and "\n" in resource.get("valueString", ""):
        return True
    return kind in _ATTACHING and any("valueAttachment" in e for e in resource.get("extension", ()))


def parted(code: str) -> tuple[str, str]:
    """System and code of ``system|code``."""
    system, _, value = code.rpartition("|")
    return system, value
