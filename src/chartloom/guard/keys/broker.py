"""The key broker: the only one who holds both wrapped keys and the key-encryption key.

Sealing asks for a key that can only seal. Opening asks with a grant, which must cover the subject.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Grant
from chartloom.domain.keys import (
    DIRECTORY_SUBJECT,
    StaleGeneration,
    SubjectShredded,
    Tombstone,
    WrappedKey,
)
from chartloom.domain.ports import Clock, GrantCoverage, SubjectKeys
from chartloom.guard.keys.files import KEY_BYTES
from chartloom.guard.keys.kek import GenerationUnknown, Kek, KekDescription, KeyDamaged
from chartloom.guard.keys.wrapping import rewrapped, tagged, unwrapped

#: Keys kept ready; about 1.5 KB each.
KEYS_CACHED_MAX: Final = 50_000
#: How soon a key destroyed by another process is forgotten here.
FORGET_WITHIN_S: Final = 1.0
#: Keys rewrapped per round trip.
ROTATION_BATCH: Final = 1_000
_ATTEMPTS: Final = 3

_Cipher = Callable[[bytes, bytes, bytes | None], bytes]


class SealingKey:
    """Seals for one subject; cannot open."""

    __slots__ = ("encrypt",)

    def __init__(self, encrypt: _Cipher) -> None:
        #: ``encrypt(nonce, plain, associated_data)``: AES-256-GCM, tag at the end.
        self.encrypt = encrypt


class OpeningKey:
    """Opens what was sealed for one subject."""

    __slots__ = ("decrypt",)

    def __init__(self, decrypt: _Cipher) -> None:
        #: ``decrypt(nonce, sealed, associated_data)``; raises ``cryptography``'s ``InvalidTag``.
        self.decrypt = decrypt


class Rotation(msgspec.Struct, frozen=True):
    """How far a rotation is. left: keys still wrapped by older generations."""

    generation: int
    rewrapped: int
    left: int


class Fetched(NamedTuple):
    """Wrapped keys that came along with something else that was read. mark: of the broker
    (:attr:`KeyBroker.mark`), from before they were read."""

    mark: int
    keys: Mapping[str, WrappedKey]


class KeyBroker:
    """Hands out subject keys, makes them, rewraps them and destroys them. Thread-safe.

    coverage: who decides whom a grant covers (the ``Guard``). The cache is bounded by
    ``cached_max`` and emptied when any process destroyed a key, within ``forget_within_s``.
    """

    def __init__(
        self,
        kek: Kek,
        store: SubjectKeys,
        coverage: GrantCoverage,
        clock: Clock,
        *,
        cached_max: int = KEYS_CACHED_MAX,
        forget_within_s: float = FORGET_WITHIN_S,
    ) -> None:
        self._kek = kek
        self._store = store
        self._coverage = coverage
        self._clock = clock
        self._cached_max = cached_max
        self._forget_within_us = int(forget_within_s * 1e6)
        self._lock = Lock()
        #: Keys that were used lately, and those that were used before that: when there are too
        #: many of the first, they become the second. Reading them takes no lock.
        self._ready: dict[str, tuple[SealingKey, OpeningKey]] = {}
        self._earlier: dict[str, tuple[SealingKey, OpeningKey]] = {}
        #: Counts emptyings, so that a key read before one is not cached after it.
        self._emptied = 0
        self._epoch = -1
        self._looked_at_us: int | None = None
        self._when_forgetting: list[Callable[[], None]] = []

    @property
    def epoch(self) -> int:
        """How many keys were destroyed when it last looked; -1 before that."""
        return self._epoch

    @property
    def mark(self) -> int:
        """Another one whenever keys were forgotten: what was read before is not kept then."""
        return self._emptied

    def when_forgetting(self, forget: Callable[[], None]) -> None:
        """Calls ``forget`` when a key was destroyed, by whomever, from the thread that notices:
        what else is remembered in plain text must go then."""
        self._when_forgetting.append(forget)

    def look(self, *, now: bool = False) -> None:
        """Notices destroyed keys, as every use does; ``now``: even if it looked just before."""
        if now:
            self._looked_at_us = None
        self._look()

    # Using keys

    def ensure(
        self, subjects: Iterable[str], *, unseen: bool = False, fetched: Fetched | None = None
    ) -> frozenset[str]:
        """Makes the keys of all subjects ready, making new ones where there are none.

        One look-up for those not at hand and one write for those never seen. Returns the subjects
        whose key was destroyed; sealing for them raises. unseen: those not at hand most likely
        never had one, so that looking them up first would be in vain. fetched: keys of some of
        them, as they are stored; they need not be looked up.
        """
        wanted = self._missing(subjects)
        if not wanted:
            return frozenset()
        emptied = self._emptied
        kept: dict[str, WrappedKey | Tombstone] = {}
        if fetched is not None and fetched.mark == emptied:
            kept.update((s, fetched.keys[s]) for s in wanted if s in fetched.keys)
        if not unseen and (unread := [s for s in wanted if s not in kept]):
            kept.update(self._store.get(unread))
        if new := [s for s in wanted if s not in kept]:
            kept.update(self._make(new))
        return self._admit(kept, emptied)

    def sealing_key(self, subject: str) -> SealingKey:
        """The key to seal with, made on first use.

        Raises ``SubjectShredded``. Needs no grant: with it, only ciphertext can be made.
        """
        ready = self._at_hand(subject)
        if ready is None:
            ready = self._fetch((subject,), make=True)[subject]
        return ready[0]

    def opening_key(self, grant: Grant, subject: str) -> OpeningKey:
        """The key to open with.

        Raises ``GrantRefused`` unless the grant holds and covers the subject (what is about the
        hospital, ``DIRECTORY_SUBJECT``, any grant covers), ``SubjectShredded`` if it was destroyed,
        ``KeyDamaged`` if the subject never had a key.
        """
        self._require(grant, (subject,))
        ready = self._at_hand(subject)
        if ready is not None:
            return ready[1]
        return self._fetch((subject,), make=False)[subject][1]

    def opening_keys(self, grant: Grant, subjects: Sequence[str]) -> dict[str, OpeningKey]:
        """Several keys with one look-up; raises like :meth:`opening_key` for any of them."""
        self._require(grant, subjects)
        found: dict[str, OpeningKey] = {}
        missing: list[str] = []
        for subject in subjects:
            ready = self._at_hand(subject)
            if ready is None:
                missing.append(subject)
            else:
                found[subject] = ready[1]
        if missing:
            for subject, keys in self._fetch(missing, make=False).items():
                found[subject] = keys[1]
        return found

    def forget(self, subject: str) -> None:
        """Drops a subject's key from memory here."""
        with self._lock:
            self._emptied += 1
            self._ready.pop(subject, None)
            self._earlier.pop(subject, None)

    def clear(self) -> None:
        """Drops all keys from memory here."""
        with self._lock:
            self._emptied += 1
            self._ready, self._earlier = {}, {}

    # Keeping keys

    def describe(self) -> KekDescription:
        """The key-encryption key, for people."""
        return self._kek.describe()

    def rotate(
        self,
        progress: Callable[[Rotation], None] = lambda _: None,
        *,
        new_generation: bool = True,
    ) -> Rotation:
        """Makes a new generation and rewraps every key with it, while reading and sealing go on.

        May be interrupted and called again (``new_generation=False`` goes on with the newest).
        """
        if new_generation:
            self._kek.rotate()
        generation = self._kek.generation
        # Another process may still wrap by the old generation: from here on it is told to look.
        self._store.raise_floor(generation)
        done = 0
        while old := self._store.of_generations_below(generation, ROTATION_BATCH):
            changed = self._store.rewrap(rewrapped(self._kek, old))
            done += changed
            progress(Rotation(generation, done, self._left(generation)))
        return Rotation(generation, done, self._left(generation))

    def retire(self, generation: int) -> None:
        """Destroys a generation that wraps nothing any more.

        From then on wrapped keys in old backups open nothing, so that a destroyed key cannot come
        back from there. Raises ``StaleGeneration`` while keys are still wrapped by it.
        """
        left = self._store.count_by_generation().get(generation, 0)
        if left:
            raise StaleGeneration(
                f"generation {generation} still wraps {left} keys.", cure="Rotate first."
            )
        self._kek.destroy(generation)

    def shred(self, subject: str, by: str, reason: str) -> Tombstone:
        """Destroys a subject's key: nothing sealed with it can be read again, wherever it lies.

        by: pseudonymous id of who asked for it. reason: a code. Doing it twice changes nothing.
        """
        if subject in ("", DIRECTORY_SUBJECT):
            raise GrantRefused(
                "this key seals for more than one person.", cure="Name a source patient."
            )
        stone = Tombstone(subject, self._clock.now_us(), by, reason)
        if not self._store.destroy(stone):
            kept = self._store.get((subject,)).get(subject)
            stone = kept if isinstance(kept, Tombstone) else stone
        self.forget(subject)
        return stone

    def is_destroyed(self, subject: str) -> bool:
        """Whether a key of this subject was destroyed: asked of the store, each time."""
        return isinstance(self._store.get((subject,)).get(subject), Tombstone)

    # Inside

    def _require(self, grant: Grant, subjects: Sequence[str]) -> None:
        for subject in subjects:
            if subject == DIRECTORY_SUBJECT:
                self._coverage.verify(grant)
            elif not self._coverage.covers(grant, subject):
                raise GrantRefused(
                    "the grant does not cover this record.", cure="Ask for one that does."
                )

    def _at_hand(self, subject: str) -> tuple[SealingKey, OpeningKey] | None:
        self._look()
        return self._ready.get(subject) or self._again(subject)

    def _again(self, subject: str) -> tuple[SealingKey, OpeningKey] | None:
        """A key that was used earlier counts as used lately."""
        if subject not in self._earlier:
            return None
        with self._lock:
            ready = self._earlier.get(subject)
            if ready is not None:
                self._put({subject: ready})
            return ready

    def _missing(self, subjects: Iterable[str]) -> list[str]:
        self._look()
        ready = self._ready
        return [s for s in dict.fromkeys(subjects) if s not in ready and self._again(s) is None]

    def _look(self) -> None:
        """Asks now and then whether any process destroyed a key."""
        now_us = self._clock.now_us()
        looked = self._looked_at_us
        if looked is not None and 0 <= now_us - looked < self._forget_within_us:
            return
        epoch = self._store.epoch()
        self._looked_at_us = now_us
        if epoch != self._epoch:
            first_look, self._epoch = self._epoch < 0, epoch
            self.clear()
            if not first_look:
                for forget in self._when_forgetting:
                    forget()

    def _fetch(
        self, subjects: Sequence[str], *, make: bool
    ) -> dict[str, tuple[SealingKey, OpeningKey]]:
        """Keys past the cache (which they enter). Raises ``SubjectShredded``, ``KeyDamaged``."""
        emptied = self._emptied
        kept = self._store.get(subjects)
        new = [s for s in subjects if s not in kept]
        if new and make:
            kept.update(self._make(new))
        elif new:
            raise KeyDamaged(
                "a record has no key.", cure="The table of keys is older than the data: restore it."
            )
        opened = self._open([k for k in kept.values() if isinstance(k, WrappedKey)])
        if gone := tuple(s for s in subjects if s not in opened):
            raise SubjectShredded(gone)  # before, or in this very moment
        self._remember(opened, emptied)
        return opened

    def _admit(self, kept: dict[str, WrappedKey | Tombstone], emptied: int) -> frozenset[str]:
        opened = self._open([k for k in kept.values() if isinstance(k, WrappedKey)])
        self._remember(opened, emptied)
        return frozenset(s for s, k in kept.items() if isinstance(k, Tombstone))

    def _remember(self, opened: dict[str, tuple[SealingKey, OpeningKey]], emptied: int) -> None:
        with self._lock:
            if emptied != self._emptied:
                return
            self._put(opened)

    def _put(self, opened: dict[str, tuple[SealingKey, OpeningKey]]) -> None:
        """Under the lock. At most ``cached_max`` keys are held."""
        half = max(1, self._cached_max // 2)
        for subject, keys in opened.items():
            if len(self._ready) >= half:
                self._ready, self._earlier = {}, self._ready
            self._ready[subject] = keys

    def _make(self, subjects: Sequence[str]) -> dict[str, WrappedKey | Tombstone]:
        now_us = self._clock.now_us()
        plain = [tagged(os.urandom(KEY_BYTES), s) for s in subjects]
        for attempt in range(_ATTEMPTS):
            generation, wrapped = self._kek.wrap(plain)
            pairs = zip(subjects, wrapped, strict=True)
            try:
                return self._store.put_absent(
                    [WrappedKey(s, generation, w, now_us) for s, w in pairs]
                )
            except StaleGeneration:
                if attempt == _ATTEMPTS - 1:
                    raise
                self._kek.reload()
        raise AssertionError("not reached")

    def _open(self, keys: Sequence[WrappedKey]) -> dict[str, tuple[SealingKey, OpeningKey]]:
        keys, plain = self._current(keys)
        ready = {}
        for key, material in zip(keys, plain, strict=True):
            cipher = AESGCM(material)
            ready[key.subject] = SealingKey(cipher.encrypt), OpeningKey(cipher.decrypt)
        return ready

    def _current(self, keys: Sequence[WrappedKey]) -> tuple[Sequence[WrappedKey], list[bytes]]:
        """Unwraps; reads again what was rewrapped and retired between our read and now."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return keys, unwrapped(self._kek, keys)
            except GenerationUnknown:
                again = self._store.get([k.subject for k in keys])
                keys = [k for k in again.values() if isinstance(k, WrappedKey)]
        return keys, unwrapped(self._kek, keys)

    def _left(self, generation: int) -> int:
        return sum(n for g, n in self._store.count_by_generation().items() if g < generation)
