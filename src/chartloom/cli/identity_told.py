"""The review queue in a terminal and for machines: what is printed of pairs, words and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chartloom.cli.identity_ids import short
from chartloom.cli.output import OUT, when

if TYPE_CHECKING:
    from chartloom.domain.identity import IdentityReview, IdentityWord, Pair
    from chartloom.serve.identity.fields import Row, Value
    from chartloom.serve.identity.overlays import Held
    from chartloom.serve.identity.pairs import PairView
    from chartloom.serve.identity.questions import Question
    from chartloom.wiring.desk import Desk


def told(review: IdentityReview) -> dict[str, Any]:
    """A review without what people said: that is for who looks at the pair."""
    return {
        "pair": review.pair,
        "weight": review.weight,
        "reason": review.reason,
        "sinceUs": review.since_us,
        "state": review.state,
        "two": review.two,
    }


def asked(question: Question) -> dict[str, Any]:
    """A question with the other pairs that it is about."""
    others = [told(review) for review in question.others]
    return {**told(question.lead), "two": question.two, "others": others}


def as_json(view: PairView) -> dict[str, Any]:
    """A pair as its reviewer sees it."""
    return {
        "pair": view.pair,
        "review": told(view.review) if view.review else None,
        "decision": view.decision,
        "rows": [_row_json(row) for row in view.rows],
        "words": view.words,
        "hidden": view.hidden,
        "stopped": [
            {"position": m.position, "rows": [_row_json(row) for row in m.rows]}
            for m in (view.held.messages if view.held else ())
        ],
        "stoppedMore": view.held.more if view.held else 0,
        "memberships": view.memberships,
        "onePerson": view.one_person,
    }


def _row_json(row: Row) -> dict[str, Any]:
    sides = {"left": row.left, "right": row.right}
    said = {k: [{"text": v.text, "note": v.note} for v in vs] for k, vs in sides.items()}
    return {"row": row.key, "state": row.state, **said}


def cell(values: tuple[Value, ...]) -> str:
    """What one record says, a line each."""

    return "\n".join(" ".join(t for t in (v.text, v.note) if t) for v in values) or "-"


def print_held(held: Held, people: int) -> None:
    """What was stopped, oldest first."""
    for m in held.messages:
        OUT.print(f"Stopped {m.position}, {when(m.received_at_us)}", highlight=False)
        for row in m.rows:
            OUT.print(f"  {row.title}: {cell(row.right)}", highlight=False)
        if not m.values:
            OUT.print("  What it says cannot be told here.")
    if held.more:
        OUT.print(f"{held.more} later ones are not listed, and stay stopped.", highlight=False)
    deciding = "One person decides" if people < 2 else "Two people decide, each by themselves"
    OUT.print(
        f"The same person: `say ... same --up-to {held.looked[-1]}`. {deciding}; what is applied "
        "cannot be taken back.",
        highlight=False,
    )


def print_others(desk: Desk, pair: Pair) -> None:
    """Which other pairs of the same two persons are asked about with it."""
    from chartloom.serve import needs
    from chartloom.serve.identity.questions import question_about

    question = desk.ask(needs.identity_queue(), question_about, desk.opened.store, pair, set)
    for r in (question.lead, *question.others) if question is not None else ():
        if r.pair != pair:
            text = f"Asked with it: {short(r.pair)}, {r.reason}, {r.weight:.1f} bits"
            OUT.print(text, highlight=False)


def print_words(words: tuple[IdentityWord, ...]) -> None:
    """What was said, oldest first."""
    for w in words:
        text = f"{when(w.event_us)}  {w.by or 'a source'}: {w.kind.value} {w.reason}"
        OUT.print(text.rstrip(), highlight=False, markup=False)
