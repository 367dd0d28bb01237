"""Why people say what they say: the codes that may be given, per kind of word."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Final

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.resource import LinkKind

FILE: Final = "reasons.csv"


class Reason(msgspec.Struct, frozen=True):
    """One reason that people can choose, and for what."""

    code: str
    kinds: frozenset[LinkKind]
    text: str


def read_reasons(files: Mapping[str, bytes]) -> dict[str, Reason]:
    """The table by code. Raises ``ConfigurationError`` naming what is wrong with it."""
    lines = files.get(FILE, b"").decode("utf-8").splitlines()
    found = {}
    for row in csv.DictReader(line for line in lines if line and not line.startswith("#")):
        try:
            kinds = frozenset(LinkKind(kind) for kind in row["kinds"].split())
            found[row["code"]] = Reason(row["code"], kinds, row["text"])
        except (KeyError, ValueError, AttributeError):
            raise ConfigurationError(
                "A reason has no code, kinds or text, or a kind that there is not.",
                where=FILE,
                cure="Use the kinds link, unlink, merge, withdraw.",
            ) from None
    return found
