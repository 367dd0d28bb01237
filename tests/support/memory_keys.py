"""Wrapped keys in memory: the ``SubjectKeys`` port as tests need it, counting its round trips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock

from chartloom.domain.keys import StaleGeneration, Tombstone, WrappedKey


class MemoryKeys:
    """Keeps wrapped keys; ``calls`` counts calls by method."""

    def __init__(self) -> None:
        self.rows: dict[str, WrappedKey | Tombstone] = {}
        self.floor = 0
        self.calls: Counter[str] = Counter()
        self._lock = Lock()
        self._epoch = 0

    def get(self, subjects: Sequence[str]) -> dict[str, WrappedKey | Tombstone]:
        with self._lock:
            self.calls["get"] += 1
            return {s: self.rows[s] for s in subjects if s in self.rows}

    def put_absent(self, keys: Sequence[WrappedKey]) -> dict[str, WrappedKey | Tombstone]:
        with self._lock:
            self.calls["put_absent"] += 1
            if any(k.generation < self.floor for k in keys):
                raise StaleGeneration("wrapped by an old generation.")
            return {k.subject: self.rows.setdefault(k.subject, k) for k in keys}

    def raise_floor(self, generation: int) -> None:
        with self._lock:
            self.floor = max(self.floor, generation)

    def of_generations_below(self, generation: int, limit: int) -> list[WrappedKey]:
        with self._lock:
            rows = (k for k in self.rows.values() if isinstance(k, WrappedKey))
            return [k for k in rows if k.generation < generation][:limit]

    def rewrap(self, changes: Sequence[tuple[WrappedKey, WrappedKey]]) -> int:
        with self._lock:
            fits = [(o, n) for o, n in changes if self.rows.get(o.subject) == o]
            self.rows.update({n.subject: n for _, n in fits})
            return len(fits)

    def destroy(self, tombstone: Tombstone) -> bool:
        with self._lock:
            if isinstance(self.rows.get(tombstone.subject), Tombstone):
                return False
            self.rows[tombstone.subject] = tombstone
            self._epoch += 1
            return True

    def count_by_generation(self) -> dict[int, int]:
        with self._lock:
            rows = (k for k in self.rows.values() if isinstance(k, WrappedKey))
            return dict(Counter(k.generation for k in rows))

    def epoch(self) -> int:
        self.calls["epoch"] += 1
        return self._epoch
