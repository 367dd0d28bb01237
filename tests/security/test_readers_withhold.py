"""Withholding by class is held by readers (ADR 4): so each reader of bodies stands on a list.

A function of the engine that opens a sealed body is one whose answer leaves out what the grant
withholds, or there is a reason why it need not. One that is added fails here until it is on the
list; one that stops asking fails, too. That they do leave it out is tried with values, for every
function of the ports, in ``test_withheld_classes``.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from pathlib import Path

import pytest

import chartloom.engines.postgres as engine

ROOM = Path(inspect.getfile(engine)).parent
OPENS = {
    "open_state", "open_states", "open_view", "open_bundle", "open_message", "open_match",
    "message",  # of trouble.py
    "unseal",
}  # fmt: skip

#: Reader -> functions that leave out, one of which stands between it and whoever asked.
LEAVES_OUT = {
    "charts.py sections": ["charts.py sections"],
    "charts.py states": ["charts.py states"],
    "charts.py _page": ["charts.py timeline"],
    "messages.py detail": ["messages.py detail"],
    "messages.py _open_parts": ["messages.py detail", "messages.py _with_bundles"],
    "messages.py _contributing": ["messages.py history"],
}
HOUSE = "work of the house, under its own grant: nobody who asks gets it"
OF_NOBODY = "about no patient"
DOOR = "a record of the doors, opened by the subject that it is sealed under"
BELOW = "opens what it is given; those who call it are on this list"
OTHERWISE = {
    "bodies.py _unseal": BELOW,
    "bodies.py open_message": BELOW,
    "charts.py open_state": BELOW,
    "trouble.py message": BELOW,
    "trouble.py apart": HOUSE,
    "trouble.py _tried": HOUSE,
    "whole.py unseal": BELOW,
    "whole.py _unseal_part": BELOW,
    "withheld.py _chart": "finds out what is withheld",
    "withheld.py _speaks_of_it": "finds out what is withheld",
    "facts.py _state": "Consents and the directory, from which it is decided",
    "deciding.py _open_one": HOUSE,
    "digest.py _items": HOUSE,
    "lanes.py pending": HOUSE,
    "lanes.py _read": HOUSE,
    "lanes.py refill": HOUSE,
    "rekeying.py _anew": HOUSE,
    "directory.py directory_words": OF_NOBODY,
    "directory.py unknown_references": OF_NOBODY,
    "directory.py directory_files": OF_NOBODY,
    "doors.py _stored": DOOR,
    "doors.py _glass": DOOR,
    "requests.py _opened": DOOR,
    "identities.py decision": "weights of a comparison, no values; pairs of whoever withholds who "
    "they are are not named (listing.open_pairs)",
}


@cache
def functions() -> dict[str, ast.FunctionDef]:
    """``file function`` of everything in the engine."""
    return {
        f"{path.name} {node.name}": node
        for path in sorted(ROOM.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    }


def calls(function: ast.FunctionDef) -> set[str]:
    """Names of what it calls."""
    found = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    return {f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in found}


def test_every_reader_of_bodies_is_on_the_list() -> None:
    readers = {name for name, node in functions().items() if calls(node) & OPENS}
    assert readers == LEAVES_OUT.keys() | OTHERWISE.keys()


@pytest.mark.parametrize("reader", LEAVES_OUT)
def test_it_leaves_out_what_is_withheld_before_anybody_gets_it(reader: str) -> None:
    between = LEAVES_OUT[reader]
    for name in between:
        asked = {name, *between}
        assert any(calls(functions()[n]) & {"_withheld", "_heard"} for n in asked), name
    file, name = reader.split()
    if reader not in between:  # nobody else calls it
        callers = {n for n, node in functions().items() if name in calls(node) and file in n}
        assert callers == set(between)


def test_what_opens_what_it_is_given_is_called_by_readers_only() -> None:
    """Of those below, each that calls one is below, a reader, or on the list with its reason."""
    listed = LEAVES_OUT.keys() | OTHERWISE.keys()
    below = {n.split()[1] for n, why in OTHERWISE.items() if why == BELOW} - {"message", "unseal"}
    callers = {n for n, node in functions().items() if calls(node) & below}
    inside = {n for n in callers if n.startswith(("bodies.py", "whole.py"))}
    assert callers - inside <= listed
