"""What documents say of drugs, allergies and problems: lines under a heading, and coded entries.

Plain text, HTML, the narrative of a Composition and clinical documents in XML (CDA) are read. Only
what stands in a list of such things is, and nothing is concluded here: which drug a line names is
for the formulary, what follows from it for reconciliation. Every line tells its bytes in the
document.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from typing import Any, Final

from chartloom.chart.document_words import listed_lines
from chartloom.chart.elements import drop_empty
from chartloom.domain.resource import FhirJson
from chartloom.formats.documents import (
    SECTIONS,
    Cda,
    Line,
    Stated,
    UnreadError,
    markup_lines,
    read_cda,
    text_lines,
)

_Json = dict[str, Any]

#: Of each list of a document so many lines are kept.
LINES_MAX: Final = 40
LINE_CHARS_MAX: Final = 100
#: Larger documents are not read: the half of a list would say that the rest was left out.
DOCUMENT_BYTES_MAX: Final = 1_000_000
_TEXT_BYTES_MAX: Final = 64_000
_MARKUP: Final = ("text/html", "application/xhtml")
_XML: Final = (
    "text/xml", "application/xml", "application/hl7-cda", "application/x-hl7-cda", "text/x-hl7",
    "application/cda",
)  # fmt: skip
LISTS: Final = ("drugs", "allergies", "problems")
_LIST_OF: Final = {
    "medications": "drugs",
    "medications-on-admission": "drugs",
    "allergies": "allergies",
    "problems": "problems",
}
#: Status of an act of CDA -> status of a MedicationStatement.
_STATEMENTS: Final = {
    "active": "active", "completed": "completed", "aborted": "stopped", "suspended": "on-hold",
    "cancelled": "not-taken", "held": "on-hold", "new": "intended",
}  # fmt: skip


def document_lists(resource: FhirJson) -> _Json:
    """``drugs``, ``allergies`` and ``problems`` of a DocumentReference, Composition, report or
    result, as ``chart/README.md`` describes; ``clipped`` if there were more lines than are kept,
    ``unread`` why an attachment was not read. Nothing of what was replaced."""
    status = resource.get("status")
    if status in ("superseded", "entered-in-error", "cancelled"):
        return {}
    found = _Found()
    for part, attachment in enumerate(_attachments(resource)):
        found.part = part
        _attachment(attachment, found)
    for part, section in enumerate(_sections(resource.get("section", ()))):
        found.part = part
        _narrative(section, found)
    return found.told()


def text_lists(text: str) -> _Json:
    """The same of a text by itself."""
    found = _Found()
    _lines(text_lines(text.encode("utf-8", "replace")[:_TEXT_BYTES_MAX]), found, "")
    return found.told()


class _Found:
    """The lists as far as they were read. part: which attachment or section is being read."""

    def __init__(self) -> None:
        self.lists: dict[str, list[_Json]] = {name: [] for name in LISTS}
        self.part = 0
        self.clipped = False
        self.unread = ""

    def add(self, name: str, line: _Json) -> None:
        """One more line of a list."""
        if len(self.lists[name]) >= LINES_MAX:
            self.clipped = True
        else:
            self.lists[name].append(line | ({"part": self.part} if self.part else {}))

    def told(self) -> _Json:
        """What an entry has of it."""
        return drop_empty({**self.lists, "clipped": self.clipped or None, "unread": self.unread})


def _attachments(resource: FhirJson) -> Iterator[_Json]:
    for content in resource.get("content", ()):
        yield content.get("attachment") or {}
    yield from resource.get("presentedForm", ())
    for extension in resource.get("extension", ()):
        if (attached := extension.get("valueAttachment")) is not None:
            yield attached


def _sections(sections: Iterable[_Json], depth: int = 0) -> Iterator[_Json]:
    """Sections of a Composition, and those within them."""
    for section in sections:
        yield section
        if depth < 4:
            yield from _sections(section.get("section", ()), depth + 1)


def _attachment(attachment: _Json, found: _Found) -> None:
    kind = str(attachment.get("contentType", "")).lower()
    known = kind.startswith(("text/plain", *_MARKUP, *_XML))
    encoded = attachment.get("data") or ""
    if not known and not (kind in ("", "application/octet-stream") and encoded[:8] == "PD94bWwg"):
        return  # whoever does not say what it is, and begins with "<?xml ", sends XML
    if len(encoded) > DOCUMENT_BYTES_MAX * 4 // 3:
        found.unread = "too-large"
        return
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return
    if kind.startswith("text/plain"):
        _lines(text_lines(data[:_TEXT_BYTES_MAX]), found, "")
    elif kind.startswith(_MARKUP):
        _lines(markup_lines(data), found, "")
    else:
        _xml(data, found)


def _xml(data: bytes, found: _Found) -> None:
    try:
        document = read_cda(data)
    except UnreadError as unread:
        found.unread = unread.reason.value
        return
    for section in document.sections if document is not None else ():
        for stated in section.entries:
            _coded(section.lists, stated, document, found)
        _lines(section.lines, found, _LIST_OF[section.lists])


def _coded(lists: str, stated: Stated, document: Cda | None, found: _Found) -> None:
    name = _LIST_OF[lists]
    status = stated.status
    if name == "drugs":
        status = "not-taken" if stated.negated else _STATEMENTS.get(status, "unknown")
        if status == "completed" and not stated.end:
            status = "unknown"  # many senders say so of everything that they wrote down
    found.add(
        name,
        drop_empty(
            {
                "text": stated.text[:LINE_CHARS_MAX] or stated.codes[0].rpartition("|")[2],
                "says": "coded",
                "status": status,
                "refuted": stated.negated or None,
                "codes": list(stated.codes),
                "start": stated.start,
                "end": stated.end,
                "said": stated.said or (document.time if document is not None else ""),
                "reactions": list(stated.reactions),
                "severity": stated.severity,
                "criticality": stated.criticality,
                "bytes": [stated.first_byte, stated.end_byte],
            }
        ),
    )


def _narrative(section: _Json, found: _Found) -> None:
    """The narrative of a section that points at no entries; these are read themselves."""
    div = (section.get("text") or {}).get("div")
    if not div or section.get("entry"):
        return
    codes = {c.get("code") for c in (section.get("code") or {}).get("coding", ())}
    lists = next((_LIST_OF[SECTIONS[c]] for c in codes if c in SECTIONS), "")
    data = str(div).encode("utf-8", "replace")
    if len(data) > DOCUMENT_BYTES_MAX:
        found.unread = "too-large"
        return
    head = [Line(f"{section['title']}:", 0, 0, heading=True)] if section.get("title") else []
    _lines((*head, *markup_lines(data)), found, lists)


def _lines(lines: Iterable[Line], found: _Found, within: str) -> None:
    """within: the list that the lines are known to be of; "" where headings tell."""
    for name, text, says, line in listed_lines(lines, within):
        told = {"text": text[:LINE_CHARS_MAX], "says": says, "bytes": [line.start, line.end]}
        found.add(name, told)
