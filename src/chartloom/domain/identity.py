"""Nouns of identity: what is decided about two records, who said so, what is to be reviewed.

Nothing here holds a value of anybody: levels, weights, pseudonymous ids and codes only.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from chartloom.domain.feed import INTERNAL_SOURCE, Feed
from chartloom.domain.message import Format
from chartloom.domain.resource import LinkKind

#: Subject of the review queue: a grant that names it opens the queue, not the records in it.
IDENTITY_SUBJECT = "site:identity"

#: Name of the internal feed in which decisions of people land, like any other message.
STEWARD_FEED = "steward"

#: That feed. Every site has it; no file configures it, and no door takes messages for it.
STEWARD = Feed(
    name=STEWARD_FEED,
    department="Identity",
    owner="Stewards",
    source=INTERNAL_SOURCE,
    format=Format.FHIR,
    mapping="steward",
)

#: Two source patient ids, the smaller first.
Pair = tuple[str, str]


class IdentityDecision(msgspec.Struct, frozen=True):
    """What the rules and weights say about a pair of source patients, with its evidence.

    outcome: ``link``, ``review``, ``new``. weight: bits. rule: ``record-number``,
    ``national-number``, ``score``. guard: what held it back, or "". fields: field -> (level, bits).
    parameters: their fingerprint. position: of the message after which it was decided.
    """

    pair: Pair
    outcome: str
    weight: float
    rule: str
    guard: str
    fields: dict[str, tuple[str, float]]
    parameters: str
    position: int = 0


class IdentityWord(msgspec.Struct, frozen=True):
    """What a source (A40, A24, A37, Patient.link) or a person (steward feed) said about a pair.

    by: actor id of the person, "" for a source. reason: a code. position: of the message. two: when
    it was said it took two people, and still does. looked: about a record itself, positions of the
    stopped messages that were looked at, as far as whoever reads this may know of them. beside:
    marks of other pairs of the same two persons that it settles.
    """

    pair: Pair
    kind: LinkKind
    event_us: int
    position: int
    rule: str
    by: str = ""
    reason: str = ""
    ordinal: int = 0  #: among those of one message
    surviving: str = ""  #: the one of the pair that a merge leaves; "" where nobody knows
    up_to: int = 0  #: in words from before ``looked``: the newest of them; 0: not told
    two: bool = False
    looked: tuple[int, ...] = ()
    beside: tuple[str, ...] = ()


class ReviewState(StrEnum):
    """Where a review stands."""

    OPEN = "open"
    HALF = "half"  #: one person spoke, a second has to
    DISPUTED = "disputed"  #: two spoke and do not agree
    CLOSED = "closed"


class IdentityReview(msgspec.Struct, frozen=True):
    """A pair that somebody should look at.

    reason: name of a guard, ``score``, ``said-apart``, ``contradicted`` (a source or another person
    said something else about what was decided) or ``overlay`` (of a record: twice the same id; a
    message would turn it into somebody else's). since_us: when it came into
    the queue (time of the message that caused it). two: two people must say the same. words: what
    people said about it, oldest first. Of a record, all of it is as whoever asks may know: of the
    stopped messages that their grant shows, and what was said of these.
    """

    pair: Pair
    weight: float
    reason: str
    since_us: int
    state: ReviewState = ReviewState.OPEN
    two: bool = False
    words: tuple[IdentityWord, ...] = ()


class Membership(msgspec.Struct, frozen=True):
    """That a source patient came to a person (cluster): the history of who is who.

    person_before: "" at first. cause: ``first``, ``record-number``, ``national-number``, ``score``,
    ``merge``, ``link``, ``unlink``, ``withdraw``, ``overlay``, ``parameters``, or ``update``: what
    is said of it changed.
    position: of the message that caused it.
    """

    source_patient: str
    person_before: str
    person_id: str
    at_us: int
    position: int
    cause: str


class IdentityMatch(msgspec.Struct, frozen=True):
    """A candidate for somebody described in a query (``$match``, PDQ): not stored anywhere."""

    person_id: str
    source_patient: str
    outcome: str
    weight: float
    fields: dict[str, tuple[str, float]]


class Rekeying(msgspec.Struct, frozen=True):
    """How far the records are that were stored by other rules than those of now.

    records: how many had to be looked at; keyed: have the keys of now; due: keys whose carriers had
    to be compared, sought: and were; swept: decisions that were looked at in the end. ended_us: 0
    while it lasts.
    """

    started_us: int
    ended_us: int
    records: int
    keyed: int
    due: int
    sought: int
    swept: int

    @property
    def stage(self) -> str:
        """``keys``, ``seek``, ``sweep``; "" when all is done."""
        if self.ended_us:
            return ""
        if self.keyed < self.records:
            return "keys"
        return "seek" if self.sought < self.due else "sweep"

    @property
    def words(self) -> str:
        """Where it stands, for people."""
        if not self.stage:
            return "all records have the keys of this release"
        if self.stage == "keys":
            return f"{self.keyed:,} of {self.records:,} records have the keys of this release"
        if self.stage == "seek":
            return (
                "all records have the keys of this release; whoever carries a new one is being"
                f" compared ({self.sought:,} of {self.due:,} keys)"
            )
        return "decisions that rest on keys of before are being taken back"


class QueueFigures(msgspec.Struct, frozen=True):
    """The review queue as a whole. oldest_us: 0 when it is empty.

    by_reason: reason -> open reviews. agreed, disagreed: pairs about which two people spoke.
    records: how many source patients there are in all, 0 where that is not known.
    """

    open_count: int
    half_count: int
    disputed_count: int
    closed_count: int
    oldest_us: int
    by_reason: dict[str, int]
    agreed: int
    disagreed: int
    records: int = 0
