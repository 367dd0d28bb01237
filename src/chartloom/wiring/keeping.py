"""What keeps a site protected, done from the command line: keys and the audit log, on record."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec

from chartloom.domain.access import Shredding
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.keys import Tombstone
from chartloom.engines.postgres.requests import PostgresShreddings
from chartloom.guard.audit import Actor, Context, Kind, Recorder, events
from chartloom.guard.keys import KeyBroker, Rotation
from chartloom.guard.shredding import Reason, TwoPersons
from chartloom.project import Project
from chartloom.wiring.desk import KEYS, Desk
from chartloom.wiring.site import OpenSite, open_site

#: A worker that noticed nothing yet has by then; until then it may still hold plain text in memory.
_FORGOTTEN_AFTER_S = 1.5


class Operator:
    """The local operator with a site open, and the record of what is done. A context manager."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._stack = contextlib.ExitStack()
        self.actor = f"operator:{os.getuid()}"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.opened: OpenSite = stack.enter_context(open_site(self._project, keeping=True))
            self.log = self.opened.store.audit_log()
            self.recorder = Recorder(self.log)
            stack.callback(self.recorder.close)
            self.desk = Desk(self.opened, self.recorder)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def grant(self) -> Grant:
        """For everyone, for operations."""
        return self.opened.grant(actor=self.actor)

    def about(self, grant: Grant | None = None) -> Context:
        """When and by whom, for an event."""
        return Context(
            self.opened.clock.now_us(),
            Actor(self.actor, ("administrator",)),
            purpose=Purpose.OPERATIONS,
            observer="command-line",
            grant_id=grant.grant_id if grant else "",
        )

    def find(self, person: str) -> tuple[str, ...]:
        """The source patients of the one person of a record number or id; none if there is no
        such one. The look-up is on record before it is answered."""
        hits = self.desk.find(person)
        return hits[0].source_patients if len(hits) == 1 else ()


class KeyStatus(msgspec.Struct, frozen=True):
    """counts: keys by generation, those that wrap none included. destroyed: how many subjects."""

    kind: str
    where: str
    generation: int
    counts: dict[int, int]
    destroyed: int


class KeyKeeper(Operator):
    """Looks at, rotates, retires and destroys keys."""

    def __enter__(self) -> Self:
        super().__enter__()
        broker = self.opened.guard.broker
        if broker is None:
            self._stack.close()
            raise ConfigurationError(
                "this site has no key-encryption key yet.", cure="Run: chartloom up"
            )
        self._broker: KeyBroker = broker
        self._keys = self.opened.store.subject_keys(keeping=True)
        self._two = TwoPersons(
            self.desk.authority,
            PostgresShreddings(self.opened.store),
            self.opened.guard,
            self.opened.clock,
        )
        return self

    def status(self) -> KeyStatus:
        """What there is."""
        return self.desk.ask(KEYS, lambda _: self._counts())

    def _counts(self) -> KeyStatus:
        kek = self._broker.describe()
        counts = dict.fromkeys(kek.generations, 0) | self._keys.count_by_generation()
        destroyed = self._keys.destroyed_count()
        return KeyStatus(kek.kind, kek.where, kek.generation, counts, destroyed)

    def rotate(self, progress: Callable[[Rotation], None], *, new_generation: bool) -> Rotation:
        """A new generation (or the newest) wraps all keys."""
        self.desk.permit(KEYS)
        self._record(Kind.KEY_CREATED, "generation", step="rotation-begins")
        done = self._broker.rotate(progress, new_generation=new_generation)
        self._record(
            Kind.KEY_ROTATED, f"generation-{done.generation}", rewrapped=str(done.rewrapped)
        )
        return done

    def retire(self) -> tuple[int, ...]:
        """Destroys what wraps nothing any more; the numbers."""
        self.desk.permit(KEYS)
        found = self._counts()
        idle = tuple(g for g, n in sorted(found.counts.items()) if not n and g != found.generation)
        for generation in idle:
            self._record(Kind.KEY_RETIRED, f"generation-{generation}")
            self._broker.retire(generation)
        return idle

    def ask_to_shred(self, person: str, reason: Reason) -> Shredding:
        """Asks for the destruction of the keys of the person with this id."""
        return self._two.request(self.desk.principal, person, reason, self.desk.asking)

    def shreddings(self) -> list[Shredding]:
        """What was asked for, newest first."""
        return self._two.list(self.desk.principal, self.desk.asking)

    def decide(self, id: str, decision: str) -> Shredding:
        """Approves, refuses or withdraws."""
        return self._two.decide(self.desk.principal, id, decision, self.desk.asking)

    def shred(self, id: str) -> tuple[Shredding, dict[str, int]]:
        """Carries out what another person approved: destroys the keys, removes what is derived, and
        waits until all have forgotten. What was cut short goes on."""
        desk = self.desk
        approved = self._two.approved(desk.principal, id, desk.asking, self._any_gone)
        for source_patient in approved.source_patients:
            self.recorder.record(events.key_shredded(self.about(), source_patient, approved.reason))
            self._broker.shred(source_patient, self.actor, approved.reason)
        removed = self.opened.store.erase(self.grant(), approved.source_patients)
        self._two.done(approved)
        time.sleep(_FORGOTTEN_AFTER_S)
        return approved, removed

    def _any_gone(self, source_patients: Sequence[str]) -> bool:
        kept = self._keys.get(list(source_patients))
        return any(isinstance(k, Tombstone) for k in kept.values())

    def _record(self, kind: Kind, what: str, **details: str) -> None:
        self.recorder.record(events.change(self.about(), kind, what, **details))
