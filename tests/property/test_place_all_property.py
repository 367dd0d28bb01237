"""Placing through others gives what going over all that are left again and again gives."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.normalize.fhir_feed.compartment import place_all

_ENTRIES = st.lists(
    st.tuples(st.integers(0, 9), st.lists(st.integers(0, 9) | st.just(-1), max_size=3)),
    max_size=14,
)
Entries = list[tuple[int, list[int]]]


class _Placing:
    """Each is called by a number and names others, best first; -1 is a patient."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self.found: list[str] = [""] * len(entries)
        self.owners: dict[int, str] = {}
        self.tries = 0

    def place(self, number: int) -> str | None:
        self.tries += 1
        name, to = self.entries[number]
        for one in to:
            owner = f"p{number}" if one == -1 else self.owners.get(one, "")
            if owner:
                self.found[number] = self.owners[name] = owner
                return str(name)
        return None

    def awaits(self, number: int) -> list[str]:
        return [str(one) for one in self.entries[number][1] if one != -1]


@given(_ENTRIES)
@settings(max_examples=300, deadline=None)
def test_the_order_is_that_of_rounds(entries: Entries) -> None:
    slow = _Placing(entries)
    waiting = list(range(len(entries)))
    while waiting:
        left = [n for n in waiting if slow.place(n) is None]
        if len(left) == len(waiting):
            break
        waiting = left
    fast = _Placing(entries)
    assert place_all(len(entries), fast.place, fast.awaits) == waiting
    assert (fast.found, fast.owners) == (slow.found, slow.owners)
    assert fast.tries <= 2 * len(entries)
