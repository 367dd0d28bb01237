"""How far lanes are consumed, when a batch was cut short."""

from __future__ import annotations

from chartloom.engines.postgres.consumed import Consumed


def test_what_follows_a_read_is_looked_at_only() -> None:
    consumed = Consumed()
    consumed.read([1], 0, 30)
    consumed.handing_out([28, 30])
    assert consumed.upto([1]) is None  # until they are committed
    consumed.committed([28, 30])
    assert consumed.upto([1]) == 30
    assert consumed.upto([1, 2]) is None


def test_a_read_below_what_is_committed_leaves_it_to_the_cursors() -> None:
    consumed = Consumed()
    consumed.read([1], 0, 31)
    consumed.handing_out([28, 29, 30, 31])
    consumed.committed([28, 31])  # a batch of one mapping, cut short in another
    consumed.read([1], 0, 30)
    consumed.handing_out([29, 30])
    consumed.committed([29, 30])
    assert consumed.upto([1]) is None  # 31 must not come again
    consumed.read([1], 0, 40)
    assert consumed.upto([1]) == 40


def test_another_generation_begins_anew() -> None:
    consumed = Consumed()
    consumed.read([1], 0, 31)
    consumed.committed([31])
    consumed.read([1], 1, 5)
    assert consumed.upto([1]) == 5
