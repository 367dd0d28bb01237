"""Keys, sealing and grants. Start with :class:`Guard`; see the README beside this file."""

from chartloom.guard.clock import SystemClock
from chartloom.guard.guard import DIRECTORY_KIND, SEAL_OVERHEAD_BYTES, Guard, SealBroken

__all__ = ["DIRECTORY_KIND", "SEAL_OVERHEAD_BYTES", "Guard", "SealBroken", "SystemClock"]
