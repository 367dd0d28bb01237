"""Whether this site can take and show something now; who may read its metrics."""

from __future__ import annotations

import hmac
import ipaddress
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec
from starlette.requests import Request

from chartloom.domain.errors import ChartloomError

_REMEMBERED_S: Final = 2.0
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Readiness:
    """Asks ``check`` (which raises one of our errors if not), at most every two seconds: whoever
    can reach the console may ask, and shall not keep the store busy with it."""

    def __init__(self, check: Callable[[], object]) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._asked_s, self._ready = float("-inf"), False

    def ready(self) -> bool:
        """Whether the store answers and can take something new."""
        with self._lock:
            if time.monotonic() - self._asked_s > _REMEMBERED_S:
                try:
                    self._check()
                    self._ready = True
                except ChartloomError:
                    self._ready = False
                self._asked_s = time.monotonic()
            return self._ready


class MetricsRule(msgspec.Struct, frozen=True):
    """Who may read ``/metrics``. token: the bearer token; without one, ``local`` lets in those who
    ask from this machine and not through a proxy."""

    token: str = ""
    local: bool = True

    def admits(self, request: Request) -> bool:
        """Whether the request may have them."""
        if self.token:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            same = hmac.compare_digest(
                given.strip().encode("utf-8", "replace"), self.token.encode()
            )
            return scheme.lower() == "bearer" and same
        if not self.local or any(name in request.headers for name in _FORWARDED):
            return False
        try:
            return request.client is not None and _loopback(request.client.host)
        except ValueError:
            return False


def _loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback
