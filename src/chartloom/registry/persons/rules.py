"""Which rules a release makes records, keys and decisions by: fingerprints of the code and lists
behind them, written down here.

Records that were stored by other rules are not found by the keys of now, until they have these keys
too. Comments, docstrings and the shape of the text do not count. That a change of the code changes
nothing that it makes is not seen here; then everything is looked at once more, for nothing.

The fingerprints are constants, so that the version of Python that runs has no part in them; a test
fails as soon as one is no longer that of the code, and says what to do.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
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
#: What :func:`decide` judges a pair by, beside the parameters.
DECISIONS: Final = (
    "compare.py",
    "comparison.py",
    "contacts.py",
    "decide.py",
    "guards.py",
    "population.py",
    "spelling.py",
    "weigh.py",
)
#: A change of the first two gives stored records their keys anew, in the background.
MADE_BY: Final = "6e069c85a502a85f"
KEYED_BY: Final = "dcc6e6ad896e0ce0"
#: A change of this changes the fingerprint of all parameters, so that decisions of before are known
#: as such; bring a migration that derives everything anew, as 0072 does.
JUDGED_BY: Final = "585547c16a4465cb"


class Rules(NamedTuple):
    """traits: by which a record is made of a Patient; keys: by which it is found."""

    traits: str
    keys: str


def rules() -> Rules:
    """Those of this release."""
    return Rules(MADE_BY, KEYED_BY)


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
