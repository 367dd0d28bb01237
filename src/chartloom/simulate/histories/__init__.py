"""Simulated problems and allergies: what sources say of them, and what is so."""

from chartloom.simulate.histories.lives import lives
from chartloom.simulate.histories.model import FEEDS, HABITS, Habits, History, Sent, Truth

__all__ = ["FEEDS", "HABITS", "Habits", "History", "Sent", "Truth", "lives"]
