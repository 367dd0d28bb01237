"""Sessions, broken glass and data uses in memory, as the ports want them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from chartloom.domain.access import DataUse, Glass, StoredSession, UseState
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.guard import Guard


class _Kept:
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def _check(self, grant: Grant, subject: str) -> None:
        assert self._guard.covers(grant, subject)


class MemorySessions(_Kept):
    def __init__(self, guard: Guard) -> None:
        super().__init__(guard)
        self.rows: dict[bytes, StoredSession] = {}

    def put(self, grant: Grant, stored: StoredSession) -> None:
        self._check(grant, "site:sessions")
        self.rows[stored.key] = stored

    def get(self, grant: Grant, key: bytes) -> StoredSession | None:
        self._check(grant, "site:sessions")
        return self.rows.get(key)

    def list(self, grant: Grant) -> list[StoredSession]:
        self._check(grant, "site:sessions")
        return list(self.rows.values())

    def change(self, grant: Grant, stored: StoredSession) -> bool:
        self._check(grant, "site:sessions")
        there = stored.key in self.rows
        if there:
            self.rows[stored.key] = stored
        return there

    def touch(self, grant: Grant, key: bytes, seen_us: int) -> None:
        if key in self.rows:
            self.rows[key] = msgspec.structs.replace(self.rows[key], seen_us=seen_us)

    def end(self, grant: Grant, key: bytes) -> bool:
        return self.rows.pop(key, None) is not None

    def end_of(self, grant: Grant, subject: str) -> int:
        gone = [k for k, s in self.rows.items() if s.session.subject == subject]
        return sum(self.end(grant, k) for k in gone)

    def tidy(self, grant: Grant, now_us: int, idle_us: int) -> int:
        over = [
            k
            for k, s in self.rows.items()
            if s.session.until_us <= now_us or now_us - s.seen_us >= idle_us
        ]
        return sum(self.end(grant, k) for k in over)


class MemoryGlass(_Kept):
    def __init__(self, guard: Guard) -> None:
        super().__init__(guard)
        self.rows: dict[str, Glass] = {}

    def open_of(
        self, grant: Grant, actor: str, source_patients: Sequence[str], now_us: int
    ) -> Glass | None:
        self._check(grant, "site:glass")
        wanted = set(source_patients)
        found = [
            g
            for g in self.rows.values()
            if g.actor == actor and g.until_us > now_us and wanted.issuperset(g.source_patients)
        ]
        newest = max(found, key=lambda g: g.until_us, default=None)
        return msgspec.structs.replace(newest, text="") if newest else None

    def add(self, grant: Grant, glass: Glass) -> None:
        self._check(grant, "site:glass")
        self.rows[glass.id] = glass

    def list(self, grant: Grant, *, actor: str = "", limit: int = 200) -> list[Glass]:
        self._check(grant, "site:glass")
        found = [self._seen(grant, g) for g in self.rows.values() if actor in ("", g.actor)]
        return sorted(found, key=lambda g: (-g.started_us, g.id))[:limit]

    def _seen(self, grant: Grant, glass: Glass) -> Glass:
        covered = all(self._guard.covers(grant, p) for p in glass.source_patients)
        return glass if covered else msgspec.structs.replace(glass, text="")

    def get(self, grant: Grant, glass_id: str) -> Glass:
        self._check(grant, "site:glass")
        if glass_id not in self.rows:
            raise NotFound("there is no such record.")
        return self._seen(grant, self.rows[glass_id])

    def review(self, grant: Grant, glass_id: str, by: str, outcome: str, now_us: int) -> bool:
        glass = self.rows.get(glass_id)
        if glass is None or glass.outcome:
            return False
        self.rows[glass_id] = msgspec.structs.replace(
            glass,
            reviewed_by=by,
            reviewed_us=now_us,
            outcome=outcome,
            until_us=min(glass.until_us, now_us),
        )
        return True

    def end(self, grant: Grant, glass_id: str, now_us: int) -> bool:
        glass = self.rows[glass_id]
        if glass.until_us <= now_us:
            return False
        self.rows[glass_id] = msgspec.structs.replace(glass, until_us=now_us)
        return True


class MemoryUses(_Kept):
    def __init__(self, guard: Guard) -> None:
        super().__init__(guard)
        self.rows: dict[str, DataUse] = {}

    def add(self, grant: Grant, use: DataUse) -> None:
        self._check(grant, "site:data-uses")
        self.rows[use.id] = use

    def list(self, grant: Grant, limit: int = 200) -> list[DataUse]:
        self._check(grant, "site:data-uses")
        return sorted(self.rows.values(), key=lambda u: (-u.requested_us, u.id))[:limit]

    def get(self, grant: Grant, use_id: str) -> DataUse:
        self._check(grant, "site:data-uses")
        if use_id not in self.rows:
            raise NotFound("there is no such data use.")
        return self.rows[use_id]

    def decide(self, grant: Grant, use: DataUse) -> bool:
        before = self.rows[use.id]
        if before.state is not UseState.REQUESTED and use.state is not UseState.WITHDRAWN:
            return False
        self.rows[use.id] = use
        return True
