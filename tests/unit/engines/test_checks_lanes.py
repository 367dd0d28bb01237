"""Lanes are read by who holds them, also when what waits there cannot be read. No server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import LaneLost, StoreDamaged
from chartloom.engines.postgres import lanes as module
from chartloom.engines.postgres.lanes import LanesPart


class Part:
    """What of a store these functions use. held: the lanes held at each look."""

    def __init__(self, *held: set[int], damaged: bool = False) -> None:
        self.held, self.damaged, self.read = list(held), damaged, 0
        self._consumed = SimpleNamespace(forget=lambda: None, handing_out=lambda positions: None)
        self._guard = SimpleNamespace(prepare=lambda subjects: None)
        self._lane = SimpleNamespace(use=self._use)
        self._deaths: Any = None
        self._bodies: Any = None

    @contextmanager
    def _use(self) -> Iterator[object]:
        yield object()

    def _entry(self, grant: object) -> object:
        return object()

    def _still_held(self, conn: object) -> set[int]:
        return self.held.pop(0)

    def _require(self, conn: object, lanes: Any) -> None:
        self_: Any = self
        LanesPart._require(self_, conn, lanes)

    def _pending_rows(self, *_: object) -> list[Any]:
        self.read += 1
        if self.damaged:
            raise StoreDamaged("cannot be read")
        return []

    def _handing_out(self, messages: list[Any]) -> list[Any]:
        return messages


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "believed", nullcontext)
    monkeypatch.setattr(module.trouble, "apart", lambda *_: ["apart"])


def pending(part: Any) -> list[Any]:
    return LanesPart.pending(part, object(), [1, 2], 10)  # type: ignore[arg-type]


def test_lanes_that_are_not_held_are_not_read() -> None:
    assert pending(Part({1, 2, 3})) == []
    for held in ({1}, set[int](), {3}):
        part = Part(held)
        with pytest.raises(LaneLost):
            pending(part)
        assert part.read == 0


def test_nor_are_they_read_one_by_one_once_they_are_lost() -> None:
    """Between the read that failed and the next, another worker may have taken them."""
    assert pending(Part({1, 2}, {1, 2}, damaged=True)) == ["apart"]
    with pytest.raises(LaneLost):
        pending(Part({1, 2}, {1}, damaged=True))


@pytest.mark.parametrize(("payload", "held", "told"), [
    ("", {1}, True), ("", set(), True), ("7", set(), True), ("1", {1}, True), ("7 1", {1}, True),
    ("7", {1}, False), ("7 8", {1, 2}, False), ("11", {1}, False),
])  # fmt: skip
def test_a_notice_wakes_those_whose_lanes_it_names(
    payload: str, held: set[int], told: bool
) -> None:
    part: Any = SimpleNamespace(_held=held)
    assert LanesPart._concerned(part, payload) is told
