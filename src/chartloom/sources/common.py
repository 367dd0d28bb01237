"""What all sources share: the way to the landing, and how a connection waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from chartloom.domain.errors import LandingRefused, StoreUnavailable
from chartloom.domain.message import Arrival, Receipt

#: What became of an arrival: a receipt when it is durable, or why nothing was kept.
Landed = Receipt | StoreUnavailable | LandingRefused
Done = Callable[[Landed], None]


class Lander(Protocol):
    """The landing as sources reach it from the event loop."""

    @property
    def congested(self) -> bool:
        """True while so much is on its way that sources must stop reading."""
        ...

    def submit(self, arrival: Arrival, done: Done) -> None:
        """Queues ``arrival``; ``done`` runs in the loop, in order of submission, exactly once."""
        ...

    def when_clear(self, resume: Callable[[], None]) -> None:
        """Runs ``resume`` once, soon after there is room again; first come, first served."""
        ...


async def room(lander: Lander) -> None:
    """Waits until the landing is not congested."""
    while lander.congested:
        clear: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lander.when_clear(lambda clear=clear: clear.done() or clear.set_result(None))  # type: ignore[misc]
        await clear


def begin(lander: Lander, arrival: Arrival) -> asyncio.Future[Receipt]:
    """Submits now, so that the order of calls is the order of the log; resolves when durable, or
    fails with ``StoreUnavailable`` or ``LandingRefused``."""
    durable: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

    def done(outcome: Landed) -> None:
        if durable.done():  # whoever waited has gone; the arrival is landed all the same
            return
        if isinstance(outcome, Receipt):
            durable.set_result(outcome)
        else:
            durable.set_exception(outcome)

    lander.submit(arrival, done)
    return durable


async def land(lander: Lander, arrival: Arrival) -> Receipt:
    """Lands one arrival when there is room; raises ``StoreUnavailable``
    or ``LandingRefused``."""
    await room(lander)
    return await begin(lander, arrival)
