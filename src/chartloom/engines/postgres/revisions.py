"""What this worker knows of the rows it writes: revisions for the batch, values for the recent.

Most messages speak about patients that others spoke about just before. Keeping what was written
saves reading, unsealing and decoding it again; that it is still current is proved by the commit,
which is refused if a row has another revision than the one it was folded on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from chartloom.domain.chart import SectionView, ViewKey
from chartloom.domain.resource import ResourceState

#: Sealed size of the values kept, for states and for views; in memory about 25 times as much.
_KEPT_BYTES_MAX = 4 * 1024 * 1024
#: What a state counts whose body is in a bundle.
_IN_BUNDLE_BYTES = 250

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def size_of(body: bytes) -> int:
    """What a state with this sealed body counts among those kept."""
    return len(body) or _IN_BUNDLE_BYTES


class Kept(Generic[K, V]):
    """Values with their revision by key, the longest unused dropped when they become too much."""

    def __init__(self, bytes_max: int = _KEPT_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._values: OrderedDict[K, tuple[V, int, int]] = OrderedDict()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> tuple[V, int] | None:
        """The value and its revision, if it is kept."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[:2]

    def put(self, key: K, value: V, revision: int, size_bytes: int) -> None:
        """Keeps a value."""
        values = self._values
        found = values.pop(key, None)
        if found is not None:
            self.size_bytes -= found[2]
        values[key] = (value, revision, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self._bytes_max:
            _, (_, _, size) = values.popitem(last=False)
            self.size_bytes -= size

    def drop(self, key: K) -> None:
        """Forgets one value."""
        found = self._values.pop(key, None)
        if found is not None:
            self.size_bytes -= found[2]

    def clear(self) -> None:
        """Forgets all."""
        self._values.clear()
        self.size_bytes = 0


class Revisions:
    """Revisions of the rows that the next batch may write; one that is not here does not exist yet.

    states, views: as prefetched since the last commit. kept_states, kept_views: values as last
    read or written. Points of series are not kept: results are seldom spoken of again, and there
    are many.
    """

    def __init__(self) -> None:
        self.states: dict[str, int] = {}
        self.views: dict[ViewKey, int] = {}
        self.kept_states: Kept[str, ResourceState] = Kept()
        self.kept_views: Kept[ViewKey, SectionView] = Kept()

    def clear(self) -> None:
        """Forgets everything."""
        self.settle()
        self.kept_states.clear()
        self.kept_views.clear()

    def settle(self) -> None:
        """The batch is committed: what comes next is prefetched again."""
        self.states.clear()
        self.views.clear()

    def forget(self, ids: Iterable[str], keys: Iterable[ViewKey]) -> None:
        """Forgets rows that turned out to be newer than we knew."""
        for id in ids:
            self.states.pop(id, None)
            self.kept_states.drop(id)
        for key in keys:
            self.views.pop(key, None)
            self.kept_views.drop(key)
