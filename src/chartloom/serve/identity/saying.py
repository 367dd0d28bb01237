"""A person's word about a pair: decided on, on record, landed; then on to the next pair."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from chartloom.domain.grant import Grant
from chartloom.domain.identity import IdentityWord, Pair, ReviewState
from chartloom.domain.ports import Clock
from chartloom.domain.resource import LinkKind
from chartloom.guard.audit import Context, events
from chartloom.guard.authority import AccessDenied, Authority
from chartloom.guard.facts import actor_of
from chartloom.normalize.steward import arrival, word
from chartloom.serve import needs
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of
from chartloom.serve.denials import denied, must_be_whole
from chartloom.serve.identity import queue
from chartloom.serve.identity.addresses import open_pairs, pair_path
from chartloom.serve.identity.door import WORDS, IdentityDoor, reason_for
from chartloom.serve.identity.pairs import in_question, pair_of
from chartloom.serve.identity.queue import Choice
from chartloom.serve.identity.statistics import SAYS_SAME, standing

#: How often it is looked whether a word counts by now.
_LOOK_S: Final = 0.02
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
    try:
        if kind is None:
            raise AccessDenied
        speak(
            permit.grant, console.authority, about, door, console.clock, pair, kind, actor,
            first(form, "reason", 40), up_to=_position(first(form, "up_to", 20)),
        )  # fmt: skip
    except AccessDenied:
        raise denied(console, request, need) from None
    if kind is LinkKind.WITHDRAW:
        return RedirectResponse(pair_path(pair, choice, word="withdraw"), 303)
    may = open_pairs(console, request)
    following = queue.following(permit.grant, door.identities, choice, pair, actor, may)
    last = {"last": "~".join(pair), "word": _NAMES[kind]}
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
    up_to: int = 0,
) -> bool:
    """Lands the word of ``actor`` once it is on record; False if that is what they say already.

    up_to: for the word that an update of a record is about the same person, position of the newest
    stopped message that was shown. Raises ``AccessDenied`` for a pair about which there is no
    question, unless ``strangers`` and something is said; for such a word that does not tell what
    was shown; and if such a word is to be taken back, for what it let in is in the chart.
    """
    identities = door.identities
    review, decision = identities.review(grant, pair), identities.decision(grant, pair)
    said = [w for w in identities.words_of(grant, sorted(set(pair))) if w.pair == pair]
    mine = standing(said).get(actor)
    asked = in_question(review, decision, said, actor)
    if not asked and not (strangers and (kind is not LinkKind.WITHDRAW or mine is not None)):
        raise AccessDenied
    if kind is LinkKind.WITHDRAW and mine is None:
        return False
    if pair[0] == pair[1] and not _may_release(kind, mine, up_to):
        raise AccessDenied
    # Asked again, for a message was stopped or a source contradicted: it counts when said again.
    again = review is not None and review.state is ReviewState.OPEN
    if not again and mine is not None and SAYS_SAME.get(mine.kind) is SAYS_SAME.get(kind):
        return False
    guard = review.reason if review else decision.guard if decision else ""
    code = reason_for(kind, reason, guard=guard, one_record=pair[0] == pair[1])
    name = _NAMES[LinkKind.LINK if kind is LinkKind.MERGE else kind]
    authority.record(events.identity_said(about, sorted(set(pair)), name, reason=code))
    now_us = clock.now_us()
    first, other = pair if surviving in ("", pair[0]) else (pair[1], pair[0])
    up_to = up_to if pair[0] == pair[1] and kind is LinkKind.LINK else 0
    body = word(
        kind, first, other, by=actor, reason=code, said_us=now_us, up_to=up_to
    )  # fmt: skip
    (receipt,) = door.log.land([arrival(body, first, now_us)])
    _settle(grant, door, pair, receipt.position)
    return True


def _may_release(kind: LinkKind, mine: IdentityWord | None, up_to: int) -> bool:
    """Whether this can be said of a record itself: nothing is let in that was not shown, and what
    was let in cannot be taken back."""
    if kind is LinkKind.LINK:
        return up_to > 0
    return kind is not LinkKind.WITHDRAW or mine is None or mine.kind is not LinkKind.LINK


def _position(text: str) -> int:
    """A position as a form carries it; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _settle(grant: Grant, door: IdentityDoor, pair: Pair, position: int) -> None:
    """Waits until the word counts, so that the pages that follow know of it; it is landed, so that
    nothing is lost when that takes longer."""
    until_s = monotonic() + door.settle_s
    while monotonic() < until_s:
        if any(w.position >= position for w in door.identities.words_of(grant, sorted(set(pair)))):
            return
        sleep(_LOOK_S)
