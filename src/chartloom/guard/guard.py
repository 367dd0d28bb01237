"""The guard: mints and verifies grants, seals and opens bodies, makes blind fingerprints."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from uuid import UUID, uuid4

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chartloom.domain.errors import GrantRefused, StoreDamaged
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.keys import DIRECTORY_SUBJECT
from chartloom.domain.ports import Clock
from chartloom.domain.withholding import Withholding
from chartloom.guard.clock import SystemClock
from chartloom.guard.keyfiles import SiteKeys, load_or_create
from chartloom.guard.keyring import KeyRing
from chartloom.guard.keys.broker import Fetched, KeyBroker

#: First byte of a sealed body: which scheme opens it. 1: keys derived from the encryption key, as
#: sites had them first. 2: a random key per subject, which can be destroyed (``keys/``).
_DERIVED = b"\x01"
_SUBJECT = b"\x02"
_NONCE_BYTES = 12
#: How many bytes sealing adds: scheme, nonce, tag.
SEAL_OVERHEAD_BYTES = len(_SUBJECT) + _NONCE_BYTES + 16

#: Bodies of this kind are about the hospital, not about a patient: any valid grant opens them.
DIRECTORY_KIND = "directory"

_GRANTS_REMEMBERED = 256
_NONCES_DRAWN = 512  #: at once; a system call for each would cost as much as the sealing
_pack = msgspec.msgpack.Encoder().encode


#: Random numbers drawn and not yet used; a forked process begins with none.
_NONCES: list[bytes] = []
_INNER_PAD = bytes(x ^ 0x36 for x in range(256))
_OUTER_PAD = bytes(x ^ 0x5C for x in range(256))
os.register_at_fork(after_in_child=_NONCES.clear)


def _draw_nonces() -> bytes:
    """Draws a block of nonces and returns one of them; the others go where ``pop``, which is
    atomic, gives each to one caller only."""
    drawn = os.urandom(_NONCES_DRAWN * _NONCE_BYTES)
    nonces = [drawn[at : at + _NONCE_BYTES] for at in range(0, len(drawn), _NONCE_BYTES)]
    _NONCES.extend(nonces[1:])
    return nonces[0]


class SealBroken(StoreDamaged):
    """A sealed body does not open: damaged, moved to another row, or sealed with other keys."""


class Guard:
    """One site's guard. Implements the ``Sealer`` and ``GrantVerifier`` ports; thread-safe."""

    def __init__(self, keys: SiteKeys, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._grant_key = keys.grant
        self._blind_key = keys.blind
        self._claim_key = self.database_secret("claims")
        self._ring = KeyRing(keys.encryption)
        self._broker: KeyBroker | None = None
        #: HMAC-SHA256 as far as each field's key goes, the inner and the outer hash (RFC 2104): to
        #: go on from there costs half of what beginning anew does, and a record has thirty.
        self._field_keys: dict[str, tuple[hashlib._Hash, hashlib._Hash]] = {}
        self._known: OrderedDict[int, tuple[Grant, frozenset[str]]] = OrderedDict()
        self._lock = Lock()
        #: The site's random UUID, base of all deterministic ids; kept with the keys.
        self.namespace: UUID = keys.namespace
        #: Tells these keys from any others without giving them away (kept in the store).
        self.fingerprint: bytes = hmac.digest(keys.encryption, b"chartloom key check 1", "sha256")

    @classmethod
    def open(cls, key_dir: Path, clock: Clock | None = None) -> Guard:
        """The guard with the keys in ``key_dir``, which are made when there are none yet.

        Raises ``ConfigurationError`` when keys are missing, damaged, or readable by other users.
        """
        return cls(load_or_create(key_dir), clock)

    # Grants

    def mint(
        self,
        actor: str,
        purpose: Purpose,
        persons: Sequence[str] = EVERYONE,
        labels: Sequence[str] = ("*",),
        ttl_s: float = 900,
        policy_version: str = "",
        withheld: Sequence[Withholding] = (),
    ) -> Grant:
        """A signed grant for ``ttl_s`` seconds. Raises ``GrantRefused`` without an actor."""
        if not actor.strip():
            raise GrantRefused("a grant needs an actor.", cure="Say who is asking.")
        grant = Grant(
            actor=actor,
            purpose=Purpose(purpose),
            persons=tuple(persons),
            labels=tuple(labels),
            expires_at_us=self._clock.now_us() + int(ttl_s * 1e6),
            grant_id=uuid4().hex,
            policy_version=policy_version,
            withheld=tuple(withheld),
        )
        return msgspec.structs.replace(grant, mac=self._mac(grant))

    def verify(self, grant: Grant) -> None:
        """Raises ``GrantRefused`` if ``grant`` is missing, forged, without actor, or expired."""
        self._persons(grant)

    def covers(self, grant: Grant, subject: str) -> bool:
        """Whether a verified ``grant`` covers a source patient ("": needs a grant for everyone)."""
        persons = self._persons(grant)
        return "*" in persons or (bool(subject) and subject in persons)

    def _persons(self, grant: Grant) -> frozenset[str]:
        known = self._known.get(id(grant))
        if known is None or known[0] is not grant:
            known = (grant, self._check(grant))
            with self._lock:  # the entry holds the grant, so its id cannot be given to another
                self._known[id(grant)] = known
                if len(self._known) > _GRANTS_REMEMBERED:
                    self._known.popitem(last=False)
        if self._clock.now_us() >= grant.expires_at_us:
            raise GrantRefused("the grant has expired.", cure="Ask for a new one.")
        return known[1]

    def _check(self, grant: Grant) -> frozenset[str]:
        if not isinstance(grant, Grant):
            raise GrantRefused("there is no grant.", cure="Ask the guard for one.")
        if not grant.actor.strip():
            raise GrantRefused("the grant names no actor.", cure="Ask for a new one.")
        if not hmac.compare_digest(grant.mac, self._mac(grant)):
            raise GrantRefused(
                "the grant was not signed by this site.", cure="Ask this site's guard for one."
            )
        return frozenset(grant.persons)

    def _mac(self, grant: Grant) -> bytes:
        fields = (
            "chartloom grant 2",
            grant.actor,
            grant.purpose,
            grant.persons,
            grant.labels,
            grant.expires_at_us,
            grant.grant_id,
            grant.policy_version,
            grant.withheld,
        )
        return hmac.digest(self._grant_key, _pack(fields), "sha256")

    # The store, which checks grants once more

    def database_secret(self, name: str) -> bytes:
        """32 bytes for ``name`` (the key of claims, the password of a role); never stored here."""
        info = b"chartloom database secret 1\x00" + name.encode()
        return hmac.digest(self._grant_key, info, "sha256")

    def claim_mac(self, text: str) -> bytes:
        """HMAC-SHA256 by which the store believes a claim; see ``engines/postgres/access.py``."""
        return hmac.digest(self._claim_key, text.encode(), "sha256")

    def remaining_us(self, grant: Grant) -> int:
        """How long a verified ``grant`` is still good for."""
        self.verify(grant)
        return grant.expires_at_us - self._clock.now_us()

    # Sealing

    def use(self, broker: KeyBroker | None) -> None:
        """From now on bodies are sealed with subject keys; what was sealed before still opens."""
        self._broker = broker

    @property
    def broker(self) -> KeyBroker | None:
        """Where subject keys come from, if they are used."""
        return self._broker

    @property
    def epoch(self) -> int:
        """How many keys were destroyed, as far as is known here; -1 if there is no broker."""
        return self._broker.epoch if self._broker is not None else -1

    def look(self, *, now: bool = False) -> None:
        """Notices keys that were destroyed elsewhere; cheap, for it does not look all the time
        unless it has to (``now``)."""
        if self._broker is not None:
            self._broker.look(now=now)

    @property
    def mark(self) -> int:
        """Of the broker of subject keys, see there; 0 without one."""
        return self._broker.mark if self._broker is not None else 0

    def prepare(
        self, subjects: Iterable[str], *, unseen: bool = False, fetched: Fetched | None = None
    ) -> frozenset[str]:
        """Makes the keys of all subjects ready in one go; the subjects whose key was destroyed.

        unseen: those whose keys are not at hand most likely never had one. fetched: keys that were
        read already.
        """
        if self._broker is None:
            return frozenset()
        return self._broker.ensure(subjects, unseen=unseen, fetched=fetched)

    def seal(self, subject: str, kind: str, id: str, version: str, plain: bytes) -> bytes:
        """Seals ``plain`` with the subject's key, bound to kind, id and version.

        Raises ``SubjectShredded`` if that key was destroyed.
        """
        try:
            nonce = _NONCES.pop()
        except IndexError:
            nonce = _draw_nonces()
        aad = _pack((kind, subject, id, version))
        if self._broker is None:
            return _DERIVED + nonce + self._ring.cipher(subject).encrypt(nonce, plain, aad)
        whose = DIRECTORY_SUBJECT if kind == DIRECTORY_KIND else subject
        return _SUBJECT + nonce + self._broker.sealing_key(whose).encrypt(nonce, plain, aad)

    @staticmethod
    def seal_for_nobody(plain: bytes) -> bytes:
        """As large as the sealed body would be, but with a key that is gone at once: what came for
        a subject whose key was destroyed. That something came, and how much, is all that stays."""
        nonce = _draw_nonces()
        return _SUBJECT + nonce + AESGCM(os.urandom(32)).encrypt(nonce, plain, b"")

    def unseal(
        self, grant: Grant, subject: str, kind: str, id: str, version: str, sealed: bytes
    ) -> bytes:
        """The plain bytes.

        Raises ``GrantRefused`` if the grant does not cover ``subject``, ``SubjectShredded`` if its
        key was destroyed, ``SealBroken`` if the body is damaged or belongs elsewhere.
        """
        if len(sealed) < SEAL_OVERHEAD_BYTES:
            raise self._unknown(kind, id)
        scheme, nonce = bytes(sealed[:1]), bytes(sealed[1 : 1 + _NONCE_BYTES])
        aad = _pack((kind, subject, id, version))
        whose = DIRECTORY_SUBJECT if kind == DIRECTORY_KIND else subject
        try:
            rest = bytes(sealed[1 + _NONCE_BYTES :])
            if scheme == _SUBJECT and self._broker is not None:  # which looks at the grant
                return self._broker.opening_key(grant, whose).decrypt(nonce, rest, aad)
            if whose == DIRECTORY_SUBJECT:
                self.verify(grant)
            elif not self.covers(grant, whose):
                raise GrantRefused(
                    "the grant does not cover this record.", cure="Ask for one that does."
                )
            if scheme == _DERIVED:
                return self._ring.cipher(subject).decrypt(nonce, rest, aad)
        except InvalidTag as error:
            raise SealBroken(
                "a sealed body does not open.",
                where=f"{kind} {id}",
                cure="It is damaged or was sealed with other keys: restore it, or rebuild.",
            ) from error
        raise self._unknown(kind, id)

    @staticmethod
    def _unknown(kind: str, id: str) -> SealBroken:
        return SealBroken("a body was not sealed in a known way.", where=f"{kind} {id}")

    def blind(self, field: str, value: str) -> bytes:
        """16-byte keyed fingerprint for equality look-ups on ``field``; each field has its key."""
        halves = self._field_keys.get(field)
        if halves is None:
            info = b"chartloom blind key 1\x00" + field.encode()
            key = hmac.digest(self._blind_key, info, "sha256").ljust(64, b"\0")
            halves = self._field_keys[field] = (
                hashlib.sha256(key.translate(_INNER_PAD)),
                hashlib.sha256(key.translate(_OUTER_PAD)),
            )
        inner, outer = halves[0].copy(), halves[1].copy()
        inner.update(value.encode("utf-8", "surrogatepass"))
        outer.update(inner.digest())
        return outer.digest()[:16]
