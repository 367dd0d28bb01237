"""A person's word about a pair: decided on, on record, landed; then on to the next pair."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chartloom.domain.grant import Grant
from chartloom.domain.identity import IdentityWord, Pair, ReviewState
from chartloom.domain.ports import Clock
from chartloom.domain.resource import LinkKind
from chartloom.domain.store import MessageFilter
from chartloom.guard.audit import Context, events
from chartloom.guard.authority import AccessDenied, Authority
from chartloom.guard.facts import actor_of
from chartloom.normalize.steward import arrival, word
from chartloom.registry.persons import is_about, two_needed
from chartloom.serve import needs
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of
from chartloom.serve.denials import denied, must_be_whole
from chartloom.serve.identity import queue
from chartloom.serve.identity.addresses import open_pairs, pair_in, pair_path
from chartloom.serve.identity.door import WAITS, WORDS, IdentityDoor, reason_for
from chartloom.serve.identity.overlays import SHOWN_MAX
from chartloom.serve.identity.pairs import in_question, pair_of
from chartloom.serve.identity.questions import (
    AskedElsewhere,
    OpenPairs,
    marks_beside,
    question_about,
    said_elsewhere,
)
from chartloom.serve.identity.queue import Choice
from chartloom.serve.identity.statistics import SAYS_SAME, standing
from chartloom.serve.landed import settle
from chartloom.serve.outdated import outdated

#: Of a form, about a hundred pairs.
_PAIRS_CHARS_MAX: Final = 8_000
_NAMES: Final = {kind: name for name, kind in WORDS.items()}


def say(console: Console, door: IdentityDoor, request: Request, choice: Choice) -> Response:
    """Takes the form of a pair and leads to the next one; after an undo back to the pair."""
    pair = pair_of(request.path_params["first"], request.path_params["second"])
    form, visitor, asking = form_of(request), visitor_of(request), asking_of(request)
    kind = WORDS.get(first(form, "word", 20))
    need = needs.identity_word(pair)
    must_be_whole(console)
    permit = console.authority.permit(visitor.principal, need, asking)
    actor = actor_of(visitor.principal)
    about = console.authority.context(visitor.principal, permit.purpose, asking, permit.grant)
    may, looked = open_pairs(console, request), _positions(first(form, "looked", 1_000))
    try:
        if kind is None:
            raise AccessDenied
        speak(
            permit.grant, console.authority, about, door, console.clock, pair, kind, actor,
            first(form, "reason", 40), strangers=kind is LinkKind.WITHDRAW, looked=looked,
            may=may, shown=_pairs(first(form, "beside", _PAIRS_CHARS_MAX)),
        )  # fmt: skip
    except AccessDenied:
        if kind is not None and _is_settled(permit.grant, console, pair, looked):
            return outdated(console, request, permit)
        raise denied(console, request, need) from None
    except AskedElsewhere as error:
        return RedirectResponse(pair_path(error.pair, choice), 303)
    if kind is LinkKind.WITHDRAW:
        return RedirectResponse(pair_path(pair, choice, word="withdraw"), 303)
    following = queue.following(permit.grant, door.identities, choice, pair, actor, may)
    last = {"last": "~".join(pair), "word": _NAMES[kind]}
    if pair[0] == pair[1] and door.identities.stopped(permit.grant, pair[0]):
        last["word"] = WAITS  # nothing was let in yet, or not all
    if following is None:
        query = "&".join(f"{k}={v}" for k, v in last.items())
        return RedirectResponse(f"/identity?{query}", 303)
    return RedirectResponse(pair_path(following, choice, **last), 303)


def speak(
    grant: Grant,
    authority: Authority,
    about: Context,
    door: IdentityDoor,
    clock: Clock,
    pair: Pair,
    kind: LinkKind,
    actor: str,
    reason: str = "",
    *,
    strangers: bool = False,
    surviving: str = "",
    looked: Sequence[int] = (),
    may: OpenPairs = set,
    shown: Collection[Pair] | None = None,
) -> bool:
    """Lands the word of ``actor`` once it is on record; False if that is what they say already.

    looked: for a word about messages that were stopped because they make somebody else of a record,
    positions of those that were shown. may: keeps the pairs that may be named; shown: of the other
    pairs of the same two persons, those that were counted to who speaks (all, by default). The
    word settles them besides. Raises ``AskedElsewhere``, and ``AccessDenied`` for a pair
    about which there is no question, unless ``strangers`` and something is said; for such a word
    that does not tell what was shown; and if such a word is to be taken back that let them in,
    for that is in the chart.
    """
    identities = door.identities
    review, decision = identities.review(grant, pair), identities.decision(grant, pair)
    said = [w for w in identities.words_of(grant, sorted(set(pair))) if w.pair == pair]
    one = pair[0] == pair[1]
    waiting = identities.stopped(grant, pair[0]) if one else {}
    seen = sorted(waiting.keys() & set(looked))
    mine = standing(_about_waiting(said, waiting)).get(actor)
    asked = in_question(review, decision, said, actor)
    if not asked and not (strangers and (kind is not LinkKind.WITHDRAW or mine is not None)):
        raise AccessDenied
    if kind is LinkKind.WITHDRAW and mine is None:
        return False
    if one and not _may_say(kind, mine, seen, waiting):
        raise AccessDenied
    first, other = pair if surviving in ("", pair[0]) else (pair[1], pair[0])
    # Asked again, for a source contradicted: it counts when said again.
    again = review is not None and review.state is ReviewState.OPEN and not one
    if mine is not None and not again and _says(mine, kind, first, seen):
        return False
    question = None if one else question_about(grant, identities, pair, may)
    elsewhere = said_elsewhere(question, pair)
    if elsewhere is not None and kind is not LinkKind.WITHDRAW and mine is None:
        raise AskedElsewhere(elsewhere)
    guard = review.reason if review else decision.guard if decision else ""
    code = reason_for(kind, reason, guard=guard, one_record=one)
    name = _NAMES[LinkKind.LINK if kind is LinkKind.MERGE else kind]
    authority.record(events.identity_said(about, sorted(set(pair)), name, reason=code))
    now_us = clock.now_us()
    two = review.two if review else two_needed(guard)
    two = door.overlay_people > 1 if one else two or (question is not None and question.two)
    beside: tuple[str, ...] = ()
    if kind is not LinkKind.WITHDRAW and not one:
        beside = marks_beside(grant, identities, pair, may, shown)
    body = word(
        kind, first, other, by=actor, reason=code, said_us=now_us,
        two=two and kind is not LinkKind.WITHDRAW,
        looked=seen if kind is not LinkKind.WITHDRAW else (), beside=beside,
    )  # fmt: skip
    (receipt,) = door.log.land([arrival(body, first, now_us)])
    _settle(grant, door, pair, receipt.position)
    return True


def _is_settled(grant: Grant, console: Console, pair: Pair, looked: Sequence[int]) -> bool:
    """Whether stopped messages of a record that a page showed were let in since: all are there to
    be seen by whoever speaks, and none is in quarantine."""
    if pair[0] != pair[1] or not looked:
        return False
    of = MessageFilter(source_patients=(pair[0],), limit=1)
    for position in looked[:SHOWN_MAX]:
        where = msgspec.structs.replace(of, before=position + 1)
        found = console.store.search(grant, where)
        if not found or found[0].position != position or found[0].quarantine:
            return False
    return True


def _about_waiting(
    said: Sequence[IdentityWord], waiting: Mapping[int, int]
) -> Sequence[IdentityWord]:
    """Of words about a record, those about what waits; all if nothing does, or of two records."""
    if not waiting:
        return said
    return [w for w in said if any(is_about(w, position) for position in waiting)]


def _may_say(
    kind: LinkKind, mine: IdentityWord | None, seen: Sequence[int], waiting: Mapping[int, int]
) -> bool:
    """Whether this can be said of a record itself: nothing is decided about that was not shown, and
    what was let in cannot be taken back. mine: what one says of what waits, if anything does."""
    if kind is LinkKind.LINK:
        return bool(seen)
    if kind is LinkKind.UNLINK:
        return bool(seen) or not waiting
    return mine is None or mine.kind is LinkKind.UNLINK or bool(waiting)


def _says(mine: IdentityWord, kind: LinkKind, surviving: str, seen: Sequence[int]) -> bool:
    """Whether a word says this already. Who is merged into whom is another thing to say."""
    if SAYS_SAME.get(mine.kind) is not SAYS_SAME.get(kind):
        return False
    if kind is LinkKind.MERGE and (mine.kind, mine.surviving) != (kind, surviving):
        return False
    return all(is_about(mine, position) for position in seen)


def _positions(text: str) -> list[int]:
    """Positions as a form carries them; none for anything else."""
    fits = text.isascii() and all(p.isdigit() and len(p) <= 18 for p in text.split(","))
    return [int(p) for p in text.split(",")] if text and fits else []


def _pairs(text: str) -> frozenset[Pair]:
    """Pairs as a form carries them; what is none is left out."""
    found = (pair_in(one) for one in text.split(","))
    return frozenset(pair for pair in found if pair is not None)


def _settle(grant: Grant, door: IdentityDoor, pair: Pair, position: int) -> None:
    """Waits until the word counts."""

    def counts() -> bool:
        words = door.identities.words_of(grant, sorted(set(pair)))
        return any(w.position >= position for w in words)

    settle(counts, door.settle_s)
