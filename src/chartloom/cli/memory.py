"""Opened bodies and keys stand in memory: that no crash or colleague writes them to a disk."""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_PR_SET_DUMPABLE: Final = 4


def keep_private() -> bool:
    """No core file of this process and of those that it starts; on Linux no other process of the
    same user, but for root, looks into it either. Whether the system did all of that."""
    if sys.platform == "win32":
        return False
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform != "linux":
        return False
    # What is piped to a program is not bound by the limit, but by this.
    return bool(ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
