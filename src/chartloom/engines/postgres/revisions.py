"""What this worker has seen of the rows it writes: revisions for all, values for the recent.

Most messages speak about patients that others spoke about just before. Keeping what was written
saves reading, unsealing and decoding it again; that it is still current is proved by the commit,
which is refused if a row has another revision than the one it was folded on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from chartloom.domain.chart import SectionView, ViewKey
from chartloom.domain.resource import ResourceState

#: Above this many rows remembered, all are forgotten at the next prefetch.
_REMEMBERED_MAX = 400_000
#: Sealed size of the values kept, for states and for views; in memory they take several times this.
_KEPT_BYTES_MAX = 16 * 1024 * 1024

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values by key, the longest unused of them dropped when they become too much."""

    def __init__(self, bytes_max: int = _KEPT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """The value, if it is kept."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V, size_bytes: int) -> None:
        """Keeps a value."""
        values = self._values
        found = values.pop(key, None)
        if found is not None:
            self.size_bytes -= found[1]
        values[key] = (value, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self._bytes_max:
            _, (_, size) = values.popitem(last=False)
            self.size_bytes -= size

    def drop(self, key: K) -> None:
        """Forgets one value."""
        found = self._values.pop(key, None)
        if found is not None:
            self.size_bytes -= found[1]

    def clear(self) -> None:
        """Forgets all."""
        self._values.clear()
        self.size_bytes = 0


class Revisions:
    """Revisions of states and views as last read or written; 0 means there was no row.

    kept_states, kept_views: values of exactly these revisions.
    """

    def __init__(self) -> None:
        self.states: dict[str, int] = {}
        self.views: dict[ViewKey, int] = {}
        self.kept_states: Kept[str, ResourceState] = Kept()
        self.kept_views: Kept[ViewKey, SectionView] = Kept()

    def clear(self) -> None:
        """Forgets everything."""
        self.states.clear()
        self.views.clear()
        self.kept_states.clear()
        self.kept_views.clear()

    def saw(
        self,
        ids: Iterable[str],
        states: Mapping[str, int],
        keys: Iterable[ViewKey],
        views: Mapping[ViewKey, int],
    ) -> None:
        """Notes what a prefetch found, and what it did not find."""
        for id in ids:
            self.states[id] = states.get(id, 0)
        for key in keys:
            self.views[key] = views.get(key, 0)

    def make_room(self) -> None:
        """Forgets everything if it has become too much. Before a prefetch, never after."""
        if len(self.states) + len(self.views) > _REMEMBERED_MAX:
            self.clear()

    def forget(self, ids: Iterable[str], keys: Iterable[ViewKey]) -> None:
        """Forgets rows that turned out to be newer than we knew."""
        for id in ids:
            self.states.pop(id, None)
            self.kept_states.drop(id)
        for key in keys:
            self.views.pop(key, None)
            self.kept_views.drop(key)
