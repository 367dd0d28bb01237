"""What documents say of a therapy as it stands now, and when it last showed that it is taken."""

from __future__ import annotations

import msgspec

from chartloom.chart.reconcile.belief import Habit
from chartloom.chart.reconcile.enumerated import Enumerated
from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.reconcile.pieces import Piece
from chartloom.chart.reconcile.rules_medications import MedicationRules


class Around(msgspec.Struct, frozen=True):
    """What the rest of the chart says; times are 0 where there is none.

    filled_us: the newest fill of anything. discharge_us: when drugs for home were last ordered at a
    discharge. truncated: not all of the chart is seen. habit: how the person fills. lists:
    those that enumerate what is taken.
    """

    now_us: int
    filled_us: int = 0
    died_us: int = 0
    discharge_us: int = 0
    truncated: bool = False
    habit: Habit = Habit()
    lists: tuple[Enumerated, ...] = ()


def sign_of(pieces: list[Piece], rules: MedicationRules, around: Around) -> int:
    """When something last showed that it is taken: a fill, a dose, a list, a renewal; 0 if never.

    An order by itself is a wish. One that was written long after another is a renewal. What a
    document lists may be copied from one that was copied: whether anybody was asked is not known.
    """
    taken = [p.at_us for p in pieces if p.says in ("filled", "given", "listed") and not p.document]
    orders = sorted(
        p.at_us
        for p in pieces
        if p.kind == "MedicationRequest" and p.at_us and p.says not in ("copy", "order-proposed")
    )
    if orders and orders[-1] - orders[0] > rules.renewal_days * DAY_US:
        taken.append(orders[-1])
    return max((t for t in taken if t <= around.now_us + DAY_US), default=0)


class Word(msgspec.Struct, frozen=True):
    """What a clinical document says of the therapy at a time: fills and doses are none."""

    says: str
    at_us: int
    piece: Piece


def is_word(piece: Piece) -> bool:
    return piece.kind in ("MedicationRequest", "MedicationStatement") and piece.says not in (
        "copy",
        "order-proposed",
    )


def word_of(piece: Piece, pieces: list[Piece], rules: MedicationRules, around: Around) -> Word:
    """An order as it stands now: its course or its stay may have ended meanwhile."""
    says, at_us = piece.says, piece.ends_us or piece.at_us
    if says in ("order-active", "order-unknown", "listed"):
        live = "listed" if says == "listed" else "live"
        if 0 < piece.ends_us <= around.now_us:
            return Word("order-ended", piece.ends_us, piece)
        if live == "live" and (end_us := _left_ward(piece, pieces, rules, around)):
            return Word("stay-ended", end_us, piece)
        return Word(live, piece.at_us, piece)
    return Word(says, at_us, piece)


def _left_ward(piece: Piece, pieces: list[Piece], rules: MedicationRules, around: Around) -> int:
    """When an order of a ward lost its meaning, because the stay is over; 0 if it did not."""
    if piece.setting == "home" or any(p.says == "filled" and p.request == piece.id for p in pieces):
        return 0
    doses = [p.at_us for p in pieces if p.says == "given" and p.request == piece.id]
    if piece.setting != "ward" and not piece.in_stay and not doses:
        return 0
    if piece.stay_end_us:
        return piece.stay_end_us if piece.setting == "ward" or doses else 0
    last_us = max(doses, default=0)
    over = last_us and around.now_us - last_us > rules.given_hours * 3_600_000_000
    return last_us if over and not piece.in_stay else 0


def current(live: list[Word]) -> list[Word]:
    """Of each source the newest order: a new prescription replaces the one before."""
    newest: dict[str, Word] = {}
    for word in live:
        held = newest.get(word.piece.source)
        if held is None or (word.at_us, word.piece.id) > (held.at_us, held.piece.id):
            newest[word.piece.source] = word
    return sorted(newest.values(), key=newest_first)


def newest_first(word: Word) -> tuple[int, str]:
    return (-word.at_us, word.piece.id)
