"""Which entries are one therapy: the same ingredients, given the same way."""

from __future__ import annotations

from collections.abc import Iterable

from chartloom.chart.reconcile.pieces import Entry
from chartloom.registry.formulary import Drug, Known

#: Where neither form nor route is known.
UNSPECIFIED = "unspecified"


def therapies(entries: list[Entry]) -> dict[str, list[Entry]]:
    """Key of a therapy -> its entries. Each entry is in exactly one; order does not matter.

    Salts and brands are one therapy with what they stand for; a combination is another one than
    its components; extended release another one than immediate. A fill of an order is part of the
    order's therapy, whatever it is called. What does not say how it is given belongs to the only
    therapy of its ingredients, if there is just one, else to one of its own.
    """
    orders = {e.id: e for e in entries if not _is_series(e)}
    ways: dict[str, dict[str, list[Entry]]] = {}
    vague: list[Entry] = []
    for entry in entries:
        base, way = _place(entry, _meant(entry, orders))
        if way == UNSPECIFIED:
            vague.append(entry)
        else:
            ways.setdefault(base, {}).setdefault(way, []).append(entry)
    for entry in vague:
        drug = _meant(entry, orders)
        base = _place(entry, drug)[0]
        ways.setdefault(base, {}).setdefault(_only(ways.get(base, {}), drug), []).append(entry)
    return {f"{base}|{way}": group for base, found in ways.items() for way, group in found.items()}


def _meant(entry: Entry, orders: dict[str, Entry]) -> Drug:
    """The drug of the order that an entry carries out, if it is the same or is not known itself."""
    order = orders.get(entry.request)
    if order is None or not order.drug.ingredients:
        return entry.drug
    unknown = entry.drug.known in (Known.WORDS, Known.NOTHING)
    if unknown or entry.drug.ingredients == order.drug.ingredients:
        return order.drug
    return entry.drug


def _is_series(entry: Entry) -> bool:
    return bool(entry.pieces) and entry.pieces[0].kind in (
        "MedicationDispense",
        "MedicationAdministration",
    )


def _place(entry: Entry, drug: Drug) -> tuple[str, str]:
    """(ingredients, way) of a drug; one without any name is a therapy by its code, or by itself."""
    base = "+".join(drug.ingredients)
    if not base:
        return (f"code:{entry.codes[0]}" if entry.codes else f"entry:{entry.id}", UNSPECIFIED)
    if not drug.route and not drug.release:
        return base, UNSPECIFIED
    route = drug.route or "oral"
    return base, f"{route}-er" if drug.release == "er" else route


def _only(ways: Iterable[str], drug: Drug) -> str:
    found = [way for way in ways if way != UNSPECIFIED]
    return found[0] if len(found) == 1 else UNSPECIFIED
