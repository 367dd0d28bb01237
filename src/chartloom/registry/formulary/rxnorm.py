"""RxNorm's release files (RRF) to tables of a site: ingredients, brands, products, NDC.

Layout: RxNorm Technical Documentation, sections 10 to 12. Fields are separated by ``|``; each line
ends with one. Only what RxNorm itself says is read (``SAB`` RXNORM), no other vocabulary.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from chartloom.formats.tables import mistake
from chartloom.registry.formulary.ndc import ndc_candidates

#: Opens a release file: its lines.
Lines = Callable[[], Iterable[str]]

#: Term types that are read: ingredients, brand names, dose forms, components, drugs.
_TYPES: Final = frozenset(("IN", "PIN", "BN", "DF", "SCDC", "SCD", "SBD"))
_CONSO_FIELDS, _REL_FIELDS, _SAT_FIELDS = 18, 16, 13


class RxNorm(msgspec.Struct):
    """What is kept of a release. terms: type -> RXCUI -> name. Other maps: RXCUI -> RXCUIs."""

    terms: dict[str, dict[str, str]]
    near: dict[str, dict[str, set[str]]]
    strengths: dict[str, str]
    ndc: dict[str, set[str]]


def read_rxnorm(conso: Lines, rel: Lines, sat: Lines) -> RxNorm:
    """Reads RXNCONSO, RXNREL and RXNSAT. Raises ``ConfigurationError`` for other files."""
    terms: dict[str, dict[str, str]] = {kind: {} for kind in _TYPES}
    kind_of: dict[str, str] = {}
    for f in _fields("RXNCONSO.RRF", conso(), _CONSO_FIELDS):
        if f[11] == "RXNORM" and f[12] in _TYPES and f[16] not in ("O", "Y"):
            terms[f[12]][f[0]] = f[14]
            kind_of[f[0]] = f[12]
    near: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for f in _fields("RXNREL.RRF", rel(), _REL_FIELDS):
        one, other = kind_of.get(f[0]), kind_of.get(f[4])
        if one and other and f[10] == "RXNORM":  # both directions are listed: the types tell
            near[f[0]][other].add(f[4])
            near[f[4]][one].add(f[0])
    strengths: dict[str, str] = {}
    ndc: dict[str, set[str]] = defaultdict(set)
    for f in _fields("RXNSAT.RRF", sat(), _SAT_FIELDS):
        kind = kind_of.get(f[0])
        if f[9] != "RXNORM" or f[11] in ("O", "Y"):
            continue
        if f[8] == "RXN_STRENGTH" and kind == "SCDC":
            strengths[f[0]] = f[10]
        elif f[8] == "NDC" and kind in ("SCD", "SBD"):
            ndc[f[0]].add(f[10])
    return RxNorm(terms, {k: dict(v) for k, v in near.items()}, strengths, dict(ndc))


def _fields(name: str, lines: Iterable[str], count: int) -> Iterator[list[str]]:
    for number, line in enumerate(lines, start=1):
        fields = line.rstrip("\r\n").split("|")
        if len(fields) < count:
            cure = "Give the folder `rrf` of a full RxNorm release."
            raise mistake(f"{name}:{number}", f"{len(fields)} fields, not {count}.", cure)
        yield fields


def as_tables(release: RxNorm) -> dict[str, bytes]:
    """File name -> CSV, for ``registry/formulary/`` of a site. Equal releases give equal bytes."""
    products = [*_products(release, "SCD"), *_products(release, "SBD")]
    return {
        "ingredients-rxnorm.csv": _csv(
            ("name", "rxcui"), ((n, c) for c, n in release.terms["IN"].items())
        ),
        "brands-rxnorm.csv": _csv(("brand", "ingredients"), _brands(release)),
        "products-rxnorm.csv": _csv(
            ("system", "code", "name", "ingredients", "salts", "strengths", "form", "brand"),
            products,
        ),
        "ndc-rxnorm.csv": _csv(("ndc", "code"), _codes(release, {p[1] for p in products})),
    }


def _brands(release: RxNorm) -> Iterator[tuple[str, str]]:
    for code, brand in release.terms["BN"].items():
        parts = release.near.get(code, {}).get("IN", set())
        if parts:
            yield brand, " / ".join(sorted(release.terms["IN"][p] for p in parts))


def _products(release: RxNorm, kind: str) -> Iterator[tuple[str, ...]]:
    for code, name in release.terms[kind].items():
        near = release.near.get(code, {})
        made = [_component(release, c) for c in near.get("SCDC", ())]
        if not made or not all(part for part, _, _ in made):
            continue  # a component whose ingredient is missing: better no product than half of one
        made.sort()
        forms = sorted(release.terms["DF"][f] for f in near.get("DF", ()))
        brands = sorted(release.terms["BN"][b] for b in near.get("BN", ()))
        yield (
            "RXNORM",
            code,
            name,
            " / ".join(part for part, _, _ in made),
            " / ".join(salt for _, salt, _ in made) if any(s for _, s, _ in made) else "",
            " / ".join(s for _, _, s in made) if all(s for _, _, s in made) else "",
            forms[0] if forms else "",
            brands[0] if brands else "",
        )


def _component(release: RxNorm, code: str) -> tuple[str, str, str]:
    """(ingredient, what the precise ingredient adds to its name, strength) of a component."""
    near = release.near.get(code, {})
    parts = [release.terms["IN"][p] for p in near.get("IN", ())]
    if len(parts) != 1:
        return "", "", ""
    part, precise = parts[0], sorted(release.terms["PIN"][p] for p in near.get("PIN", ()))
    salt = precise[0] if precise else ""
    if salt.casefold().startswith(part.casefold()):
        salt = salt[len(part) :].strip()
    return part, salt, release.strengths.get(code, "").casefold()


def _codes(release: RxNorm, known: set[str]) -> Iterator[tuple[str, str]]:
    """NDC -> product; one that several products claim belongs to none."""
    owners: dict[str, set[str]] = defaultdict(set)
    for code, found in release.ndc.items():
        for ndc in found:
            candidates = ndc_candidates(ndc)
            if code in known and len(candidates) == 1:
                owners[candidates[0]].add(code)
    for ndc, codes in owners.items():
        if len(codes) == 1:
            yield ndc, next(iter(codes))


def _csv(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(sorted(rows))
    return out.getvalue().encode()
