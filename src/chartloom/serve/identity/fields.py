"""Two records side by side: what each says, from whom and since when, and where they differ.

Only what is compared to tell who somebody is; nothing else of a record is read. Pure functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Final

import msgspec

from chartloom.chart.elements import address_text, name_text, named, plain_code
from chartloom.domain.resource import FhirJson, ResourceState, Stamp
from chartloom.registry.persons.folding import fold
from chartloom.registry.persons.numbers import NATIONAL, RECORD, read_numbers
from chartloom.serve.elements import stamp_at

_MAIDEN: Final = "mothersMaidenName"
_MOTHERS: Final = "mothers-identifier"
_SSN: Final = frozenset({"SS", "SSN"})
_VALUES_MAX: Final = 8
#: From here on two words are one, mistyped, to the eye.
_ALIKE: Final = 0.5
_TOKEN: Final = re.compile(r"\w+|\W+")

#: Row -> (title, fields of the matcher that compare it), in the order in which people look.
ROWS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "family": ("Family name", ("family",)),
    "given": ("Given names", ("given", "middle")),
    "suffix": ("Suffix", ("suffix",)),
    "names": ("Other names", ()),
    "birth": ("Birth date", ("birth",)),
    "sex": ("Sex", ("sex",)),
    "address": ("Address", ("home",)),
    "phone": ("Telephone", ("phone",)),
    "email": ("E-mail", ("email",)),
    "record": ("Record numbers", ("record",)),
    "national": ("National numbers", ("national",)),
    "mother": ("Mother's maiden name", ("mother",)),
    "mother-number": ("Mother's number", ()),
    "multiple": ("Multiple birth", ()),
}


class Piece(msgspec.Struct, frozen=True):
    """A part of a value. differs: it stands in no value of the other record."""

    text: str
    differs: bool = False


class Value(msgspec.Struct, frozen=True):
    """One value of one record. note: what it is (``home``, an authority). stamp: who said it."""

    text: str
    note: str = ""
    stamp: Stamp | None = None
    pieces: tuple[Piece, ...] = ()
    filler: bool = False


class Row(msgspec.Struct, frozen=True):
    """One line of the comparison.

    state: ``same``, ``accents`` (the same but for accents and case), ``differs``, ``partly``,
    ``one`` (only one record says anything), ``systems`` (numbers of different systems, which nobody
    expects to be the same).
    """

    key: str
    title: str
    fields: tuple[str, ...]
    left: tuple[Value, ...]
    right: tuple[Value, ...]
    state: str


def compare(left: ResourceState, right: ResourceState) -> list[Row]:
    """The rows in which either record says anything."""
    return compare_values(values_of(left), values_of(right))


def compare_values(
    left: Mapping[str, tuple[Value, ...]], right: Mapping[str, tuple[Value, ...]]
) -> list[Row]:
    """The same for values that were read before."""
    rows = []
    for key, (title, fields) in ROWS.items():
        some, others = left.get(key, ()), right.get(key, ())
        if some or others:
            rows.append(_row(key, title, fields, some, others))
    return rows


def values_of(state: ResourceState) -> dict[str, tuple[Value, ...]]:
    """What a record says, row by row."""
    return read(state.resource, lambda element: stamp_at(state, element))


def read(patient: FhirJson, said: Callable[[str], Stamp | None]) -> dict[str, tuple[Value, ...]]:
    """The same of a Patient. said: who stated an element."""
    found: dict[str, list[Value]] = {}
    for key, text, note, element, filler in _parts(patient):
        known = found.setdefault(key, [])
        if text and len(known) < _VALUES_MAX and all(_bare(v.text) != _bare(text) for v in known):
            known.append(Value(text, note, said(element), filler=filler))
    return {key: tuple(values) for key, values in found.items() if values}


_Part = tuple[str, str, str, str, bool]


def _parts(patient: FhirJson) -> Iterator[_Part]:
    """(row, text, note, element, whether it is a filler)."""
    yield from _names(patient)
    yield "birth", str(patient.get("birthDate") or ""), "", "birthDate", False
    yield "sex", str(patient.get("gender") or ""), "", "gender", False
    for i, address in enumerate(_objects(patient, "address")):
        text, use = address_text(address), str(address.get("use") or "")
        yield "address", text, use, f"address[{i}]", False
    for i, contact in enumerate(_objects(patient, "telecom")):
        key = "email" if contact.get("system") == "email" else "phone"
        text, use = str(contact.get("value") or ""), str(contact.get("use") or "")
        yield key, text, use, f"telecom[{i}]", False
    yield from _numbers(patient)
    for i, extension in enumerate(_objects(patient, "extension")):
        yield from _mother(extension, f"extension[{i}]")
    order = patient.get("multipleBirthInteger")
    if order is not None:
        yield "multiple", f"born as number {order}", "", "multipleBirthInteger", False
    elif isinstance(patient.get("multipleBirthBoolean"), bool):
        text = "yes" if patient["multipleBirthBoolean"] else "no"
        yield "multiple", text, "", "multipleBirthBoolean", False


def _names(patient: FhirJson) -> Iterator[_Part]:
    numbered = list(enumerate(_objects(patient, "name")))
    numbered.sort(key=lambda pair: pair[1].get("use") not in ("official", "usual"))
    for place, (i, name) in enumerate(numbered):
        element = f"name[{i}]"
        if place:
            yield "names", name_text(name), str(name.get("use") or ""), element, False
            continue
        yield "family", str(name.get("family") or ""), "", element, False
        yield "given", " ".join(map(str, name.get("given") or ())), "", element, False
        yield "suffix", " ".join(map(str, name.get("suffix") or ())), "", element, False
        if not name.get("family") and not name.get("given"):
            yield "family", name_text(name), "", element, False


def _numbers(patient: FhirJson) -> Iterator[_Part]:
    for i, identifier in enumerate(_objects(patient, "identifier")):
        numbers, code = read_numbers([identifier]), plain_code(identifier.get("type"))
        national = code in NATIONAL or code in _SSN or (numbers and numbers[0].kind == "national")
        if numbers or national or code in RECORD:
            issuer = named(identifier.get("assigner")) or str(identifier.get("system") or "")
            note = " ".join(t for t in (code, issuer.rpartition(":")[2]) if t)
            key, text = "national" if national else "record", str(identifier.get("value") or "")
            yield key, text, note, f"identifier[{i}]", not numbers


def _mother(extension: FhirJson, element: str) -> Iterator[_Part]:
    url = str(extension.get("url") or "")
    if url.endswith(_MAIDEN):
        yield "mother", str(extension.get("valueString") or ""), "", element, False
    elif url.endswith(_MOTHERS):
        identifier = extension.get("valueIdentifier") or {}
        issuer = named(identifier.get("assigner")) or str(identifier.get("system") or "")
        text = str(identifier.get("value") or "")
        yield "mother-number", text, issuer.rpartition(":")[2], element, False


def _objects(resource: FhirJson, name: str) -> list[dict[str, Any]]:
    items = resource.get(name)
    return [i for i in items if isinstance(i, dict)] if isinstance(items, list) else []


def _bare(text: str) -> str:
    """Without what nobody means: case, spaces and signs."""
    return "".join(c for c in text.casefold() if c.isalnum())


def _plain(text: str) -> str:
    """Without accents, too, as the matcher compares it; the text itself if nothing is left."""
    return fold(text).replace(" ", "") or text


def _row(
    key: str,
    title: str,
    fields: tuple[str, ...],
    left: tuple[Value, ...],
    right: tuple[Value, ...],
) -> Row:
    if key == "record" and not {v.note for v in left} & {v.note for v in right}:
        plain = [
            tuple(msgspec.structs.replace(v, pieces=(Piece(v.text),)) for v in some)
            for some in (left, right)
        ]
        state = "systems" if left and right else "one"
        return Row(key, title, fields, plain[0], plain[1], state)
    both = {_bare(v.text) for v in left} & {_bare(v.text) for v in right}
    alone = [[v for v in some if _bare(v.text) not in both] for some in (left, right)]
    state = "one"
    if left and right:
        state = "differs" if not both else "partly" if any(alone) else "same"
        if state == "differs" and {_plain(v.text) for v in left} & {_plain(v.text) for v in right}:
            state = "accents"
    single = len(alone[0]) == len(alone[1]) == 1 and key != "sex"
    partners = alone if single else [[], []]
    marked = [
        tuple(_marked(v, both, partners[1 - side], bool(left and right)) for v in some)
        for side, some in enumerate((left, right))
    ]
    return Row(key, title, fields, marked[0], marked[1], state)


def _marked(value: Value, both: set[str], partner: list[Value], comparable: bool) -> Value:
    """With its pieces; the only other value without a partner shows letter by letter."""
    if _bare(value.text) in both or not comparable:
        pieces: tuple[Piece, ...] = (Piece(value.text),)
    elif partner and _alike(value.text, partner[0].text):
        pieces = tuple(_letters(value.text, partner[0].text))
    else:
        pieces = (Piece(value.text, differs=True),)
    return msgspec.structs.replace(value, pieces=pieces)


def _alike(a: str, b: str) -> bool:
    return SequenceMatcher(None, a.casefold(), b.casefold(), autojunk=False).ratio() >= _ALIKE


def _letters(text: str, other: str) -> Iterator[Piece]:
    """The text in pieces: word by word, and letter by letter within words that are nearly alike."""
    mine, theirs = _TOKEN.findall(text), _TOKEN.findall(other)
    folded = [[word.casefold() for word in words] for words in (mine, theirs)]
    matcher = SequenceMatcher(None, folded[0], folded[1], autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        words, others = mine[start:end], theirs[first:last]
        if kind == "equal":
            yield Piece("".join(words))
        elif len(words) == len(others):
            for word, counterpart in zip(words, others, strict=True):
                yield from _within(word, counterpart)
        elif words:
            yield Piece("".join(words), differs=True)
        else:
            # The other has something here: the place is shown, so that it is not overlooked.
            yield Piece("", differs=True)


def _within(word: str, other: str) -> Iterator[Piece]:
    """One word in pieces."""
    if word.casefold() == other.casefold():
        yield Piece(word)
        return
    if not _alike(word, other) or len(word) != len(word.casefold()):
        yield Piece(word, differs=True)
        return
    matcher = SequenceMatcher(None, word.casefold(), other.casefold(), autojunk=False)
    for kind, start, end, _, _ in matcher.get_opcodes():
        if start < end:
            yield Piece(word[start:end], differs=kind != "equal")
        elif kind == "insert":
            yield Piece("", differs=True)
