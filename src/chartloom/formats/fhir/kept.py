"""Objects that nobody ever changes, so that what was found out about one holds for good.

A mapping gives the same object for the same words: the concept of a laboratory code stands in
thousands of results. Whoever makes such an object and holds to it says so (:func:`keep`). What is
remembered goes by the object itself, which is held as long as anything is remembered of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

#: How many objects are known as such (then the oldest goes), and how many each test remembers
#: before it starts anew.
KEPT_MAX: Final = 32_768
PASSED_MAX: Final = 4096

#: Object by identity.
KEPT: Final[dict[int, Any]] = {}
_ALL: Final[list[Passed]] = []


def keep(value: Any) -> None:
    """Says that an object (a JSON object or array) will never be changed by anybody."""
    kind = type(value)
    if kind is dict or kind is list:
        if len(KEPT) >= KEPT_MAX:
            del KEPT[next(iter(KEPT))]
        KEPT[id(value)] = value


def forget() -> None:
    """Forgets all of them."""
    KEPT.clear()
    for passed in _ALL:
        passed.clear()


class Passed(dict[int, Any]):
    """Kept objects that passed a test; ``id(x) in p or p.passes(x)`` is the whole check."""

    __slots__ = ("test",)

    def __init__(self, test: Callable[[Any], Any]) -> None:
        super().__init__()
        self.test = test
        _ALL.append(self)

    def passes(self, value: Any) -> bool:
        """Whether a value passes that is not yet known to."""
        if not self.test(value):
            return False
        if id(value) in KEPT:
            if len(self) >= PASSED_MAX:
                self.clear()
            self[id(value)] = value
        return True
