"""Labelled records for matching persons: people with their truth, five families of noise."""

from chartloom.simulate.identity.generate import Labelled, Noise, by_person, generate
from chartloom.simulate.identity.noise_call import DICTATED, KIOSK, PRACTICE, CallNoise
from chartloom.simulate.identity.noise_desk import DESK, HURRIED, SPARSE, DeskNoise
from chartloom.simulate.identity.noise_feed import ABROAD, EXPORT, GARBLED, FeedNoise
from chartloom.simulate.identity.noise_paper import FORMS, MIGRATED, SCANNED, PaperNoise
from chartloom.simulate.identity.noise_stranger import (
    CAPITALS,
    CORRUPTED,
    PLAIN,
    StrangerNoise,
)

#: Name -> noise. ``desk-*`` is family A, ``paper-*`` family B, ``feed-*`` family C;
#: ``call``, ``kiosk`` and ``practice`` family D; ``stranger-*`` family E.
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
    "stranger": StrangerNoise(PLAIN),
    "stranger-capitals": StrangerNoise(CAPITALS),
    "stranger-corrupted": StrangerNoise(CORRUPTED),
}

__all__ = [
    "PROFILES",
    "CallNoise",
    "DeskNoise",
    "FeedNoise",
    "Labelled",
    "Noise",
    "PaperNoise",
    "StrangerNoise",
    "by_person",
    "generate",
]
