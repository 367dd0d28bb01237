"""A steward's word about the directory, as a FHIR R4 ``Basic``: written by ``directory_word``.

What is said is its ``code``, who said it its ``author``, about which numbers its extensions. Every
word is a resource of its own, so that all of them stay: which counts is for
``registry/directory/words.py``. It is about the hospital, not about a patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from chartloom.domain.identity import STEWARD_FEED
from chartloom.domain.ids import make_id
from chartloom.domain.issues import Issue
from chartloom.domain.resource import Contribution, FhirJson
from chartloom.normalize.steward.said import Reading, author, author_of, malformed
from chartloom.normalize.steward.said import Said as Stated
from chartloom.registry.directory import (
    DRUG,
    DUPLICATE_POSSIBLE,
    ITEMS_MAX,
    LOCATION_UNRESOLVED,
    NPI_CHECK_DIGIT,
    NUMBER_SHARED,
    ORGANIZATION_UNRESOLVED,
    PART_UNKNOWN,
    PRACTITIONER_UNRESOLVED,
    TEXT_MAX,
    VALUES_DIFFER,
    About,
    DirectoryKind,
    Said,
    Word,
    is_day,
)
from chartloom.registry.formulary import CODE_UNRESOLVED

#: System of what is said.
SAYS: Final = "urn:chartloom:directory-word"
_ABOUT: Final = "urn:chartloom:extension:directory-"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WAIT_DAYS_MAX: Final = 3700

_PAIR: Final = frozenset({Said.SAME, Said.DIFFERENT})
_UNKNOWN: Final = frozenset({Said.SAME})
_NOTHING: Final[frozenset[Said]] = frozenset()
_ALWAYS: Final = frozenset({Said.IGNORE, Said.WITHDRAW})
#: What can be said besides about each kind of question.
SAYABLE: Final = {
    NUMBER_SHARED: _PAIR,
    DUPLICATE_POSSIBLE: _PAIR,
    VALUES_DIFFER: frozenset({Said.KEEP}),
    NPI_CHECK_DIGIT: _NOTHING,
    PART_UNKNOWN: _NOTHING,
    PRACTITIONER_UNRESOLVED: _UNKNOWN,
    ORGANIZATION_UNRESOLVED: _UNKNOWN,
    LOCATION_UNRESOLVED: _UNKNOWN,
    CODE_UNRESOLVED: _NOTHING,
}
_KINDS: Final = frozenset({*map(str, DirectoryKind), DRUG})
_ONE: Final = ("code", "kind", "attribute", "text", "seen", "note", "until", "at")


def sayable(word: Word) -> str:
    """What keeps a word from being said, as a name of the part that does not fit; "" if nothing."""
    about, said = word.about, word.said
    if about.code not in SAYABLE or about.kind not in _KINDS:
        return "code"
    if said not in SAYABLE[about.code] | _ALWAYS:
        return "said"
    two = about.code in (NUMBER_SHARED, DUPLICATE_POSSIBLE)
    if not (2 if two else 1) <= len(about.items) <= (ITEMS_MAX if two else 1):
        return "item"
    if list(about.items) != sorted(set(about.items)):
        return "item"
    texts = (*about.items, about.attribute, word.text, word.note)
    # What messages named is repeated as it is; what a person writes can be read.
    own = (word.text, word.note)
    if not all(len(t) <= TEXT_MAX and t == t.strip() for t in texts):
        return "text"
    if not all(t.isprintable() for t in own if t not in about.items):
        return "text"
    if not all(about.items) or bool(word.text) is not (said is Said.KEEP or _is_alias(word)):
        return "text"
    return "" if _days_fit(word) else "until"


def _is_alias(word: Word) -> bool:
    return word.said is Said.SAME and SAYABLE[word.about.code] is _UNKNOWN


def _days_fit(word: Word) -> bool:
    if word.said is not Said.IGNORE:
        return not word.until
    if not is_day(word.until):
        return False
    today = (_EPOCH + timedelta(microseconds=word.said_us)).date()
    return 0 < (date.fromisoformat(word.until) - today).days <= _WAIT_DAYS_MAX


def directory_word(word: Word) -> bytes:
    """The body of a message with a word. Land it with ``arrival``, for no source patient.

    Raises ``ValueError`` for what cannot be said (``sayable``).
    """
    if wrong := sayable(word):
        raise ValueError(f"this cannot be said: {wrong}")
    at = _EPOCH + timedelta(microseconds=word.said_us)
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    about = word.about
    parts = {
        "code": about.code, "kind": about.kind, "attribute": about.attribute, "text": word.text,
        "seen": word.seen, "note": word.note, "until": word.until, "at": stamp,
    }  # fmt: skip
    said = [_extension(name, text) for name, text in parts.items() if text]
    resource: FhirJson = {
        "resourceType": "Basic",
        "meta": {"lastUpdated": stamp},
        "extension": said + [_extension("item", item) for item in about.items],
        "code": {"coding": [{"system": SAYS, "code": word.said.value}]},
        "created": at.date().isoformat(),
        "author": author(word.by),
    }
    return msgspec.json.encode(resource)


def _extension(name: str, text: str) -> FhirJson:
    return {"url": _ABOUT + name, "valueInstant" if name == "at" else "valueString": text}


def word_in(resource: FhirJson) -> Word | None:
    """The word that a Basic holds; ``None`` if it holds none that can be said."""
    parts = dict.fromkeys(_ONE, "")
    items: list[str] = []
    for name, text in _parts(resource):
        if name == "item":
            items.append(text)
        elif parts.get(name) == "":
            parts[name] = text
        else:
            return None
    codings = resource.get("code", {}).get("coding", ())
    code = codings[0].get("code") if len(codings) == 1 and codings[0].get("system") == SAYS else ""
    by, at_us = author_of(resource.get("author")), _micros(parts["at"])
    if code not in list(Said) or not by or at_us is None:
        return None
    about = About(parts["code"], parts["kind"], parts["attribute"], tuple(items))
    word = Word(
        about, Said(code), by, at_us, parts["text"], parts["seen"], parts["until"], parts["note"]
    )
    return None if sayable(word) else word


def _parts(resource: FhirJson) -> Iterator[tuple[str, str]]:
    for extension in resource.get("extension", ()):
        url: Any = extension.get("url", "")
        text = extension.get("valueInstant", extension.get("valueString"))
        yield url.removeprefix(_ABOUT) if url.startswith(_ABOUT) else "", str(text)


def _micros(stamp: str) -> int | None:
    try:
        at = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return (at - _EPOCH) // timedelta(microseconds=1) if at.tzinfo is not None else None


def read_word(resource: FhirJson, at: Reading) -> Stated | Issue:
    """What a Basic says; refused if it is not one that ``directory_word`` writes."""
    word = word_in(resource)
    if word is None:
        return malformed("/extension", "no word about the directory")
    if not resource.get("meta", {}).get("lastUpdated"):
        return malformed("/meta/lastUpdated", "no time")
    about = word.about
    id = make_id(
        at.namespace, STEWARD_FEED, "Basic", about.key, word.said, word.by, str(word.said_us),
        word.text, word.until, word.note,
    )  # fmt: skip
    kept = {k: v for k, v in resource.items() if k not in ("id", "meta")}
    return Stated("", contributions=(Contribution({**kept, "id": id}, "", directory=True),))
