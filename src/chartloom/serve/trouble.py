"""What is wrong with the site itself, for those who run or oversee it: a banner on every page."""

from __future__ import annotations

from threading import Lock
from typing import Final

import msgspec

from chartloom.domain.errors import StoreDefect
from chartloom.domain.ports import Clock
from chartloom.serve.doors import LogCheck


class Alarm(msgspec.Struct, frozen=True):
    """One thing that is wrong. Codes and times, nothing of a patient."""

    title: str
    cure: str
    since_us: int = 0


#: While messages are applied again: what is not there may yet come.
MADE_ANEW: Final = Alarm(
    "Charts are being made anew",
    "What you see is not complete: an empty list does not mean that there is nothing. Look again "
    "in some minutes.",
)


class StoreWatch:
    """Whether the store does what it is asked: told by whoever asked last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._alarm: Alarm | None = None

    def saw(self, defect: StoreDefect, clock: Clock) -> None:
        """The store does not understand or permit what it was asked."""
        with self._lock:
            since_us = self._alarm.since_us if self._alarm else clock.now_us()
            what = f"The store does not do what it is asked ({defect.code})"
            self._alarm = Alarm(what, defect.cure, since_us)

    def fine(self) -> None:
        """What looks after the whole store found nothing."""
        with self._lock:
            self._alarm = None

    def alarm(self) -> Alarm | None:
        """What is wrong, if anything is."""
        return self._alarm


def alarms(watch: StoreWatch, check: LogCheck) -> list[Alarm]:
    """All that is wrong now."""
    found = [alarm] if (alarm := watch.alarm()) else []
    if not check.sound:
        what = "The record of access is not sound"
        cure = "Treat it as an attack until it is explained: `chartloom audit verify`."
        found.append(Alarm(what, cure, check.whole_us if check.findings else check.at_us))
    return found
