"""What protection keeps: keys of subjects, the record, facts of access, glass, uses, sessions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from chartloom.domain.access import (
    DataUse,
    Glass,
    KnownConsent,
    KnownOfPerson,
    Relation,
    Shredding,
    StoredSession,
    Target,
)
from chartloom.domain.audit import AuditEntry, LogEnd, LoggedEvent
from chartloom.domain.grant import Grant
from chartloom.domain.keys import Tombstone, WrappedKey
from chartloom.domain.resource import FhirJson
from chartloom.domain.withholding import Withholding


class SubjectKeys(Protocol):
    """Wrapped keys, one per subject, shared by all processes. Holds nothing that opens a body."""

    def get(self, subjects: Sequence[str]) -> dict[str, WrappedKey | Tombstone]:
        """What is kept of the subjects; those never seen are left out. One round trip."""
        ...

    def put_absent(self, keys: Sequence[WrappedKey]) -> dict[str, WrappedKey | Tombstone]:
        """Keeps keys of subjects that have none, durably; what holds now, for every subject.

        Two processes that make a key for one subject at once both get the one that was kept.
        Raises ``StaleGeneration`` if a key is wrapped by a generation below the floor.
        """
        ...

    def raise_floor(self, generation: int) -> None:
        """From now on no key wrapped by an older generation is kept. The floor never sinks."""
        ...

    def of_generations_below(self, generation: int, limit: int) -> list[WrappedKey]:
        """Up to ``limit`` keys that are wrapped by older generations."""
        ...

    def rewrap(self, changes: Sequence[tuple[WrappedKey, WrappedKey]]) -> int:
        """Replaces each old key by its new wrapping if the old one is still there; how many.

        So a key that was destroyed meanwhile stays destroyed.
        """
        ...

    def destroy(self, tombstone: Tombstone) -> bool:
        """Puts a tombstone in place of a key (or of none), durably; False if one was there."""
        ...

    def count_by_generation(self) -> dict[int, int]:
        """How many keys each generation wraps."""
        ...

    def epoch(self) -> int:
        """Grows with every tombstone, so that other processes notice a destroyed key. Cheap."""
        ...


class AuditLog(Protocol):
    """The append-only, hash-chained record of who did what (``domain.audit``)."""

    def append(self, entries: Sequence[AuditEntry]) -> LogEnd:
        """Appends in order, under one lock, and returns when all are durable: where the log ends.

        Raises ``AuditUnavailable``; then what the events are about must not be done or shown.
        """
        ...

    def read(self, after: int, limit: int) -> list[LoggedEvent]:
        """Up to ``limit`` events with numbers above ``after``, in order. Events hold no PHI."""
        ...

    def end(self) -> LogEnd:
        """Where the log ends."""
        ...


class UsedTokens(Protocol):
    """Remembers tokens that are good for one use, for all processes of a site."""

    def first_use(self, issuer: str, token_id: str, until_us: int) -> bool:
        """Whether this is the token's first use; atomically remembers it until ``until_us``."""
        ...


class AccessFacts(Protocol):
    """What access is decided from. The grant is the decider's own, for everyone; no PHI but the
    Consents comes out of it."""

    def together(self, grant: Grant) -> AbstractContextManager[None]:
        """Questions of this thread under this very grant, within, share one transaction."""
        ...

    def known_of(self, grant: Grant, any_id: str) -> KnownOfPerson:
        """What is known of the person of a person id or source patient id; empty for nobody.

        Always the same queries, so that its time does not tell whether there is such a person.
        """
        ...

    def consents(self, grant: Grant, source_patients: Sequence[str]) -> list[KnownConsent]:
        """The FHIR Consents of some source patients, opened. While everything is derived anew, also
        those that held before it began."""
        ...

    def related_to(self, grant: Grant, who: Sequence[str]) -> list[Relation]:
        """All relations of patients to any of these directory resources."""
        ...

    def known_of_all(self, grant: Grant, source_patients: Sequence[str]) -> list[KnownOfPerson]:
        """What is known of the persons of several source patients, each person once."""
        ...

    def directory(self, grant: Grant) -> list[FhirJson]:
        """Practitioner, Location and Organization resources, to tell who somebody is. May be
        remembered for a while, as long as none is added."""
        ...

    def directory_size(self, grant: Grant) -> int:
        """How many there are now."""
        ...

    def holders(self, grant: Grant, numbers: Sequence[str]) -> frozenset[str]:
        """Source patients that carry one of these numbers (``authority|number``)."""
        ...

    def target_of_resource(self, grant: Grant, resource_id: str) -> Target:
        """Whom a resource is about."""
        ...

    def target_of_message(self, grant: Grant, position: int) -> Target:
        """Whom a message is about."""
        ...

    def targets_of_messages(self, grant: Grant, positions: Sequence[int]) -> dict[int, Target]:
        """The same for many; those that are not there are left out."""
        ...

    def messages_withheld(
        self, grant: Grant, positions: Sequence[int], withheld: Sequence[Withholding]
    ) -> frozenset[int]:
        """Those of ``positions`` that may say something of what is withheld."""
        ...


class LabelRecords(Protocol):
    """What is labelled, and of what somebody said that its labels are wrong. Ids and masks only."""

    def labelled(self, grant: Grant, source_patients: Sequence[str], limit: int) -> list[str]:
        """Ids of what carries labels that the grant covers, or of whose labels somebody said
        something, of patients that it covers."""
        ...

    def of_persons(self, grant: Grant, source_patients: Sequence[str]) -> dict[str, int]:
        """Source patient -> mask of the labels of the person, as people left them."""
        ...

    def asked(self, grant: Grant, limit: int) -> list[tuple[str, str]]:
        """What waits for a second person to be lifted: (resource id, source patient)."""
        ...


class GlassRecords(Protocol):
    """Broken glass. ``grant`` covers ``GLASS_SUBJECT``, and the patients whose texts are read."""

    def open_of(
        self, grant: Grant, actor: str, source_patients: Sequence[str], now_us: int
    ) -> Glass | None:
        """The open glass of ``actor`` for the person that these patients are, without its text.

        All for whom it was broken are among them: if somebody has since turned out to be two, it
        is not known for whom it was meant, and it is closed.
        """
        ...

    def add(self, grant: Grant, glass: Glass) -> None:
        """Keeps a new record, durably."""
        ...

    def list(self, grant: Grant, *, actor: str = "", limit: int = 200) -> list[Glass]:
        """Records, newest first, of one actor or all; texts only of patients the grant covers."""
        ...

    def get(self, grant: Grant, glass_id: str) -> Glass:
        """One record; raises ``NotFound``."""
        ...

    def review(self, grant: Grant, glass_id: str, by: str, outcome: str, now_us: int) -> bool:
        """Closes the review and ends what is still open; False if it was reviewed before."""
        ...

    def end(self, grant: Grant, glass_id: str, now_us: int) -> bool:
        """Ends emergency access before its time; False if it was over."""
        ...


class DataUses(Protocol):
    """Data uses. ``grant`` covers ``USES_SUBJECT``."""

    def add(self, grant: Grant, use: DataUse) -> None:
        """Keeps a request, durably."""
        ...

    def list(self, grant: Grant, limit: int = 200) -> list[DataUse]:
        """Newest first."""
        ...

    def get(self, grant: Grant, use_id: str) -> DataUse:
        """One of them; raises ``NotFound``."""
        ...

    def decide(self, grant: Grant, use: DataUse) -> bool:
        """Keeps state and decider if nobody decided before (withdrawing is always possible)."""
        ...


class Shreddings(Protocol):
    """Destructions of keys that two persons decide. ``grant`` covers ``SHREDDINGS_SUBJECT``."""

    def add(self, grant: Grant, shredding: Shredding) -> None:
        """Keeps a request, durably."""
        ...

    def list(self, grant: Grant, limit: int = 200) -> list[Shredding]:
        """Newest first."""
        ...

    def get(self, grant: Grant, shredding_id: str) -> Shredding:
        """One of them; raises ``NotFound``."""
        ...

    def decide(self, grant: Grant, shredding: Shredding) -> bool:
        """Keeps state and decider if that follows from the state there is; False if it does not.

        Requested becomes anything but done; approved becomes done or withdrawn; nothing else.
        """
        ...


class Sessions(Protocol):
    """Sessions of signed-in people, for all processes. ``grant`` covers ``SESSIONS_SUBJECT``."""

    def put(self, grant: Grant, stored: StoredSession) -> None:
        """Keeps a session or its changed body."""
        ...

    def get(self, grant: Grant, key: bytes) -> StoredSession | None:
        """The session under a key."""
        ...

    def list(self, grant: Grant) -> list[StoredSession]:
        """All that are kept, those that are over too."""
        ...

    def change(self, grant: Grant, stored: StoredSession) -> bool:
        """Keeps its changed body; False if it ended meanwhile: nothing makes it anew."""
        ...

    def touch(self, grant: Grant, key: bytes, seen_us: int) -> None:
        """Remembers that it was used."""
        ...

    def end(self, grant: Grant, key: bytes) -> bool:
        """Removes it; False if it was not there."""
        ...

    def end_of(self, grant: Grant, subject: str) -> int:
        """Removes all sessions of a person; how many."""
        ...

    def tidy(self, grant: Grant, now_us: int, idle_us: int) -> int:
        """Removes what is over; how many."""
        ...
