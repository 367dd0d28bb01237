"""Work of a worker that can wait, a little at a time: when nothing is pending, and now and then
when something always is."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

#: Longest that a step should take: whoever lands a message just then waits so much longer.
_STEP_S: Final = 0.05
_MOST_MIN: Final = 10
_MOST_MAX: Final = 1_000
#: While nothing is pending, at most half the time; while something is, at most a twentieth.
_PAUSE_IDLE: Final = 1.0
_PAUSE_BUSY: Final = 19.0
#: Others are at what is left.
_OTHERS_S: Final = 0.5
#: Nothing is to be done; whether there is again is asked so often.
_NOTHING_S: Final = 30.0


class Aside:
    """Takes the steps. ``step``: does about so many, and says how many it did; None if nothing is
    to be done."""

    def __init__(
        self, step: Callable[[int], int | None], clock: Callable[[], float] = monotonic
    ) -> None:
        self._step, self._clock = step, clock
        self._most = _MOST_MIN
        self._idle_at_s = self._busy_at_s = 0.0

    def __call__(self, busy: bool) -> float:
        """A step, if it is time for one; seconds until the next one while nothing is pending."""
        began_s = self._clock()
        if began_s >= (self._busy_at_s if busy else self._idle_at_s):
            done = self._step(self._most)
            now_s = self._clock()
            took_s = max(now_s - began_s, 1e-4)
            if done:
                self._idle_at_s = now_s + _PAUSE_IDLE * took_s
                self._busy_at_s = now_s + _PAUSE_BUSY * took_s
                wanted = int(self._most * min(2.0, _STEP_S / took_s))
                self._most = max(_MOST_MIN, min(_MOST_MAX, wanted))
            else:
                later_s = _NOTHING_S if done is None else _OTHERS_S
                self._idle_at_s = self._busy_at_s = now_s + later_s
        return max(0.0, self._idle_at_s - self._clock())
