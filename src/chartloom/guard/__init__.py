"""Keys, sealing and grants. Start with :class:`Guard`; see the README beside this file."""

from chartloom.guard.clock import SystemClock
from chartloom.guard.guard import DIRECTORY_KIND, SEAL_OVERHEAD_BYTES, Guard, SealBroken
from chartloom.guard.keys.broker import Fetched

__all__ = [
    "DIRECTORY_KIND",
    "SEAL_OVERHEAD_BYTES",
    "Fetched",
    "Guard",
    "SealBroken",
    "SystemClock",
]
