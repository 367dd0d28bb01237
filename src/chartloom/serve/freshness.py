"""How fresh data is, against what its feed's contract promises. Pure functions."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from chartloom.domain.feed import Feed
from chartloom.domain.store import FeedStatus
from chartloom.serve.words import duration

#: Share of the contract's time after which data counts as late, though the promise still holds.
_LATE_SHARE = 0.75


class Freshness(StrEnum):
    """Labels for data age. Beyond the contract it is stale; near its end, late."""

    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"
    UNKNOWN = "unknown"


class FreshnessLabel(msgspec.Struct, frozen=True):
    """A label with the sentence behind it, so that nobody has to guess from a colour."""

    feed: str
    state: Freshness
    sentence: str
    data_us: int  #: newest data time, 0 if none

    @property
    def short(self) -> str:
        """One or two words for a badge."""
        return self.state.value.capitalize()


def judge(feed: Feed, status: FeedStatus | None, now_us: int) -> FreshnessLabel:
    """The label of one feed now."""
    if feed.internal:
        data_us = status.last_event_us if status else 0
        return FreshnessLabel(feed.name, Freshness.FRESH, "Nothing is promised.", data_us)
    allowed_us = feed.freshness_max_s * 1_000_000
    promise = f"the contract allows {duration(allowed_us)}"
    data_us = status.last_event_us if status else 0
    if data_us <= 0:
        return FreshnessLabel(feed.name, Freshness.UNKNOWN, f"No data yet; {promise}.", 0)
    age_us = now_us - data_us
    if age_us < -1_000_000:
        sentence = (
            f"Newest data time is {duration(age_us)} ahead of this clock; "
            "check the sender's clock and time zone."
        )
        return FreshnessLabel(feed.name, Freshness.UNKNOWN, sentence, data_us)
    age_us = max(age_us, 0)
    if age_us > allowed_us:
        state = Freshness.STALE
    elif age_us > allowed_us * _LATE_SHARE:
        state = Freshness.LATE
    else:
        state = Freshness.FRESH
    return FreshnessLabel(feed.name, state, f"Data is {duration(age_us)} old; {promise}.", data_us)


def worst(labels: list[FreshnessLabel]) -> Freshness:
    """The label that a page fed by all of these must carry."""
    order = [Freshness.FRESH, Freshness.LATE, Freshness.UNKNOWN, Freshness.STALE]
    return max((label.state for label in labels), key=order.index, default=Freshness.UNKNOWN)
