"""Issues while they are collected."""

from __future__ import annotations

from typing import Final

from chartloom.domain.issues import Issue

#: How many places are named for one code; more are counted.
PLACES_MAX: Final = 10


class Findings:
    """Collects Issues, and keeps them few where a broken message has the same one everywhere."""

    __slots__ = ("_counts", "_issues")

    def __init__(self) -> None:
        self._issues: list[Issue] = []
        self._counts: dict[str, int] = {}

    def add(self, code: str, location: str, span: tuple[int, int] | None = None) -> None:
        """Notes one finding."""
        count = self._counts[code] = self._counts.get(code, 0) + 1
        if count <= PLACES_MAX:
            self._issues.append(Issue(code, location, span=span))

    def issues(self) -> list[Issue]:
        """All of them; what was not named one by one stands in one last Issue of its code."""
        if not self._counts:
            return []
        more = [
            Issue(code, detail=f"in {count - PLACES_MAX} more places")
            for code, count in self._counts.items()
            if count > PLACES_MAX
        ]
        return self._issues + more
