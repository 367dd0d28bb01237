"""Work that can wait is done a little at a time, and less while something is pending."""

from __future__ import annotations

from collections.abc import Iterator

from chartloom.wiring.aside import Aside


class World:
    """A clock that a step moves on: each record takes ``cost_s``."""

    def __init__(self, left: int, cost_s: float) -> None:
        self.left, self.cost_s, self.now_s = left, cost_s, 100.0
        self.sizes: list[int] = []
        self.worked_s = 0.0

    def step(self, most: int) -> int | None:
        """Does up to ``most``."""
        if not self.left:
            return None
        done = min(most, self.left)
        self.left -= done
        self.sizes.append(done)
        self.now_s += done * self.cost_s
        self.worked_s += done * self.cost_s
        return done


def turns(world: World, *, busy: bool, every_s: float) -> Iterator[float]:
    aside = Aside(world.step, lambda: world.now_s)
    while world.left:
        pause_s = aside(busy)
        yield pause_s
        world.now_s += every_s if busy else max(pause_s, 1e-3)


def test_while_nothing_is_pending_it_takes_half_the_time_in_short_steps() -> None:
    world = World(20_000, 0.001)
    began_s = world.now_s
    pauses = list(turns(world, busy=False, every_s=0))
    assert 0.4 < world.worked_s / (world.now_s - began_s) <= 0.55
    assert max(world.sizes) * world.cost_s <= 0.1
    assert len(world.sizes) < 600  # and not one by one
    assert max(pauses) < 0.2


def test_while_messages_keep_coming_it_takes_a_twentieth_and_still_ends() -> None:
    world = World(3_000, 0.001)
    began_s = world.now_s
    list(turns(world, busy=True, every_s=0.025))
    assert 0.02 < world.worked_s / (world.now_s - began_s) <= 0.06


def test_when_nothing_is_to_be_done_it_asks_now_and_then() -> None:
    asked: list[int] = []
    now_s = [0.0]

    def step(most: int) -> None:
        asked.append(most)

    aside = Aside(step, lambda: now_s[0])
    for _ in range(600):
        aside(False)
        aside(True)
        now_s[0] += 0.1
    assert len(asked) == 2
