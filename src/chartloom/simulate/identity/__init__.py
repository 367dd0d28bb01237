"""Labelled records for matching persons: people with their truth, three families of noise."""

from chartloom.simulate.identity.generate import Labelled, Noise, by_person, generate
from chartloom.simulate.identity.noise_desk import DESK, HURRIED, SPARSE, DeskNoise
from chartloom.simulate.identity.noise_feed import ABROAD, EXPORT, GARBLED, FeedNoise
from chartloom.simulate.identity.noise_paper import FORMS, MIGRATED, SCANNED, PaperNoise

#: Name -> noise. ``desk-*`` is family A, ``paper-*`` family B, ``feed-*`` family C.
PROFILES: dict[str, Noise] = {
    "desk": DeskNoise(DESK),
    "desk-hurried": DeskNoise(HURRIED),
    "desk-sparse": DeskNoise(SPARSE),
    "paper": PaperNoise(FORMS),
    "paper-scanned": PaperNoise(SCANNED),
    "paper-migrated": PaperNoise(MIGRATED),
    "feed": FeedNoise(EXPORT),
    "feed-garbled": FeedNoise(GARBLED),
    "feed-abroad": FeedNoise(ABROAD),
}

__all__ = [
    "PROFILES",
    "DeskNoise",
    "FeedNoise",
    "Labelled",
    "Noise",
    "PaperNoise",
    "by_person",
    "generate",
]
