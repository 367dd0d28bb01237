"""What the pages of identity work with besides the console's store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from chartloom.domain.message import Arrival, Receipt
from chartloom.domain.ports import Identities
from chartloom.domain.resource import LinkKind
from chartloom.normalize import load_mapping
from chartloom.normalize.steward import Reason, read_reasons
from chartloom.registry.persons import Parameters, default_parameters


class Lands(Protocol):
    """The log, as far as a person's word needs it."""

    def land(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Durable when it returns."""
        ...


@dataclass(frozen=True)
class IdentityDoor:
    """Reads who is who, and lands what people say about it.

    parameters: of the matcher, as they are in force. settle_s: how long a page waits for a word
    that was landed to count. overlay_people: how many people have to say the same of a message that
    was stopped, 1 or 2.
    """

    identities: Identities
    log: Lands
    parameters: Callable[[], Parameters] = default_parameters
    settle_s: float = 2.0
    overlay_people: int = 2


#: What people say, as it stands in forms, on the command line and in the record.
WORDS = {"same": LinkKind.LINK, "different": LinkKind.UNLINK, "withdraw": LinkKind.WITHDRAW}

#: In addresses: what was said of a record lets nothing in yet.
WAITS = "waits"

#: Reason that a guard suggests for saying that two records are two people.
_SUGGESTED = {
    "twins": "relatives",
    "twins-same-number": "relatives",
    "similar-given-name": "relatives",
    "birth-order": "relatives",
    "newborn": "relatives",
    "mother-and-child": "relatives",
    "namesake": "namesakes",
    "namesake-same-number": "namesakes",
    "overlay": "record-overwritten",
}
_COMPARED = "chart-compared"
#: A record's own review: it was corrected, or written over.
_OF_ONE = {LinkKind.LINK: "record-corrected", LinkKind.UNLINK: "record-overwritten"}


@cache
def reasons() -> dict[str, Reason]:
    """The reasons that people may give, by code."""
    return read_reasons(load_mapping("steward").files)


def reason_for(kind: LinkKind, given: str, *, guard: str = "", one_record: bool = False) -> str:
    """The reason that was given if it fits what is said, else the usual one."""
    known = reasons().get(given)
    if known is not None and kind in known.kinds:
        return given
    if kind is LinkKind.WITHDRAW:
        return "said-by-mistake"
    if one_record and kind in _OF_ONE:
        return _OF_ONE[kind]
    return _SUGGESTED.get(guard, _COMPARED) if kind is LinkKind.UNLINK else _COMPARED
