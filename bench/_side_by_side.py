"""CPU time of several contenders, taken in turns so that noise hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def cpu_seconds(
    contenders: dict[str, Callable[[], object]], repetitions: int = 7
) -> dict[str, float]:
    """Median CPU seconds of one call of each contender."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for call in contenders.values():
        call()  # warm-up
    for _ in range(repetitions):
        for name, call in contenders.items():
            start = time.process_time()
            call()
            taken[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in taken.items()}
