"""What is compared of a patient: a frozen record of folded values, small and quick to encode."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """What sort of registration a record is."""

    PERSON = "person"
    NEWBORN = "newborn"  #: a placeholder instead of a given name (BABY BOY, Twin A)
    UNKNOWN = "unknown"  #: nobody knows who it is (DOE, UNKNOWN, a trauma code): not to be matched


class Home(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One address. house: number; street: folded words, kinds of streets shortened; unit: number
    of the flat; postal: postal code without what follows its first part; city: folded."""

    house: str = ""
    street: str = ""
    unit: str = ""
    postal: str = ""
    city: str = ""


class Number(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One identifier. kind: ``record`` (a system's number for a patient), ``national`` (given to a
    person by a state: SSN, passport, driving licence), ``other`` (an issuer without a type)."""

    kind: str
    issuer: str
    value: str


class MatchRecord(msgspec.Struct, frozen=True, array_like=True):
    """A patient, as far as it says who somebody is. Everything is folded; "" and () say nothing.

    families: family names written as one word, the present one first, then former ones; parts: the
    words of all family names (compound names have several). givens: given names of the present
    name in order; aliases: first given names of other names. roots: nickname classes of the first
    given name. suffix: ``jr``, ``sr``, ``2`` to ``5``. sex: ``f``, ``m``, ``o`` or "". birth:
    ``YYYYMMDD``, ``YYYYMM`` or ``YYYY``; birth_doubt: 0 none, 1 may be a default (1 January), 2 is
    a default (1900-01-01). multiple: order of birth in a multiple birth, -1 when only that it was
    one is known, 0 when nothing is said. mother: her maiden family name; mother_numbers: values of
    her identifiers.
    """

    kind: Kind = Kind.PERSON
    families: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    givens: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    suffix: str = ""
    sex: str = ""
    birth: str = ""
    birth_doubt: int = 0
    homes: tuple[Home, ...] = ()
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    mother: str = ""
    mother_numbers: tuple[str, ...] = ()
    multiple: int = 0


EMPTY: Final = MatchRecord()
