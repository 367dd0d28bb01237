"""What documents say of drugs, allergies and problems: lines under a heading, and coded entries.

Plain text, HTML, the narrative of a Composition and clinical documents in XML (CDA) are read. Only
what stands in a list of such things is, and nothing is concluded here: which drug a line names is
for the formulary, what follows from it for reconciliation. Every line tells its bytes in the
document.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from chartloom.domain.resource import FhirJson
from chartloom.formats.documents.cda import SECTIONS, Cda, Stated, read_cda
from chartloom.formats.documents.issues import Unread, UnreadError
from chartloom.formats.documents.lines import Line, markup_lines, text_lines
from chartloom.formats.documents.words import MENTIONED, listed_lines

_Json = dict[str, Any]

#: Of each list of a document so many lines are kept.
LINES_MAX: Final = 40
LINE_CHARS_MAX: Final = 100
#: What only names something, and the rest of long lines, as far as names of drugs are read.
MENTION_CHARS_MAX: Final = 300
#: Larger documents are not read: the half of a list would say that the rest was left out.
DOCUMENT_BYTES_MAX: Final = 1_000_000
_TEXT_BYTES_MAX: Final = 64_000
_MARKUP: Final = ("text/html", "application/xhtml")
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})")
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


#: What was read is kept for a moment: the rules of sensitivity and every part of a chart that is
#: made anew ask for the same bytes.
_REMEMBERED_MAX: Final = 256
#: Of lines beyond those that a chart keeps, so many are still judged.
_BEYOND_MAX: Final = 2_000


def document_lists(resource: FhirJson) -> _Json:
    """``drugs``, ``allergies`` and ``problems`` of a DocumentReference, Composition, report or
    result, as ``chart/README.md`` describes; ``mentions``: lines among the drugs of which it is not
    sure what they say; ``clipped`` if there was more than is kept, ``unread`` why an attachment was
    not read. Nothing of what was replaced."""
    if resource.get("status") in ("superseded", "entered-in-error", "cancelled"):
        return {}
    return _told(_parts(resource))


def text_lists(text: str) -> _Json:
    """The same of a text by itself."""
    return _told([(0, _of_text(text))])


def named_in(resource: FhirJson) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(words, codes as ``system|code``) of everything that a resource lists, whatever its status
    and also beyond what a chart keeps: for whoever judges what it reveals."""
    parts = _parts(resource)
    if "\n" in (text := resource.get("valueString", "")):
        parts.append((0, _of_text(text)))
    for _, found in parts:
        for lines in found.lists.values():
            for line in lines:
                yield line["text"], tuple(line.get("codes", ()))
                for reaction in line.get("reactions", ()):
                    yield reaction, ()
        for text in found.mentions:
            yield text, ()
        yield from found.beyond


class _Found:
    """The lists of one attachment, section or text. placed: its bytes are those of the document.
    about: whom it says that it is about."""

    def __init__(self) -> None:
        self.lists: dict[str, list[_Json]] = {name: [] for name in LISTS}
        self.mentions: list[str] = []
        self.beyond: list[tuple[str, tuple[str, ...]]] = []
        self.clipped = False
        self.placed = True
        self.unread = ""
        self.about: _Json = {}

    def add(self, name: str, line: _Json) -> None:
        """One more line of a list."""
        if len(self.lists[name]) < LINES_MAX:
            self.lists[name].append(line)
            return
        self.clipped = True
        if len(self.beyond) < _BEYOND_MAX:
            self.beyond.append((line["text"], tuple(line.get("codes", ()))))

    def mention(self, text: str) -> None:
        """A line among the drugs that says nothing sure."""
        self.clipped |= len(text) > MENTION_CHARS_MAX
        if len(self.mentions) < LINES_MAX:
            self.mentions.append(text[:MENTION_CHARS_MAX])
            return
        self.clipped = True
        if len(self.beyond) < _BEYOND_MAX:
            self.beyond.append((text[:MENTION_CHARS_MAX], ()))


def _told(parts: list[tuple[int, _Found]]) -> _Json:
    """What an entry of a chart has of the parts; lines are marked with theirs from the second."""
    lists: dict[str, list[_Json]] = {name: [] for name in LISTS}
    mentions: list[str] = []
    about: list[_Json] = []
    clipped, unread = False, ""
    for part, found in parts:
        mark = {"part": part} if part else {}
        for name, lines in found.lists.items():
            lists[name] += [line | mark for line in lines]
        mentions += found.mentions
        if found.about and any(found.lists.values()):
            about.append(found.about | mark)
        clipped |= found.clipped
        unread = found.unread or unread
    clipped |= len(mentions) > LINES_MAX or any(len(x) > LINES_MAX for x in lists.values())
    kept = {name: lines[:LINES_MAX] for name, lines in lists.items()}
    return _said(
        {
            **kept,
            "mentions": mentions[:LINES_MAX],
            "about": about,
            "clipped": clipped,
            "unread": unread,
        }
    )


def _said(value: _Json) -> _Json:
    return {key: inner for key, inner in value.items() if inner}


def _parts(resource: FhirJson) -> list[tuple[int, _Found]]:
    """(number, what it lists) of the attachments and of the sections of a resource."""
    found = [(n, _attachment(a)) for n, a in enumerate(_attachments(resource))]
    sections = enumerate(_sections(resource.get("section", ())))
    found += [(n, _narrative(s)) for n, s in sections]
    return found


_remembered: dict[bytes, _Found] = {}


def _once(kind: str, content: str, read: Callable[[_Found], None]) -> _Found:
    """What is read of a content, once; nobody changes it afterwards."""
    key = blake2b(f"{kind}\0{content}".encode("utf-8", "replace"), digest_size=24).digest()
    known = _remembered.get(key)
    if known is None:
        known = _Found()
        read(known)
        if len(_remembered) >= _REMEMBERED_MAX:
            _remembered.clear()
        _remembered[key] = known
    return known


def _of_text(text: str) -> _Found:
    data = text.encode("utf-8", "replace")
    return _once("words", text, lambda f: _plain(data, f))


def _plain(data: bytes, found: _Found) -> None:
    found.clipped |= len(data) > _TEXT_BYTES_MAX
    _lines(text_lines(data[:_TEXT_BYTES_MAX]), found, "")


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


def _attachment(attachment: _Json) -> _Found:
    kind = str(attachment.get("contentType", "")).lower()
    known = kind.startswith(("text/plain", *_MARKUP, *_XML))
    encoded = attachment.get("data") or ""
    if not known and not (kind in ("", "application/octet-stream") and encoded[:8] == "PD94bWwg"):
        return _Found()  # whoever does not say what it is, and begins with "<?xml ", sends XML
    return _once(kind, encoded, lambda found: _content(kind, encoded, found))


def _content(kind: str, encoded: str, found: _Found) -> None:
    encoded = "".join(encoded.split())
    if len(encoded) > DOCUMENT_BYTES_MAX * 4 // 3:
        found.unread = Unread.TOO_LARGE.value
        return
    try:
        data = _recoded(base64.b64decode(encoded, validate=True), kind, found)
    except (binascii.Error, ValueError):
        found.unread = Unread.NOT_BASE64.value
        return
    except LookupError:
        found.unread = Unread.CHARSET.value
        return
    if kind.startswith("text/plain"):
        _plain(data, found)
    elif kind.startswith(_MARKUP):
        _lines(markup_lines(data), found, "")
    else:
        _xml(data, found)


def _recoded(data: bytes, kind: str, found: _Found) -> bytes:
    """Text in UTF-8, whatever its type says that it is in; ``LookupError`` if nobody knows that.
    XML says so itself."""
    charset = _CHARSET.search(kind)
    if charset is None or (not kind.startswith("text/plain") and not kind.startswith(_MARKUP)):
        return data
    if codecs.lookup(charset[1]).name in ("utf-8", "ascii"):
        return data
    found.placed = False
    return str(codecs.decode(data, charset[1], "replace")).encode("utf-8", "replace")


def _xml(data: bytes, found: _Found) -> None:
    try:
        document = read_cda(data)
    except UnreadError as unread:
        found.unread = unread.reason.value
        return
    found.about = document.about if document is not None else {}
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
        _said(
            {
                "text": stated.text[:LINE_CHARS_MAX] or stated.codes[0].rpartition("|")[2],
                "says": "coded",
                "status": status,
                "refuted": stated.negated,
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


def _narrative(section: _Json) -> _Found:
    """The narrative of a section that points at no entries; these are read themselves."""
    div = (section.get("text") or {}).get("div")
    if not div or section.get("entry"):
        return _Found()
    codes = {c.get("code") for c in (section.get("code") or {}).get("coding", ())}
    lists = next((_LIST_OF[SECTIONS[c]] for c in codes if c in SECTIONS), "")
    title = str(section.get("title") or "")
    return _once(f"section {lists} {title}", str(div), lambda f: _markup(str(div), title, lists, f))


def _markup(div: str, title: str, lists: str, found: _Found) -> None:
    data = div.encode("utf-8", "replace")
    if len(data) > DOCUMENT_BYTES_MAX:
        found.unread = Unread.TOO_LARGE.value
        return
    head = [Line(f"{title}:", 0, 0, heading=True)] if title else []
    _lines((*head, *markup_lines(data)), found, lists)


def _lines(lines: Iterable[Line], found: _Found, within: str) -> None:
    """within: the list that the lines are known to be of; "" where headings tell."""
    for name, text, says, line in listed_lines(lines, within):
        if name == "drugs" and (says == MENTIONED or len(text) > LINE_CHARS_MAX):
            found.mention(text)
        if says == MENTIONED:
            continue
        place = {"bytes": [line.start, line.end]} if found.placed else {}
        for part in _pieces(text) if name == "allergies" else (text[:LINE_CHARS_MAX],):
            found.add(name, {"text": part, "says": says} | place)


def _pieces(text: str) -> Iterator[str]:
    """A line that names many allergies, whole or in parts: none of them is cut off."""
    most = MENTION_CHARS_MAX
    while len(text) > most and (at := text.rfind(", ", 0, most)) > 0:
        yield text[:at]
        text = text[at + 2 :]
    yield text[:most]
