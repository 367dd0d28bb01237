"""Which rules a release makes records and keys by: fingerprints of the code and lists behind them.

Records that were stored by other rules are not found by the keys of now, until they have these keys
too. Comments, docstrings and the shape of the text do not count. That a change of the code changes
nothing that it makes is not seen here; then everything is looked at once more, for nothing.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

#: What :func:`standardise` is made of; ``rules`` is not.
TRAITS: Final = (
    "folding.py",
    "lexicon.py",
    "names.py",
    "numbers.py",
    "places.py",
    "record.py",
    "standardise.py",
    "data/nicknames.csv",
    "data/words.csv",
)
#: What :func:`keys` is made of.
KEYS: Final = ("folding.py", "keys.py", "record.py")


class Rules(NamedTuple):
    """traits: by which a record is made of a Patient; keys: by which it is found."""

    traits: str
    keys: str


@cache
def rules() -> Rules:
    """Those of this release."""
    return Rules(fingerprint_of(TRAITS), fingerprint_of(KEYS))


def fingerprint_of(names: Sequence[str]) -> str:
    """Of some files of this package."""
    digest = hashlib.sha256()
    for name in names:
        text = files("chartloom.registry.persons").joinpath(name).read_text(encoding="utf-8")
        digest.update(f"{name}\0{meant(text) if name.endswith('.py') else text}\0".encode())
    return digest.hexdigest()[:16]


def meant(source: str) -> str:
    """What a module says to Python: its tree without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)
