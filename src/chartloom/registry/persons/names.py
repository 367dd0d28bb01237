"""Names: which words are family names, given names, suffixes, and which are no names at all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from chartloom.registry.persons.folding import fold, squeeze
from chartloom.registry.persons.lexicon import classes_of, words
from chartloom.registry.persons.record import Kind

NAMES_MAX: Final = 8
_WORDS_MAX: Final = 8
_SUFFIXES: Final = {
    "jr": "jr",
    "junior": "jr",
    "jnr": "jr",
    "sr": "sr",
    "senior": "sr",
    "snr": "sr",
    "ii": "jr",
    "2nd": "jr",
    "iii": "3",
    "3rd": "3",
    "iv": "4",
    "4th": "4",
}


class Words(msgspec.Struct, frozen=True, gc=False):
    """One text of a name, taken apart."""

    whole: str  #: all words as one, without particles
    parts: tuple[str, ...]
    suffix: str = ""
    placeholder: bool = False
    unknown: bool = False
    order: int = 0  #: of birth, where a placeholder says it (Twin B)


_NOTHING: Final = Words("", ())


_ORDERS: Final = {"a": 1, "b": 2, "c": 3, "d": 4, "1": 1, "2": 2, "3": 3, "4": 4, "i": 1, "ii": 2}
#: John and Jane Doe; a family that is really called so has other given names.
_DOE: Final = frozenset({"doe", "roe"})
_DOES: Final = frozenset({"john", "jane", "baby", "j", "unknown"})
_BABY: Final = frozenset({"baby", "babyboy", "babygirl", "newborn", "neonate", "infant"})


@lru_cache(maxsize=50_000)
def family_words(text: str) -> Words:
    """A family name; compound names and particles (de la, van der, bin) taken apart."""
    lexicon = words()
    found = fold(text).split()[:_WORDS_MAX]
    suffix, order, baby = "", 0, any(w in _BABY for w in found)
    if baby:
        order = next((_ORDERS[w] for w in found if w in _ORDERS), 0)
        found = [w for w in found if w not in lexicon.newborn and w not in _ORDERS]
    while len(found) > 1 and found[-1] in _SUFFIXES:
        suffix = _SUFFIXES[found.pop()]
    if any(w in lexicon.unknown for w in found):
        return Words("", (), unknown=True)
    named = [w for w in found if w not in lexicon.particles and w not in lexicon.titles]
    named = [_without_prefix(w, lexicon.prefixes) for w in named or found]
    parts = tuple(squeeze(_lettered(w)) for w in named if not w.isdigit())
    return Words("".join(parts), parts, suffix, baby, order=order)


@lru_cache(maxsize=50_000)
def given_words(text: str) -> Words:
    """Given names; "BABY BOY", "Twin A" and "Infant of Mary" are placeholders."""
    lexicon = words()
    found = fold(text).split()[:_WORDS_MAX]
    if not found:
        return _NOTHING
    if found[0] in lexicon.newborn:
        order = next((_ORDERS[w] for w in found[1:] if w in _ORDERS), 0)
        return Words("", (), "", True, order=order or _order_in(found[0]))
    if any(w in lexicon.unknown for w in found):
        return Words("", (), unknown=True)
    suffix = ""
    while len(found) > 1 and found[-1] in _SUFFIXES:
        suffix = _SUFFIXES[found.pop()]
    named = [w for w in found if w not in lexicon.particles and w not in lexicon.titles] or found
    parts = tuple(squeeze(_lettered(w)) for w in named if not w.isdigit())
    return Words("".join(parts), parts, suffix)


def _lettered(word: str) -> str:
    """Digits that a scanner put into a name, as the letters they stand for: ``r0berto``."""
    return word if word.isalpha() else word.translate(_DIGITS_READ)


_DIGITS_READ: Final = str.maketrans("01568", "olsgb")


def _order_in(placeholder: str) -> int:
    """The letter at the end of ``twina``, ``girlb``, ``bbb``; ``bb`` alone has none."""
    known = placeholder[:-1] in ("twin", "boy", "girl", "baby", "bb", "bg")
    return _ORDERS.get(placeholder[-1], 0) if known else 0


def _without_prefix(word: str, prefixes: tuple[str, ...]) -> str:
    """``alhassan`` is ``hassan`` as ``al-Hassan`` is; ``macdonald`` is ``mcdonald``."""
    if word.startswith("mac") and len(word) > 6:
        return "mc" + word[3:]
    for prefix in prefixes:
        if word.startswith(prefix) and len(word) - len(prefix) >= 5:
            return word[len(prefix) :]
    return word


class Named(msgspec.Struct, gc=False):
    """All names of a patient, as :class:`MatchRecord` holds them."""

    kind: Kind
    families: tuple[str, ...]
    parts: tuple[str, ...]
    givens: tuple[str, ...]
    aliases: tuple[str, ...]
    roots: tuple[str, ...]
    suffix: str
    order: int


_NAMELESS: Final = Named(Kind.PERSON, (), (), (), (), (), "", 0)


def read_names(names: Any) -> Named:
    """The names of a Patient; anything that is no name is passed over."""
    if not isinstance(names, list):
        return _NAMELESS
    usable = [n for n in names[:NAMES_MAX] if isinstance(n, dict)]
    if len(usable) > 1:
        usable.sort(key=_rank)
    if len(usable) == 1:
        return _only_name(*_one(usable[0]))
    families: dict[str, None] = {}
    parts: dict[str, None] = {}
    aliases: dict[str, None] = {}
    first = _NAMELESS
    for index, name in enumerate(usable):
        read = _only_name(*_one(name))
        if index == 0:
            first = read
        elif read.givens and read.givens[0] not in first.givens[:1]:
            aliases[read.givens[0]] = None
        families.update(dict.fromkeys(read.families))
        parts.update(dict.fromkeys(read.parts))
        first.suffix = first.suffix or read.suffix
    givens, roots, kind = first.givens, first.roots, first.kind
    if kind is not Kind.PERSON and aliases:
        kind = Kind.PERSON
    if not givens and aliases:
        given = next(iter(aliases))
        givens, roots = (given,), classes_of(given)
        del aliases[given]
    return Named(
        kind,
        tuple(families),
        tuple(parts),
        givens,
        tuple(aliases),
        roots,
        first.suffix,
        first.order,
    )


def _only_name(family: Words, given: Words, suffix: str) -> Named:
    unknown = family.unknown
    if (family.whole in _DOE and given.parts[:1] and given.parts[0] in _DOES) or (
        given.unknown and not family.parts
    ):
        unknown = True
    baby = family.placeholder or given.placeholder
    return Named(
        Kind.UNKNOWN if unknown else Kind.NEWBORN if baby else Kind.PERSON,
        (family.whole,) if family.whole else (),
        family.parts,
        given.parts,
        (),
        classes_of(given.parts[0]) if given.parts else (),
        suffix,
        given.order or family.order,
    )


def _rank(name: dict[str, Any]) -> int:
    use = name.get("use")
    if isinstance(name.get("period"), dict) and name["period"].get("end"):
        return 3
    if use == "official":
        return 0
    return 3 if use in ("old", "maiden") else 2 if use in ("nickname", "anonymous") else 1


def _one(name: dict[str, Any]) -> tuple[Words, Words, str]:
    family_text, given_texts, suffix_texts = (
        name.get("family"),
        name.get("given"),
        name.get("suffix"),
    )
    text = name.get("text")
    family = family_words(family_text) if isinstance(family_text, str) else _NOTHING
    given = _NOTHING
    if isinstance(given_texts, list):
        said = [g for g in given_texts if isinstance(g, str)]
        given = given_words(said[0] if len(said) == 1 else " ".join(said))
    if not family.whole and not given.parts and isinstance(text, str):
        family, given = _from_text(text)
    suffix = family.suffix or given.suffix
    if isinstance(suffix_texts, list) and not suffix:
        for s in suffix_texts:
            if isinstance(s, str):
                suffix = suffix or _SUFFIXES.get(fold(s), "")
    return family, given, suffix


def _from_text(text: str) -> tuple[Words, Words]:
    """``Smith, John`` or ``John Smith``: with a comma the family name is first, else last."""
    before, comma, after = text.partition(",")
    if comma:
        return family_words(before), given_words(after)
    found = text.split()
    while len(found) > 2 and fold(found[-1]) in _SUFFIXES:
        suffix = found.pop()
        found[-1] += f" {suffix}"
    return family_words(found[-1] if found else ""), given_words(" ".join(found[:-1]))
