"""How names begin, as blind fingerprints: for those who know no more of a name."""

from __future__ import annotations

from typing import Final

from chartloom.guard import Guard

#: A name is found by so many of its first letters.
START_CHARS: Final = 3
_NAMES: Final = frozenset({"family", "given"})


def starts(guard: Guard, kind: str, value: str) -> list[bytes]:
    """The fingerprint of the first letters; none if there are fewer, or if it is no name."""
    start = " ".join(value.casefold().split())[:START_CHARS]
    if kind not in _NAMES or len(start) < START_CHARS:
        return []
    return [guard.blind(f"{kind}^", start)]
