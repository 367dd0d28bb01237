"""A simulated hospital with known ground truth: for the demo, for tests and for benchmarks.

:class:`Hospital` makes messages and their :class:`Truth` from a seed; :func:`traffic` makes a pool
of messages fast. Never imported by the rooms above it, except by the command line and the wiring.
"""

from chartloom.simulate.feeds import FEEDS
from chartloom.simulate.hospital import Due, Hospital
from chartloom.simulate.rates import CLEAN, EVENTFUL, PERFECT_WIRES, Rates
from chartloom.simulate.traffic import MIX, traffic
from chartloom.simulate.truth import MessageTruth, PersonTruth, Truth
from chartloom.simulate.wire import SimMessage

__all__ = [
    "CLEAN",
    "EVENTFUL",
    "FEEDS",
    "MIX",
    "PERFECT_WIRES",
    "Due",
    "Hospital",
    "MessageTruth",
    "PersonTruth",
    "Rates",
    "SimMessage",
    "Truth",
    "traffic",
]
