"""Labelled records for the matching of persons: people with their truth, two families of noise."""

from chartloom.simulate.identity.generate import Labelled, Noise, generate
from chartloom.simulate.identity.noise_desk import DESK, HURRIED, SPARSE, DeskNoise
from chartloom.simulate.identity.noise_paper import FORMS, MIGRATED, SCANNED, PaperNoise

#: Name -> noise. ``desk-*`` is family A, ``paper-*`` family B.
PROFILES: dict[str, Noise] = {
    "desk": DeskNoise(DESK),
    "desk-hurried": DeskNoise(HURRIED),
    "desk-sparse": DeskNoise(SPARSE),
    "paper": PaperNoise(FORMS),
    "paper-scanned": PaperNoise(SCANNED),
    "paper-migrated": PaperNoise(MIGRATED),
}

__all__ = ["PROFILES", "DeskNoise", "Labelled", "Noise", "PaperNoise", "generate"]
