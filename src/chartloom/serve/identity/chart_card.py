"""In a chart: why its records are one person, and whether another record may be of this person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from starlette.requests import Request

from chartloom.chart import ChartSummary
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.identity import Pair, ReviewState
from chartloom.domain.ports import Identities
from chartloom.domain.resource import LinkKind
from chartloom.domain.store import SearchHit
from chartloom.guard.audit import events
from chartloom.guard.facts import actor_of
from chartloom.guard.policy import Action
from chartloom.serve.console import Console, asking_of, visitor_of
from chartloom.serve.identity.evidence_words import RULES
from chartloom.serve.identity.history import Joined, read_history

_POSSIBLE_MAX = 5
_CHART = ((Action.VIEW_CHART, Purpose.TREATMENT),)


class Because(msgspec.Struct, frozen=True):
    """Why two records are one person, in words."""

    pair: Pair
    first: str
    second: str
    why: str


class IdentityCard(msgspec.Struct, frozen=True):
    """because: one fewer than records, if all are accounted for. possible: records of charts that
    are open to the visitor and may be of this person; may_review: the evidence is open, too."""

    records: int
    because: tuple[Because, ...]
    possible: tuple[str, ...]
    may_review: bool


class Page(Protocol):
    """A page of a chart, as far as its identity goes."""

    @property
    def hit(self) -> SearchHit:
        """The person."""
        ...

    @property
    def chart(self) -> ChartSummary:
        """The chart."""
        ...


P = TypeVar("P", bound=Page)


def with_card(
    grant: Grant,
    console: Console,
    request: Request,
    read: Callable[[Grant, Console, str], P],
    any_id: str,
    wanted: bool,
) -> tuple[P, IdentityCard | None]:
    """A page of a chart and, if it is wanted, what it says about identity."""
    page = read(grant, console, any_id)
    if not wanted:
        return page, None
    members = page.hit.source_patients
    return page, identity_card(grant, console, request, members, page.chart.patients)


def identity_card(
    grant: Grant,
    console: Console,
    request: Request,
    source_patients: Sequence[str],
    patients: Sequence[dict[str, Any]],
) -> IdentityCard | None:
    """What a chart says about identity; None if there is nothing to say.

    patients: demographics of each record, for what it is called.
    """
    door = console.doors.identity
    if door is None:
        return None
    actor = actor_of(visitor_of(request).principal)
    possible = _possible(console, request, door.identities, source_patients)
    if len(source_patients) < 2 and not possible:
        return None
    history = read_history(grant, door.identities, source_patients, actor)
    called = {p["id"]: _called(p) for p in patients}
    because = tuple(_because(joined, called) for joined in history.joined)
    may = console.may(request, Action.REVIEW_IDENTITY)
    return IdentityCard(len(source_patients), because, possible, may)


def _because(joined: Joined, called: dict[str, str]) -> Because:
    first, second = (called.get(id) or f"record {id[:8]}" for id in joined.pair)
    return Because(joined.pair, first, second, _why(joined))


def _why(joined: Joined) -> str:
    if joined.word is not None:
        if joined.word.by:
            return "a data steward said so"
        merged = joined.word.kind is LinkKind.MERGE
        return "their source merged them" if merged else "their source linked them"
    if joined.decision is None:
        return ""
    return RULES.get(joined.decision.rule, joined.decision.rule)


def _called(patient: dict[str, Any]) -> str:
    """A record's number with who gave it."""
    for identifier in patient.get("identifiers") or ():
        if identifier.get("value") and identifier.get("type") in ("MR", "PI"):
            issuer = identifier.get("authority") or str(identifier.get("system") or "")
            return f"{issuer.rpartition(':')[2]} {identifier['value']}".strip()
    return ""


def _possible(
    console: Console, request: Request, identities: Identities, source_patients: Sequence[str]
) -> tuple[str, ...]:
    """Records under review with one of these whose chart is open to the visitor. Of others nothing
    is hinted at. That they were named is on record."""
    mine, all_of_it = set(source_patients), console.authority.gatherer.grant()
    asked = [
        decision.pair
        for decision in identities.decisions_of(all_of_it, sorted(mine))
        if decision.outcome == "review" and not mine.issuperset(decision.pair)
    ]
    known = identities.reviews_at(all_of_it, asked)
    waiting = [r.pair for r in known if r.state is not ReviewState.CLOSED]
    others = sorted({id for pair in waiting for id in pair} - mine)
    principal, asking = visitor_of(request).principal, asking_of(request)
    open_ = console.authority.open_pairs(principal, _CHART, [(o, o) for o in others])
    named = tuple(o for o in others if (o, o) in open_)[:_POSSIBLE_MAX]
    if named:
        about = console.authority.context(principal, Purpose.TREATMENT, asking)
        read = events.patient_read(about, "", ["chart/possible-same"], count=len(named))
        console.authority.record(events.with_patients(read, named))
    return named
