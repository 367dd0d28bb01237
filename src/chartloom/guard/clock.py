"""The clock of the machine, behind the ``Clock`` port."""

from __future__ import annotations

import time


class SystemClock:
    """UTC from the operating system. Everything that can be replayed gets its clock handed in."""

    def now_us(self) -> int:
        """UTC in microseconds since 1970."""
        return time.time_ns() // 1000
