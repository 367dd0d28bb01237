"""What is concluded of one therapy: the rules in the order in which they are asked."""

from __future__ import annotations

from typing import Final

import msgspec

from chartloom.chart.reconcile.belief import Waiting, doubt
from chartloom.chart.reconcile.enumerated import left_out
from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.reconcile.pieces import NOTE, Piece
from chartloom.chart.reconcile.rules_medications import MedicationRules
from chartloom.chart.reconcile.spoken import (
    Around,
    Word,
    current,
    is_word,
    newest_first,
    sign_of,
    word_of,
)
from chartloom.chart.reconcile.supply import Supply

#: What says that a therapy is not to be taken any more, whoever says it about which order.
_STOPS = frozenset(
    ("order-stopped", "order-cancelled", "listed-stopped", "listed-not-taken", "not-to-do")
)
REASON_OF: Final = {
    "order-stopped": "explicit-stop",
    "listed-stopped": "explicit-stop",
    "not-to-do": "explicit-stop",
    "listed-not-taken": "not-taken",
    "order-cancelled": "order-cancelled",
    "order-completed": "course-completed",
    "listed-completed": "course-completed",
    "order-ended": "course-ended",
    "stay-ended": "stay-ended",
    "order-on-hold": "order-on-hold",
    "listed-on-hold": "order-on-hold",
}
_NEVER: Final = 1 << 62
#: A fill on the day of a stop is one that was on its way.
_AFTER_US = 3 * DAY_US


class Verdict(msgspec.Struct):
    """reason: code of the rules' table; because: what changes the confidence; misfits: code of a
    discrepancy -> pieces. live: orders that hold. supply: what fills say."""

    reason: str
    because: set[str]
    misfits: dict[str, list[Piece]]
    live: list[Piece]
    supply: Supply | None = None


def judge(
    key: str,
    pieces: list[Piece],
    classes: tuple[str, ...],
    supply: Supply | None,
    rules: MedicationRules,
    around: Around,
) -> Verdict:
    """The verdict on all pieces of a therapy; their order does not matter. supply: of its fills."""
    words = [word_of(p, pieces, rules, around) for p in pieces if is_word(p)]
    filled = [p for p in pieces if p.says == "filled"]
    case = _Case(
        rules=rules,
        around=around,
        classes=classes,
        live=current([w for w in words if w.says == "live"]),
        listed=_listed(words),
        ended=[w for w in words if w.says in REASON_OF],
        filled=filled,
        given=[p for p in pieces if p.says == "given"],
        supply=supply,
        sign_us=sign_of(pieces, rules, around),
        noted=[p for p in pieces if p.says in ("noted", "noted-stopped")],
        noted_only=all(p.kind == NOTE for p in pieces),
        key=key,
    )
    verdict = case.decide()
    verdict.because |= _doubts(pieces, verdict)
    if stops := _noted_stops(pieces, verdict):
        verdict.misfits["stopped-in-document"] = stops
        verdict.because.add("document-says-stopped")
    if _left_out(pieces, around):
        verdict.because.add("not-on-discharge-list")
    if left_out(key, max(case.sign_us, _begun(verdict)), around.lists):
        verdict.because.add("not-on-later-list")
    if around.truncated:
        verdict.because.add("chart-truncated")
    return verdict


def _listed(words: list[Word]) -> list[Word]:
    """Where it is listed. What a document copies does not answer a word that it ended."""
    over = any(w.says in REASON_OF and not w.piece.document for w in words)
    found = [w for w in words if w.says in ("listed", "listed-unknown")]
    return [w for w in found if not (over and w.piece.document)]


def _noted_stops(pieces: list[Piece], verdict: Verdict) -> list[Piece]:
    """Documents that say it was stopped, while an order from before still holds. A text alone ends
    nothing: words are read by their looks, and somebody should."""
    begun_us = max((p.at_us for p in verdict.live), default=0)
    later = [p for p in pieces if p.says == "noted-stopped" and p.at_us >= begun_us]
    return [*later, *verdict.live] if later and verdict.live else []


def _begun(verdict: Verdict) -> int:
    """Since when an order that holds could have been on a list; without one, never."""
    return max((p.at_us for p in verdict.live), default=_NEVER)


def _left_out(pieces: list[Piece], around: Around) -> bool:
    """Whether a discharge named other drugs for home and not this one, and nothing came since."""
    newest_us = max(max(p.at_us, p.ends_us if p.ends_us <= around.now_us else 0) for p in pieces)
    named = any(p.discharge for p in pieces)
    return 0 < newest_us < around.discharge_us and not named


def _not_before(stop: Word, order: Word) -> bool:
    """Whether a stop may be said of what an order began; one of unknown time always may be."""
    piece = stop.piece
    if not stop.at_us or (not piece.ends_us and stop.says != "not-to-do"):
        return True
    same_day = stop.at_us == order.at_us == piece.at_us
    return stop.at_us > order.at_us or same_day


def _stopped_elsewhere(stop: Word, listed: Word) -> bool:
    return _is_stop(stop) and stop.piece.source != listed.piece.source


def _is_stop(word: Word) -> bool:
    """A list that says when a drug was completed says that it is not taken since; without that
    day, it may be any course of long ago."""
    over = word.says == "listed-completed" and "end" in word.piece.fact.detail
    return over or word.says in _STOPS


class _Case(msgspec.Struct):
    rules: MedicationRules
    around: Around
    classes: tuple[str, ...]
    live: list[Word]
    listed: list[Word]
    ended: list[Word]
    filled: list[Piece]
    given: list[Piece]
    supply: Supply | None
    sign_us: int
    noted: list[Piece]
    noted_only: bool
    key: str

    def decide(self) -> Verdict:
        """The first rule that has something to say."""
        if self.around.died_us:
            return self._verdict("person-died")
        if self._on_ward():
            return self._verdict("given-on-ward")
        if self.live:
            return self._of_orders()
        if self.ended or self.listed:
            return self._of_last_word()
        if self.filled:
            return self._verdict("fill-without-order")
        if self.given:
            return self._verdict("given-in-past")
        return self._verdict(self._of_notes() if self.noted_only else "proposed-only")

    def _verdict(self, reason: str, *because: str) -> Verdict:
        found = Verdict(reason, set(because), {}, [w.piece for w in self.live], self.supply)
        if self.live and (stops := [w.at_us for w in self.ended if _is_stop(w)]):
            newest = max(stops)
            if newest > self.live[0].at_us:
                found.because.add("sources-disagree")
        return found

    def _on_ward(self) -> bool:
        """Given lately, under an order of the ward that nobody ended."""
        last_us = max((p.at_us for p in self.given), default=0)
        recent = self.around.now_us - last_us <= self.rules.given_hours * 3_600_000_000
        stopped_us = max((w.at_us for w in self.ended), default=0)
        return bool(last_us) and recent and last_us >= stopped_us

    def _of_notes(self) -> str:
        last = max(self.noted, key=lambda p: (p.at_us, p.says == "noted-stopped", p.id))
        return "noted-stopped-only" if last.says == "noted-stopped" else "noted-only"

    def _of_orders(self) -> Verdict:
        newest = self.live[0]
        hold = self._later(("order-on-hold", "listed-on-hold"), newest.at_us)
        if hold is not None:
            return self._held(hold)
        if (stop := self._stop_since(newest)) is not None:
            return self._contradicted(stop)
        if self.supply is not None and self._concerns(newest):
            return self._by_supply(newest)
        return self._without_fills(newest)

    def _later(self, says: frozenset[str] | tuple[str, ...], than_us: int) -> Word | None:
        found = [w for w in self.ended if w.says in says and w.at_us > than_us]
        return min(found, key=newest_first) if found else None

    def _stop_since(self, newest: Word) -> Word | None:
        """The newest stop that the orders that hold do not answer, however early it came."""
        found = [
            w for w in self.ended if _is_stop(w) and _not_before(w, newest) and not self._renewed(w)
        ]
        return min(found, key=newest_first) if found else None

    def _renewed(self, stop: Word) -> bool:
        """Whether a stop only closed an older order that the same source wrote anew."""
        days_us = self.rules.renewal_days * DAY_US
        return stop.says in ("order-stopped", "order-cancelled") and any(
            w.piece.source == stop.piece.source
            and w.at_us > stop.piece.at_us
            and stop.at_us <= w.at_us + days_us
            for w in self.live
        )

    def _contradicted(self, stop: Word) -> Verdict:
        """One source says stopped, the order of another still holds."""
        if after := self._filled_after(stop.at_us):
            verdict = self._verdict("filled-after-stop", "sources-disagree")
            verdict.misfits["stopped-elsewhere-but-filled"] = [stop.piece, *after]
            return verdict
        reason = "not-taken" if stop.says == "listed-not-taken" else "stopped-in-one-source"
        verdict = self._verdict(reason, "sources-disagree")
        verdict.misfits["stopped-elsewhere"] = [stop.piece, *verdict.live]
        return verdict

    def _filled_after(self, at_us: int) -> list[Piece]:
        return [f for f in self.filled if f.at_us > at_us + _AFTER_US]

    def _concerns(self, newest: Word) -> bool:
        """Whether fills belong to what is ordered now, and not to a therapy long before."""
        return self.supply is not None and (
            self.supply.believed_us >= newest.at_us
            or self.supply.last_us >= newest.at_us - self.rules.renewal_days * DAY_US
        )

    def _by_supply(self, newest: Word) -> Verdict:
        supply, now_us = self.supply, self.around.now_us
        assert supply is not None
        because = {"days-supply-unknown"} if supply.guessed else set[str]()
        if supply.irregular:
            because.add("irregular-fills")
        if now_us <= supply.covered_us:
            because.add("filled-recently")
        overdue_us = now_us - supply.covered_us
        if now_us <= supply.believed_us:
            confirmed = self._confirmed(overdue_us)
            reason = "order-active-and-filled" if confirmed else "filled-some-time-ago"
            return self._verdict(reason, *because)
        if self._new(newest) and supply.last_us < newest.at_us:
            return self._verdict("order-recent", *because)
        if self._listed_since(supply.covered_us) and self._confirmed():
            return self._verdict("listed-recently", *because, "sources-disagree")
        verdict = self._verdict("supply-ran-out", *because)
        verdict.misfits["likely-stale"] = [w.piece for w in self.live]
        return verdict

    def _confirmed(self, overdue_us: int = 0, sign_us: int = 0) -> bool:
        """Whether something shows lately enough that it is taken. sign_us: what alone counts."""
        return self.sign_us > 0 and self._likely(sign_us or self.sign_us, overdue_us)

    def _likely(self, sign_us: int, overdue_us: int = 0, limit: float = -1.0) -> bool:
        """Whether few enough have given it up since a sign. limit: another than ``doubt``."""
        since_us = self.around.now_us - sign_us
        belief = self.rules.belief
        omitted = left_out(self.key, sign_us, self.around.lists)
        waiting = self._waiting(overdue_us)
        found = doubt(since_us, waiting, self.around.habit, belief, omitted)
        return found <= (belief.doubt if limit < 0 else limit)

    def _waiting(self, overdue_us: int) -> Waiting:
        """For the next fill: as late as this person comes, or, where it is taken when needed,
        since the last one, as long as it lasted before."""
        supply, habit, belief = self.supply, self.around.habit, self.rules.belief
        if supply is not None and any(w.piece.as_needed for w in self.live):
            mean_us = int(belief.as_needed_days * DAY_US)
            since_us = self.around.now_us - supply.last_us
            return Waiting(since_us, mean_us, supply.gaps, supply.late_us)
        return Waiting(overdue_us, int(belief.late_days * DAY_US), habit.gaps, habit.late_us)

    def _new(self, order: Word) -> bool:
        """Whether an order is so new that its first fill need not have been seen."""
        age_us = self.around.now_us - order.at_us
        days = min(self.rules.new_order_days, self._order_days(order.piece))
        return order.at_us > 0 and age_us <= days * DAY_US

    def _listed_since(self, at_us: int) -> Word | None:
        found = [w for w in self.listed if w.says == "listed" and w.at_us > at_us]
        return min(found, key=newest_first) if found else None

    def _without_fills(self, newest: Word) -> Verdict:
        if self._new(newest):
            return self._verdict("order-recent")
        age_us = self.around.now_us - newest.at_us
        if self._fills_expected(newest.piece):
            if self._listed_since(newest.at_us) and self._confirmed():
                return self._verdict("listed-recently", "sources-disagree")
            if newest.at_us and age_us <= self.rules.fill_expected_days * DAY_US:
                return self._verdict("not-filled-yet")
            verdict = self._verdict("never-filled")
            verdict.misfits["prescribed-never-filled"] = [newest.piece]
            return verdict
        believed_us = max((w.at_us for w in (*self.live, *self.listed)), default=0)
        if self.around.now_us - believed_us <= self._order_days(newest.piece) * DAY_US:
            return self._verdict(self._unseen(newest), "fills-not-seen")
        verdict = self._verdict("order-old", "fills-not-seen")
        verdict.misfits["likely-stale"] = [w.piece for w in self.live]
        return verdict

    def _unseen(self, newest: Word) -> str:
        """The reason where an order holds and its fills cannot be seen."""
        # No fill, which may be sent by itself: somebody said so, or decided that it goes on.
        if self.sign_us and self._likely(self.sign_us, limit=self.rules.belief.doubt_named):
            return "order-active"
        if self._bought() and self._likely(newest.at_us):
            return "order-of-bought"
        return "order-not-confirmed" if self.sign_us else "order-unconfirmed"

    def _fills_expected(self, order: Piece) -> bool:
        """Whether a fill would be seen if there were one."""
        if order.as_needed or self._bought():
            return False
        return self.around.filled_us >= order.at_us > 0

    def _bought(self) -> bool:
        """Whether it is bought without a prescription: an order of it then notes what is taken."""
        return not set(self.rules.without_fills).isdisjoint(self.classes)

    def _order_days(self, order: Piece) -> float:
        """How long an order without fills is believed: what it prescribes, else the rules."""
        if order.supply_days:
            prescribed = order.supply_days * (1 + order.refills)
            return min(prescribed + self.rules.grace.days, self.rules.order_days)
        own = self.rules.order_days_of_class
        return min((own[c] for c in self.classes if c in own), default=self.rules.order_days)

    def _of_last_word(self) -> Verdict:
        last = min((*self.ended, *self.listed), key=newest_first)
        if last.says in ("listed", "listed-unknown"):
            return self._of_list(last)
        if last.says in ("order-on-hold", "listed-on-hold"):
            return self._held(last)
        reason = REASON_OF[last.says]
        if after := self._filled_after(last.at_us):
            verdict = self._verdict("filled-after-stop")
            verdict.misfits["stopped-elsewhere-but-filled"] = [last.piece, *after]
            return verdict
        return self._verdict(reason)

    def _of_list(self, last: Word) -> Verdict:
        age_us = self.around.now_us - last.at_us
        recent = age_us <= self.rules.statement_days * DAY_US
        if last.says == "listed" and last.at_us and recent:
            overdue_us = self.around.now_us - self.supply.covered_us if self.supply else 0
            confirmed = self._confirmed(overdue_us, last.at_us)
            verdict = self._verdict("listed-recently" if confirmed else "listed-some-time-ago")
            if stops := [w.piece for w in self.ended if _stopped_elsewhere(w, last)]:
                verdict.because.add("sources-disagree")
                verdict.misfits["stopped-elsewhere"] = [*stops, last.piece]
            return verdict
        verdict = self._verdict("listed-long-ago")
        verdict.misfits["likely-stale"] = [last.piece]
        return verdict

    def _held(self, hold: Word) -> Verdict:
        verdict = self._verdict("order-on-hold")
        if self.around.now_us - hold.at_us > self.rules.hold_days * DAY_US:
            verdict.misfits["likely-stale"] = [hold.piece]
        return verdict


def _doubts(pieces: list[Piece], verdict: Verdict) -> set[str]:
    """What makes the drug itself unsure, and which times are not known."""
    found: set[str] = set()
    pieces = [p for p in pieces if p.kind != NOTE] or pieces
    known = {p.drug.known.value for p in pieces}
    if known & {"words", "nothing"}:
        found.add("drug-unresolved")
    elif known & {"name", "part"}:
        found.add("drug-by-name")
    if any(p.drug.doubts for p in pieces):
        found.add("codes-disagree")
    if all(not p.drug.route and not p.drug.form for p in pieces):
        found.add("form-unknown")
    if any(p.as_needed for p in verdict.live):
        found.add("as-needed")
    if any(p.at_us <= 0 for p in verdict.live or pieces):
        found.add("time-unknown")
    return found
