"""What is known of the people and places of a hospital: statements, golden records, conflicts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

#: ``system|value``; the system is "" where nobody is named.
Identifier = str


class DirectoryKind(StrEnum):
    """The kinds of golden records; each is a FHIR resource type."""

    PRACTITIONER = "Practitioner"
    ORGANIZATION = "Organization"
    LOCATION = "Location"


class Statement(msgspec.Struct, frozen=True):
    """What one source says of one person or place.

    where: ``file:line``. source: its name (``nppes``, ``hr``, ``ehr``). at: date from which it is
    so (ISO, "" unknown). key: its own key in that source, unique there. identifiers: all by which
    others may know it. attributes: name -> value; what is "" is not said. until: date at which the
    source says it ended, "" if it did not.
    """

    where: str
    source: str
    kind: DirectoryKind
    key: str
    identifiers: tuple[Identifier, ...]
    attributes: dict[str, str]
    at: str = ""
    until: str = ""


class Claim(msgspec.Struct, frozen=True):
    """What one statement says of an attribute. holds: it says the same as what survived."""

    source: str
    at: str
    text: str
    where: str
    holds: bool


class Value(msgspec.Struct, frozen=True):
    """An attribute of a golden record: who said it, when, and by which rule it survived.

    rule: of ``survive.RULES``, or ``steward`` if somebody decided: then by and said_us say who and
    when. claims: all that was said of it, what survived first. unsure: nothing but the alphabet
    decided between different ones.
    """

    text: str
    source: str
    at: str
    rule: str
    others: tuple[tuple[str, str], ...] = ()  #: (source, text) of those that did not survive
    claims: tuple[Claim, ...] = ()
    by: str = ""
    said_us: int = 0
    unsure: bool = False


class Golden(msgspec.Struct, frozen=True):
    """One person or place. id: the smallest of its identifiers that nobody
    else has, else its source and key. active: no source ended it, or a
    later one has it still. members: the statements behind it, as ``source|key``. npi_ended: the day
    (ISO) since when its NPI is deactivated, "" if it is not."""

    id: Identifier
    kind: DirectoryKind
    identifiers: tuple[Identifier, ...]
    attributes: dict[str, Value]
    members: tuple[str, ...]
    active: bool = True
    npi_ended: str = ""

    def text(self, attribute: str) -> str:
        """The value of an attribute, "" if nobody says it."""
        value = self.attributes.get(attribute)
        return value.text if value is not None else ""


class Question(msgspec.Struct, frozen=True, order=True):
    """Something that a steward has to look at.

    code: of an issue of this room. kind and id: the golden record concerned. attribute: of which
    the sources differ, or "". where: the statements concerned (``file:line``). items: what a
    decision is about (``words.About``). text: a value that is in question. decided: by a steward.
    """

    code: str
    kind: str
    id: Identifier
    attribute: str
    where: tuple[str, ...]
    items: tuple[Identifier, ...] = ()
    text: str = ""
    seen: str = ""
    decided: bool = False
