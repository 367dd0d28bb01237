"""Lives with drugs as several sources tell them, and the truth beside: for reconciled lists."""

from chartloom.simulate.therapies.lives import lives
from chartloom.simulate.therapies.model import HABITS, Habits, Happening, Life, TrueTherapy
from chartloom.simulate.therapies.write import SOURCES, write

__all__ = [
    "HABITS",
    "SOURCES",
    "Habits",
    "Happening",
    "Life",
    "TrueTherapy",
    "lives",
    "write",
]
