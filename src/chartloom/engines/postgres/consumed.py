"""How far a worker's lanes are consumed, as it knows by itself.

Positions are in the order of commits (the log is locked while they are given), so whoever has read
all messages of its lanes up to a position needs to look at what follows it only, however many lanes
it holds. That holds while all that was read is committed and the lanes stay the same; the commit
makes sure of it once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Consumed:
    """Up to where the lanes that a worker holds have been read."""

    def __init__(self) -> None:
        self._lanes: frozenset[int] = frozenset()
        self._position: int | None = None
        self._handed_out: set[int] = set()
        self._committed = 0  #: the highest position of this generation
        self.generation = -1  #: of the log, when it was read

    def upto(self, lanes: Sequence[int]) -> int | None:
        """Nothing up to this position is pending in ``lanes``; None: their cursors tell."""
        if self._handed_out or frozenset(lanes) != self._lanes:
            return None
        return self._position

    def read(self, lanes: Sequence[int], generation: int, position: int) -> None:
        """All messages of ``lanes`` up to ``position`` that were pending are handed out next.

        Where a batch was cut short, what lies above them may be committed already: then the cursors
        of the lanes have to tell what is not, lest it be handed out once more.
        """
        if generation != self.generation:  # all may be pending again
            self._committed = 0
        self._lanes = frozenset(lanes)
        self._position = position if position >= self._committed else None
        self._handed_out.clear()
        self.generation = generation

    def handing_out(self, positions: Iterable[int]) -> None:
        """What has to be committed before anything that follows.

        Messages that are tried again come between those that were handed out before and not
        committed, and their coming back.
        """
        self._handed_out.update(positions)

    def committed(self, positions: Iterable[int]) -> None:
        """These are durable."""
        done = set(positions)
        self._handed_out -= done
        self._committed = max(self._committed, *done, 0)

    def forget(self) -> None:
        """Nothing is known any more."""
        self._position = None
        self._handed_out.clear()
