"""Which revision of a row this worker has seen: the base of optimistic writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from chartloom.domain.chart import ViewKey

#: Above this many rows remembered, all are forgotten at the next prefetch.
_REMEMBERED_MAX = 400_000


class Revisions:
    """Revisions of states and views as last read or written; 0 means there was no row."""

    def __init__(self) -> None:
        self.states: dict[str, int] = {}
        self.views: dict[ViewKey, int] = {}

    def clear(self) -> None:
        """Forgets everything."""
        self.states.clear()
        self.views.clear()

    def saw(
        self,
        ids: Iterable[str],
        states: Mapping[str, int],
        keys: Iterable[ViewKey],
        views: Mapping[ViewKey, int],
    ) -> None:
        """Notes what a prefetch found, and what it did not find."""
        if len(self.states) + len(self.views) > _REMEMBERED_MAX:
            self.clear()
        for id in ids:
            self.states[id] = states.get(id, 0)
        for key in keys:
            self.views[key] = views.get(key, 0)

    def forget(self, ids: Iterable[str], keys: Iterable[ViewKey]) -> None:
        """Forgets rows that turned out to be newer than we knew."""
        for id in ids:
            self.states.pop(id, None)
        for key in keys:
            self.views.pop(key, None)
