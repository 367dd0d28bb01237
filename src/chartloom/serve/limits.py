"""How often somebody may knock: at the doors for signing in and tokens by address, at searches, the
glass and the API by person or service.

Counted in this process (there is one console per site). A bucket fills again steadily; whoever
finds it empty is told when to come again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from enum import StrEnum
from math import ceil
from threading import Lock
from time import monotonic
from typing import Final

import msgspec
from starlette.requests import Request

from chartloom.serve.sessions import Visitor

#: Visitors remembered; of more, those who were not seen longest begin with a full bucket.
_REMEMBERED_MAX: Final = 10_000


class Door(StrEnum):
    """What is counted together."""

    SIGN_IN = "sign-in"
    TOKEN = "token"  # noqa: S105
    SEARCH = "search"
    GLASS = "glass"
    API = "api"
    IDENTITY = "identity"


class Rate(msgspec.Struct, frozen=True):
    """At most ``count`` in ``seconds``; 0: without limit."""

    count: int
    seconds: float = 60.0


#: For tests and whoever puts a console together without settings; a site's are in ``[doors]``.
STANDARD: Final = {
    Door.SIGN_IN: Rate(30),
    Door.TOKEN: Rate(120),
    Door.SEARCH: Rate(120),
    Door.GLASS: Rate(30, 3600.0),
    Door.API: Rate(600),
    Door.IDENTITY: Rate(600),
}

_OPEN_DOORS: Final = {
    "/sign-in/start": Door.SIGN_IN,
    "/callback": Door.SIGN_IN,
    "/enter": Door.SIGN_IN,
    "/token": Door.TOKEN,
    "/backchannel-logout": Door.TOKEN,
}
_GLASS: Final = frozenset({"/glass", "/glass/again"})
#: Queries by which a page searches: the form's terms, or whom it is about.
_SOUGHT: Final = ("find", "person", "actor")


def doors_of(request: Request) -> list[Door]:
    """The doors at which a request knocks."""
    path = request.url.path
    if path in _OPEN_DOORS:
        return [_OPEN_DOORS[path]]
    if path in _GLASS and request.method == "POST":
        return [Door.GLASS]
    doors = [Door.API] if path.startswith(("/api/", "/fhir/")) else []
    posted = request.method == "POST" and path in ("/chart/find", "/messages", "/audit")
    if posted or any(name in request.query_params for name in _SOUGHT):
        doors.append(Door.SEARCH)
    return doors


class _Bucket:
    """What is left for one visitor at one door, and whether the refusal is on record."""

    __slots__ = ("at_s", "left", "told")

    def __init__(self, left: float, at_s: float) -> None:
        self.left, self.at_s, self.told = left, at_s, False


class Refused(msgspec.Struct, frozen=True):
    """Too often. first: since it was last permitted, so that this one goes on record."""

    door: Door
    retry_after_s: int
    first: bool


class Limiter:
    """Counts knocks. Thread-safe. now_s: a clock that never goes back."""

    def __init__(
        self, rates: dict[Door, Rate] | None = None, now_s: Callable[[], float] = monotonic
    ) -> None:
        self._rates, self._now_s = {**STANDARD, **(rates or {})}, now_s
        self._buckets: OrderedDict[tuple[Door, str], _Bucket] = OrderedDict()
        self._lock = Lock()

    def knock(self, request: Request, visitor: Visitor | None) -> Refused | None:
        """``None`` to go on."""
        for door in doors_of(request):
            refused = self.take(door, _who(door, request, visitor))
            if refused is not None:
                return refused
        return None

    def take(self, door: Door, who: str) -> Refused | None:
        """One knock of somebody; ``None`` to go on."""
        rate, now_s = self._rates[door], self._now_s()
        if not rate.count:
            return None
        with self._lock:
            bucket = self._buckets.pop((door, who), None) or _Bucket(rate.count, now_s)
            self._buckets[door, who] = bucket
            if len(self._buckets) > _REMEMBERED_MAX:
                self._buckets.popitem(last=False)
            per_s = rate.count / rate.seconds
            bucket.left = min(rate.count, bucket.left + (now_s - bucket.at_s) * per_s)
            bucket.at_s = now_s
            if bucket.left >= 1:
                bucket.left -= 1
                bucket.told = False
                return None
            first, bucket.told = not bucket.told, True
            return Refused(door, max(1, ceil((1 - bucket.left) / per_s)), first)


def _who(door: Door, request: Request, visitor: Visitor | None) -> str:
    """By address where nobody is known yet, else by person or service."""
    if door in (Door.SIGN_IN, Door.TOKEN) or visitor is None:
        return f"@{request.client.host if request.client else ''}"
    return visitor.principal.subject
