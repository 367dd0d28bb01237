"""The formulary, to be looked into: what a drug's code or name means here, and where from."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.grant import Grant
from chartloom.registry.formulary import NDC, RXNORM, Drug, Formulary, Known, key_of
from chartloom.serve import needs
from chartloom.serve.console import Console
from chartloom.serve.directory import common
from chartloom.serve.directory.door import DirectoryDoor

_ROWS_MAX = 50
KNOWN_WORDS = {
    Known.CODE: "by its code",
    Known.NAME: "by its name: every ingredient was read from it",
    Known.PART: "in part: some words were not understood, there may be another ingredient",
    Known.WORDS: "as words only: no ingredient is known",
    Known.NOTHING: "not at all",
}
SYSTEM_WORDS = {RXNORM: "RxNorm", NDC: "NDC"}


class Product(msgspec.Struct, frozen=True):
    """A drug of the formulary with the NDC that stand for it."""

    drug: Drug
    ndc: tuple[str, ...] = ()


def routes(console: Console, door: DirectoryDoor) -> list[BaseRoute]:
    """``/directory/formulary``."""

    async def show(request: Request) -> Response:
        need = needs.directory("formulary")
        return await console.ask(request, need, _look_up, console, door, request)

    return [Route("/directory/formulary", show)]


def _look_up(grant: Grant, console: Console, door: DirectoryDoor, request: Request) -> Response:
    formulary, text = door.formulary(), request.query_params.get("q", "").strip()[:200]
    one = _one(formulary, text) if text else None
    found = list(_products(formulary, text)) if text else []
    return console.page(
        request, "directory_formulary.html", text=text, formulary=formulary, one=one,
        rows=[Product(d, formulary.ndc_of(d.code)) for d in found[:_ROWS_MAX]], total=len(found),
        one_ndc=formulary.ndc_of(one.code) if one else (), known_words=KNOWN_WORDS,
        system_of=_system, **common.common(console, request, common.book_of(grant, console, door)),
    )  # fmt: skip


def _system(code: str) -> str:
    system = code.partition("|")[0]
    return SYSTEM_WORDS.get(system, system.removeprefix("urn:id:")) or "no system"


def _one(formulary: Formulary, text: str) -> Drug:
    """What is made of what was typed: a code with or without its system, else a name."""
    system, colon, value = text.rpartition(":") if "|" not in text else text.partition("|")
    codes = [key_of(system, value)] if colon else []
    if " " not in text and any(c.isdigit() for c in text) and not colon:
        systems = dict.fromkeys(k.partition("|")[0] for k in formulary.drugs)
        codes = [f"{s}|{text}" for s in (*systems, RXNORM, NDC)]
    drug = formulary.resolve(codes) if codes else Drug()
    return drug if drug.known is Known.CODE else formulary.resolve((), text)


def _products(formulary: Formulary, text: str) -> Iterator[Drug]:
    """Drugs of the tables of which every word of ``text`` is part of a name or an ingredient."""
    words = text.casefold().split()
    for key in sorted(formulary.drugs):
        drug = formulary.drugs[key]
        said = " ".join((drug.name, drug.brand, *drug.ingredients, key)).casefold()
        if all(word in said for word in words):
            yield drug
