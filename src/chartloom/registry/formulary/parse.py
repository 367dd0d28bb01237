"""Names of drugs read: ``Metformin 500 mg ER tablet`` -> ingredient, strength, form, release."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from chartloom.registry.formulary.model import Component, Drug, Known
from chartloom.registry.formulary.strength import take_strengths
from chartloom.registry.formulary.words import (
    Form,
    fold,
    form_of,
    lexicon,
    route_of,
    take_forms,
    words_of,
)

#: Words of a name -> (ingredients, brand or "", form that the brand says).
Names = Mapping[tuple[str, ...], tuple[tuple[str, ...], str, str]]

_LONGEST: Final = 4
_BETWEEN: Final = frozenset("(),")
_TEXT_MAX: Final = 300
#: Letters and Greek names before a hyphen that say which of several forms, and name no ingredient.
_LOCANT: Final = re.compile(r"\d{1,2}|[a-z]{1,2}|alpha|beta|gamma|delta")
#: What the FDA appends to the names of biologicals: four letters without a meaning.
_SUFFIX: Final = re.compile(r"[a-z]{4}")
_NO_MARKS: Final = str.maketrans("", "", ".%-")
_BRAND: Final = re.compile(r"\[([^\[\]]{3,60})\]\s*$")


def parse_name(text: str, names: Names) -> Drug:
    """What a name says; ``known`` is ``nothing`` if it says nothing. Never raises."""
    plain, called = _brand_apart(fold(text[:_TEXT_MAX]))
    strengths, rest = take_strengths(plain)
    said, kept = take_forms(words_of(rest))
    words = _hyphens_apart([word for word in kept if word not in _BETWEEN], names)
    route = next((r for w in words if (r := route_of(w))), "")
    found, salts, brand, brand_form, unknown = _ingredients(words, names)
    known = Known.PART if unknown else Known.NAME
    if not found:
        found, known = _words_alone(unknown)
    made = _made(said, form_of(brand_form) if brand_form else Form())
    return Drug(
        components=_components(found, salts, strengths),
        form=made.form,
        route=route or made.route,
        release=made.release,
        brand=brand or called,
        known=known if found else Known.NOTHING,
        name=" ".join(text.split()),
    )


def _brand_apart(text: str) -> tuple[str, str]:
    """RxNorm names end with the brand in brackets: it names no further ingredient."""
    found = _BRAND.search(text)
    return (text[: found.start()], found[1].strip()) if found else (text, "")


def _hyphens_apart(words: list[str], names: Names) -> list[str]:
    """``amoxicillin-pot clavulanate`` as ``amoxicillin / pot clavulanate``: combinations are mostly
    written so. A hyphen in a known name, or without a known name on either side, stays."""
    apart: list[str] = []
    for at, word in enumerate(words):
        parts = [p for p in word.split("-") if p]
        if len(parts) < 2 or _covered(words, at, names):
            apart.append(word)
            continue
        known = [(p,) in names for p in parts]
        known[0] |= _ends_name([*apart, parts[0]], names)
        known[-1] |= _longest([parts[-1], *words[at + 1 :]], 0, names)[0] is not None
        if not any(known):
            apart.append(word)
            continue
        if known[-1] and not known[0] and _LOCANT.fullmatch(parts[0]):
            del parts[0], known[0]
        if known[0] and not known[-1] and _SUFFIX.fullmatch(parts[-1]) and _biological(parts):
            parts.pop()
        for number, part in enumerate(parts):
            apart += ["/", part] if number else [part]
    return apart


def _covered(words: Sequence[str], at: int, names: Names) -> bool:
    """Whether a word with a hyphen is part of a name as it stands."""
    starts = range(max(0, at - _LONGEST + 1), at + 1)
    return any(s + _longest(words, s, names)[1] > at for s in starts)


def _ends_name(words: Sequence[str], names: Names) -> bool:
    """Whether these words end with a known name."""
    return any(tuple(words[-n:]) in names for n in range(1, min(_LONGEST, len(words)) + 1))


def _biological(parts: Sequence[str]) -> bool:
    return parts[-1] not in lexicon().salts and parts[-1] not in lexicon().noise


def _ingredients(
    words: Sequence[str], names: Names
) -> tuple[list[str], dict[str, str], str, str, list[str]]:
    """(ingredients in order, their salts, brand, its form, words not understood)."""
    lists = lexicon()
    found: list[str] = []
    salts: dict[str, str] = {}
    unknown: list[str] = []
    part: list[str] = []
    brand = brand_form = ""
    begun = at = 0
    while at < len(words):
        hit, length = _longest(words, at, names)
        if hit is not None:
            ingredients, brand_name, form = hit
            found += [i for i in ingredients if i not in found]
            brand, brand_form = brand_name or brand, form or brand_form
            at += length
            continue
        word = words[at]
        at += 1
        if word == "/":
            begun = _close(part, found, begun)
        elif word in lists.salts:
            if len(found) > begun and found[-1] not in salts:
                salts[found[-1]] = word
        elif _says_something(word) and word not in lists.noise and word not in lists.routes:
            part.append(word)
            unknown.append(word)
    if begun:
        _close(part, found, begun)
    return found, salts, brand, brand_form, unknown


def _longest(
    words: Sequence[str], at: int, names: Names
) -> tuple[tuple[tuple[str, ...], str, str] | None, int]:
    for length in range(min(_LONGEST, len(words) - at), 0, -1):
        if (hit := names.get(tuple(words[at : at + length]))) is not None:
            return hit, length
    return None, 0


def _close(part: list[str], found: list[str], begun: int) -> int:
    """The end of a part of a combination: one without a known ingredient is called by its words.

    Else a drug with an unknown part would look like the same drug without it.
    """
    name = " ".join(part)
    if name and len(found) == begun and name not in found:
        found.append(name)
    part.clear()
    return len(found)


def _says_something(word: str) -> bool:
    return word != "/" and not word.translate(_NO_MARKS).isdigit()


def _words_alone(unknown: list[str]) -> tuple[list[str], Known]:
    """An unknown drug is called by its words, so that the same words are the same drug."""
    name = " ".join(unknown)
    return ([name], Known.WORDS) if name else ([], Known.NOTHING)


def _components(
    found: list[str], salts: Mapping[str, str], strengths: list[str]
) -> tuple[Component, ...]:
    given = strengths if len(strengths) == len(found) else []
    if len(found) == 1 and strengths:
        given = strengths[:1]  # "500 mg (1000 mg)": the first is what one unit has
    filled = [*given, *[""] * (len(found) - len(given))]
    return tuple(
        sorted(Component(i, salts.get(i, ""), s) for i, s in zip(found, filled, strict=True))
    )


def _made(said: Form, brand: Form) -> Form:
    """What the words say, and where they are silent or vague what the brand says."""
    if not said.form or (not said.route and brand.route):
        return Form(brand.form or said.form, brand.route, said.release or brand.release)
    return Form(said.form, said.route, said.release or brand.release)
