"""Who asks, in tests of Consents."""

from __future__ import annotations

from chartloom.guard.consent import Asking


class _All(frozenset[str]):
    """A directory that has everybody."""

    def __contains__(self, id: object) -> bool:
        return True


def asking(*ids: str) -> Asking:
    """One of whom all is known: these ids, and that nobody else's is theirs."""
    told = frozenset({"Practitioner", "Organization", "Location"})
    return Asking(ids=frozenset(ids), told=told, known=_All())
