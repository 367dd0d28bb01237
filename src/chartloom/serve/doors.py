"""What the console's doors are made of: who decides, keeps sessions and records, signs in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chartloom.domain.ports import (
    AuditLog,
    DataUses,
    GlassRecords,
    Sessions,
    Shreddings,
    UsedTokens,
)
from chartloom.guard.audit import Head
from chartloom.guard.authority import Authority
from chartloom.guard.facts import Minter
from chartloom.guard.staff import Staff
from chartloom.guard.tokens import AccessVerifier, RelyingParty, TokenEndpoint
from chartloom.serve.directory import DirectoryDoor
from chartloom.serve.identity import IdentityDoor
from chartloom.serve.labels.door import LabelDoor
from chartloom.serve.limits import Door, Rate
from chartloom.serve.lists.tables import ListTables
from chartloom.serve.sessions import Limits


class GlassRules(msgspec.Struct, frozen=True):
    """For how long a broken glass is open, and for how many days its reason may serve again."""

    open_s: int = 8 * 3600
    repeat_days: int = 7


class Services(msgspec.Struct, frozen=True):
    """How services get in: the token endpoint, what verifies its tokens, and its public keys."""

    endpoint: TokenEndpoint
    verifier: AccessVerifier
    key_set: dict[str, Any]


class KeyStatus(msgspec.Struct, frozen=True):
    """What may be said of keys: never the keys. generations: (number, subject keys wrapped)."""

    scheme: str
    generations: tuple[tuple[int, int], ...] = ()
    newest: int = 0
    newest_made_us: int = 0
    destroyed_count: int = 0
    kept_in: str = ""


class LogCheck(msgspec.Struct, frozen=True):
    """Whether the audit log was found whole, and when that was last looked at.

    at_us, trouble: what was logged since the newest head, by whoever signs the next; ``""`` if it
    follows. whole_us, whole_size, findings: when all events under signed heads were last verified
    (0: not yet), how many, and what was found: (issue code, where). due_us, size: until there was
    something to verify, when the first look comes and how many events are on record.
    """

    at_us: int = 0
    trouble: str = ""
    whole_us: int = 0
    whole_size: int = 0
    findings: tuple[tuple[str, str], ...] = ()
    due_us: int = 0
    size: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.trouble and not self.findings


@dataclass(frozen=True)
class Doors:
    """Everything that stands between a request and the store.

    staff: today's list of staff. sign_in: builds the relying party when it is first needed (the
    provider may start later than the console); ``None``: there is no identity provider, and the
    local operator signs in with one-time links. rates: how often somebody may knock, where it is
    not :data:`~chartloom.serve.limits.STANDARD`. is_destroyed: whether the keys of a
    source patient were. https: whether people reach the console by HTTPS.
    """

    authority: Authority
    minter: Minter
    sessions: Sessions
    used: UsedTokens
    glass: GlassRecords
    uses: DataUses
    shreddings: Shreddings
    audit: AuditLog
    staff: Callable[[], Staff]
    sign_in: Callable[[], RelyingParty] | None = None
    builtin_provider: bool = False
    services: Services | None = None
    https: bool = False
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    glass_rules: GlassRules = GlassRules()  # noqa: RUF009 - frozen
    rates: dict[Door, Rate] = field(default_factory=dict)
    newest_head: Callable[[], Head | None] = lambda: None
    log_check: Callable[[], LogCheck] = LogCheck
    key_status: Callable[[], KeyStatus | None] | None = None
    is_destroyed: Callable[[str], bool] = lambda _: False
    lists: ListTables = field(default_factory=ListTables)
    identity: IdentityDoor | None = None
    directory: DirectoryDoor | None = None
    labels: LabelDoor | None = None
