"""A pair of records as a reviewer sees it: what both say, what was decided, what was said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.identity import (
    IdentityDecision,
    IdentityReview,
    IdentityWord,
    Membership,
    Pair,
    ReviewState,
)
from chartloom.domain.message import Message, MessageState
from chartloom.domain.ports import Identities
from chartloom.domain.resource import FhirJson, LinkKind, ResourceState
from chartloom.domain.store import MessageFilter, MessageRow
from chartloom.registry.persons import Parameters, is_about
from chartloom.serve.identity import fields
from chartloom.serve.identity.overlays import Contributions, Held, Stated, stopped, turned
from chartloom.serve.identity.statistics import standing

#: What a source is called whose data is labelled: its name would tell what the label protects.
PROTECTED: Final = "a protected source"


class Records(Contributions, Protocol):
    """The store, as far as pairs need it."""

    def states(self, grant: Grant, resource_ids: Sequence[str]) -> dict[str, ResourceState]:
        """Current states."""
        ...

    def history(self, grant: Grant, resource_id: str) -> list[MessageRow]:
        """Messages that contributed, newest first."""
        ...


class Side(msgspec.Struct, frozen=True):
    """One record. sources: position of a message -> its feed; newest: of what the record says."""

    source_patient: str
    sources: dict[int, str]
    newest: int
    newest_us: int
    count: int

    def source(self, position: int) -> str:
        """Which feed said what a message said."""
        return self.sources.get(position, "")


class PairView(msgspec.Struct, frozen=True):
    """Everything a reviewer sees. words: only those that this reviewer may see now; hidden: how
    many people's words are held back; mine: the reviewer's own word that counts; held: messages
    of a record that were stopped for what they say of it."""

    pair: Pair
    review: IdentityReview | None
    decision: IdentityDecision | None
    rows: tuple[fields.Row, ...]
    sides: tuple[Side, Side]
    words: tuple[IdentityWord, ...]
    hidden: int
    mine: IdentityWord | None
    memberships: tuple[Membership, ...]
    one_person: bool
    held: Held | None = None

    @property
    def of_one_record(self) -> bool:
        """It is about a record that an update turned into somebody else."""
        return self.pair[0] == self.pair[1]

    @property
    def verdicts(self) -> tuple[IdentityWord, ...]:
        """What counts of what people said, one word each, as far as this reviewer may see it."""
        return tuple(standing(self.words).values())

    @property
    def looked(self) -> str:
        """Positions of the stopped messages that are shown, as a form carries them."""
        return ",".join(map(str, self.held.looked)) if self.held is not None else ""

    @property
    def released(self) -> bool:
        """What the reviewer said let messages into the record; that cannot be undone."""
        let_in = self.of_one_record and self.held is None
        return let_in and self.mine is not None and self.mine.kind is LinkKind.LINK

    @property
    def reason(self) -> str:
        """Why it is (or was) to be reviewed, "" if it never was."""
        if self.review is not None:
            return self.review.reason
        return self.decision.guard if self.decision is not None else ""


class OwnWords(msgspec.Struct, frozen=True):
    """What somebody said of a pair about which there is no question otherwise, oldest first. mine:
    the word that counts, None if it was taken back. Nothing of what the records say is in it."""

    pair: Pair
    words: tuple[IdentityWord, ...]
    mine: IdentityWord | None
    one_person: bool


def pair_of(a: str, b: str) -> Pair:
    """The pair in its one order."""
    return (a, b) if a <= b else (b, a)


def _nothing(message: Message) -> tuple[FhirJson, ...]:
    """Where nobody derives messages, what a stopped one says is not shown."""
    del message
    return ()


def read_pair(
    grant: Grant,
    store: Records,
    identities: Identities,
    pair: Pair,
    actor: str,
    parameters: Parameters,
    stated: Stated = _nothing,
    *,
    strangers: bool = False,
) -> PairView:
    """The pair for a reviewer.

    stated: derives what a message says. Raises ``NotFound`` unless there is a question about the
    two (``in_question``): being a steward is no reason to compare any two people. strangers:
    whoever asks may.
    """
    review, decision = identities.review(grant, pair), identities.decision(grant, pair)
    said = tuple(w for w in identities.words_of(grant, sorted(set(pair))) if w.pair == pair)
    if not strangers and not in_question(review, decision, said, actor):
        raise NotFound("There is no such pair.", cure="Choose one in the queue.")
    waiting = identities.stopped(grant, pair[0]) if pair[0] == pair[1] else {}
    words = review.words if review is not None and (review.words or waiting) else said
    words = tuple(sorted(words, key=lambda w: (w.event_us, w.position, w.ordinal)))
    states = store.states(grant, sorted(set(pair)))
    if set(pair) - states.keys():
        raise NotFound("One of the records is not there.", cure="Choose another in the queue.")
    shown, hidden = open_words(words, actor, review, waiting)
    rows, sides, held = _compared(grant, store, pair, states, parameters, stated)
    memberships = tuple(identities.memberships(grant, sorted(set(pair))))
    return PairView(
        pair,
        review,
        decision,
        tuple(rows),
        sides,
        shown,
        hidden,
        standing(words).get(actor),
        memberships,
        _is_one_person(pair, memberships),
        held,
    )


def read_own(grant: Grant, identities: Identities, pair: Pair, actor: str) -> OwnWords | None:
    """What ``actor`` said of a pair; None if nothing."""
    said = identities.words_of(grant, sorted(set(pair)))
    mine = [w for w in said if w.pair == pair and w.by == actor]
    if not mine:
        return None
    mine.sort(key=lambda w: (w.event_us, w.position, w.ordinal))
    memberships = identities.memberships(grant, sorted(set(pair)))
    return OwnWords(pair, tuple(mine), standing(mine).get(actor), _is_one_person(pair, memberships))


def _is_one_person(pair: Pair, memberships: Iterable[Membership]) -> bool:
    now = {m.source_patient: m.person_id for m in memberships}
    return len(set(now.values())) == 1 and len(now) == len(set(pair))


def in_question(
    review: IdentityReview | None,
    decision: IdentityDecision | None,
    words: Sequence[IdentityWord],
    actor: str,
) -> bool:
    """Whether two records were ever joined, to be reviewed, or spoken about by anybody else than
    ``actor``, who asks: nobody opens a pair for themselves by saying something about it."""
    decided = decision is not None and decision.outcome != "new"
    return _raised(review, words, actor) or decided or any(w.by != actor for w in words)


def _raised(review: IdentityReview | None, words: Sequence[IdentityWord], actor: str) -> bool:
    """Whether there is a review that did not come by what ``actor`` said."""
    mine = [w.event_us for w in words if w.by == actor]
    if review is None or not mine or review.pair[0] == review.pair[1]:
        return review is not None
    return review.since_us < min(mine)


def open_words(
    words: Sequence[IdentityWord],
    actor: str,
    review: IdentityReview | None,
    waiting: Iterable[int] = (),
) -> tuple[tuple[IdentityWord, ...], int]:
    """The words that somebody may see, and of how many people they may not.

    While a review is not closed, what other people said is for those who spoke themselves: nobody
    shall agree with a colleague in place of looking. waiting: of a record, the messages that are
    stopped; whoever spoke about some of them did not speak about the others.
    """
    mine = [w for w in words if w.by == actor and w.kind is not LinkKind.WITHDRAW]
    over = review is None or review.state is ReviewState.CLOSED
    positions = list(waiting)

    def is_open(word: IdentityWord) -> bool:
        if over or word.by in ("", actor):
            return True
        spoke = actor in standing(words)
        return spoke and all(
            any(is_about(m, p) for m in mine) for p in positions if is_about(word, p)
        )

    shown = tuple(w for w in words if is_open(w))
    return shown, len({w.by for w in words} - {w.by for w in shown})


def _compared(
    grant: Grant,
    store: Records,
    pair: Pair,
    states: dict[str, ResourceState],
    parameters: Parameters,
    stated: Stated,
) -> tuple[list[fields.Row], tuple[Side, Side], Held | None]:
    a, b = (states[p] for p in pair)
    histories = {p: store.history(grant, p) for p in dict.fromkeys(pair)}
    if pair[0] != pair[1]:
        sides = _side(a, histories[pair[0]]), _side(b, histories[pair[1]])
        return fields.compare(a, b), sides, None
    held = stopped(grant, store, a, stated)
    before, after = (
        turned(grant, store, pair[0], histories[pair[0]], parameters)
        if held is None
        else (held.now, held.then)
    )
    positions = [
        max((v.stamp.position for vs in values.values() for v in vs if v.stamp), default=0)
        for values in (before, after)
    ]
    waiting = MessageFilter(source_patients=(pair[0],), state=MessageState.QUARANTINED)
    whole = _side(a, [*histories[pair[0]], *store.search(grant, waiting)])
    times = {
        v.stamp.position: v.stamp.event_us
        for values in (before, after)
        for vs in values.values()
        for v in vs
        if v.stamp
    }
    first, second = (
        msgspec.structs.replace(whole, newest=p, newest_us=times.get(p, 0)) for p in positions
    )
    return fields.compare_values(before, after), (first, second), held


def _side(state: ResourceState, history: Sequence[MessageRow]) -> Side:
    newest = max(state.stamps.values(), key=lambda s: (s.event_us, s.position), default=None)
    names = {row.position: PROTECTED if state.labels else row.feed for row in history}
    return Side(
        state.source_patient,
        names,
        newest.position if newest else 0,
        newest.event_us if newest else 0,
        len(history),
    )
