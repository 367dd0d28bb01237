"""Labelled records for matching persons: people with their truth, four families of noise."""

from chartloom.simulate.identity.generate import Labelled, Noise, by_person, generate
from chartloom.simulate.identity.noise_call import DICTATED, KIOSK, PRACTICE, CallNoise
from chartloom.simulate.identity.noise_desk import DESK, HURRIED, SPARSE, DeskNoise
from chartloom.simulate.identity.noise_feed import ABROAD, EXPORT, GARBLED, FeedNoise
from chartloom.simulate.identity.noise_paper import FORMS, MIGRATED, SCANNED, PaperNoise

#: Name -> noise. ``desk-*`` is family A, ``paper-*`` family B, ``feed-*`` family C;
#: ``call`` and what follows it family D.
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
    "call": CallNoise(DICTATED),
    "kiosk": CallNoise(KIOSK),
    "practice": CallNoise(PRACTICE),
}

__all__ = [
    "PROFILES",
    "CallNoise",
    "DeskNoise",
    "FeedNoise",
    "Labelled",
    "Noise",
    "PaperNoise",
    "by_person",
    "generate",
]
