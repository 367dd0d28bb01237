"""Lines under a heading of medications in a document's text: what a note says of drugs.

Only what stands under such a heading is read, line by line, and nothing is concluded here: which
drug a line names is for the formulary, what follows from it for reconciliation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from chartloom.domain.resource import FhirJson

LINES_MAX: Final = 20
LINE_CHARS_MAX: Final = 100
_TEXT_BYTES_MAX: Final = 64_000

_DRUGS: Final = r"(?:medications?|medicines?|meds|drugs|prescriptions?)"
_HEADING: Final = re.compile(
    rf"^[\s#*]*(?P<what>(?:[a-z]+[ -]){{0,3}}{_DRUGS}"
    r"(?: (?:list|at|on|upon|after|for|to|stopped|discontinued)\b[a-z ]{0,40})?)"
    r"\s*(?::|$)(?P<rest>.*)$",
    re.IGNORECASE,
)
#: A heading of a list of drugs that a text has without the word, as parts of one.
_PART: Final = re.compile(
    r"^[\s#*]*(?P<what>stop(?: taking)?|stopped|discontinued?|continued?(?: taking)?"
    r"|new|changed?|start(?: taking)?|started)\s*:(?P<rest>.*)$",
    re.IGNORECASE,
)
_OTHER_HEADING: Final = re.compile(r"^\s*[#*]*\s*[A-Z][A-Za-z /&-]{2,60}:\s*(?:\S.*)?$")
#: Headings that are not about what this patient shall take.
_NOT_TAKEN: Final = re.compile(
    r"\b(?:allerg\w*|intoleran\w*|adverse|avoid|family|contraindicated|inpatient|given)\b",
    re.IGNORECASE,
)
_STOPS: Final = re.compile(
    r"\b(?:stop\w*|discontinu\w*|d/c(?:'?d)?|no longer|not taking|cease\w*)\b", re.IGNORECASE
)
#: Lines of which it is not sure whom or what they speak of: they are left out.
_UNSURE: Final = re.compile(
    r"\b(?:no|none|not|never|denies|denied|without|allerg\w*|intoleran\w*|reaction|avoid|family"
    r"|mother|father|sister|brother|wife|husband|son|daughter|if|unless|consider\w*|hold|held)\b|\?",
    re.IGNORECASE,
)
_BULLET: Final = re.compile(r"^\s*(?:[-*\u2022]+|\d{1,2}[.)])?\s*")


def document_drugs(resource: FhirJson) -> list[dict[str, str]]:
    """The lines about drugs of a DocumentReference: ``text`` and ``says`` (``noted``,
    ``noted-stopped``), as they follow each other; none of one that was replaced."""
    if resource.get("status") not in (None, "current"):
        return []
    texts = (_text(c.get("attachment") or {}) for c in resource.get("content", ()))
    return list(_first(line for text in texts for line in drug_lines(text)))


def drug_lines(text: str) -> Iterator[dict[str, str]]:
    """What stands under headings of medications in a text."""
    says, within = "", False
    for line in text.splitlines():
        found = _HEADING.match(line) or (_PART.match(line) if within else None)
        if found:
            what = found["what"]
            says = "" if _NOT_TAKEN.search(what) else _says(what)
            within = bool(says)
            line = found["rest"]
        elif _OTHER_HEADING.match(line):
            says, within = "", False
        if says:
            for part in line.split(";"):
                yield from _line(part, says)


def _line(part: str, says: str) -> Iterator[dict[str, str]]:
    words = " ".join(_BULLET.sub("", part, count=1).split())
    stopped = _STOPS.search(words)
    if len(words) < 3 or _UNSURE.search(_STOPS.sub(" ", words)):
        return
    name = _STOPS.sub(" ", words).strip(" -:.,") if stopped else words
    text = " ".join(name.split())[:LINE_CHARS_MAX]
    yield {"text": text, "says": "noted-stopped" if stopped else says}


def _says(heading: str) -> str:
    return "noted-stopped" if _STOPS.search(heading) else "noted"


def _first(lines: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
    for count, line in enumerate(lines):
        if count == LINES_MAX:
            return
        yield line


def _text(attachment: dict[str, Any]) -> str:
    if not str(attachment.get("contentType", "")).startswith("text/plain"):
        return ""
    try:
        data = base64.b64decode(attachment.get("data") or "", validate=True)
    except (binascii.Error, ValueError):
        return ""
    return data[:_TEXT_BYTES_MAX].decode("utf-8", "replace")
