"""The word lists that stand beside the code, and texts made comparable."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from importlib import resources
from typing import Final

import msgspec

from chartloom.formats.tables import csv_rows

_PACKAGE: Final = "chartloom.registry.formulary"
_WORD: Final = re.compile(r"[a-z0-9][a-z0-9'.%+-]*|[/(),]")


class Form(msgspec.Struct, frozen=True):
    """What words say about how a drug is made up."""

    form: str = ""
    route: str = ""
    release: str = ""


class Lexicon(msgspec.Struct, frozen=True):
    """``forms.csv``, ``routes.csv`` and ``words.csv``. Keys of forms are tuples of words."""

    forms: dict[tuple[str, ...], Form]
    routes: dict[str, str]
    salts: frozenset[str]
    noise: frozenset[str]


def shipped(name: str) -> bytes:
    """A table in ``data``."""
    return (resources.files(_PACKAGE) / "data" / name).read_bytes()


@cache
def lexicon() -> Lexicon:
    """The word lists, read once."""
    forms = {
        tuple(row["words"].split()): Form(row["form"], row["route"], row["release"])
        for _, row in csv_rows(
            "forms.csv", shipped("forms.csv"), {"words", "form", "route", "release"}
        )
    }
    routes = {
        row["words"]: row["route"]
        for _, row in csv_rows("routes.csv", shipped("routes.csv"), {"words", "route"})
    }
    words: dict[str, set[str]] = {"salt": set(), "noise": set()}
    for _, row in csv_rows("words.csv", shipped("words.csv"), {"kind", "words"}):
        words[row["kind"]].update(row["words"].split())
    return Lexicon(forms, routes, frozenset(words["salt"]), frozenset(words["noise"]))


def fold(text: str) -> str:
    """Lower case without accents, marks and thousands separators: ``1,000 µg`` -> ``1000 ug``."""
    plain = unicodedata.normalize("NFKD", text.replace("µ", "u").replace("μ", "u"))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)


def words_of(text: str) -> list[str]:
    """Words, numbers and the marks that separate ingredients, of a folded text."""
    return [w.rstrip(".'-+") or w for w in _WORD.findall(text)]


@lru_cache(maxsize=4096)
def route_of(text: str) -> str:
    """The route that a text or code names, or ""."""
    routes = lexicon().routes
    folded = fold(text).strip()
    if found := routes.get(folded):
        return found
    named = {routes[w] for w in words_of(folded) if w in routes}
    return named.pop() if len(named) == 1 else ""


@lru_cache(maxsize=4096)
def form_of(text: str) -> Form:
    """What a text says about form, route and release; empty where it says nothing or two things."""
    return take_forms(words_of(fold(text)))[0]


def take_forms(words: list[str]) -> tuple[Form, list[str]]:
    """(form, the words that say nothing about it). The longest run of words wins."""
    forms = lexicon().forms
    found: list[Form] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        for length in (3, 2, 1):
            known = forms.get(tuple(words[at : at + length]))
            if known is not None:
                found.append(known)
                at += length
                break
        else:
            rest.append(words[at])
            at += 1
    return _together(found), rest


#: Forms that others make more precise: "sublingual tablet" is sublingual, "vial solution" a vial.
_VAGUE: Final = ("tablet", "capsule", "solution", "spray", "drops", "powder", "film", "kit")


def _together(found: list[Form]) -> Form:
    forms = list(dict.fromkeys(f.form for f in found if f.form))
    precise = [f for f in forms if f not in _VAGUE] or forms
    form = precise[-1] if precise else ""
    routes = list(dict.fromkeys(f.route for f in found if f.route and f.form == form))
    release = next((f.release for f in found if f.release), "")
    return Form(form, routes[0] if routes else "", release)
