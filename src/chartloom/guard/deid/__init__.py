"""Leaving the house: de-identified and limited data sets. Start with :class:`Deidentifier`."""

from chartloom.guard.deid.deidentify import Deidentifier, Profile, Project, project_key
from chartloom.guard.deid.kanonymity import KReport, k_report, quasi_identifiers

__all__ = [
    "Deidentifier",
    "KReport",
    "Profile",
    "Project",
    "k_report",
    "project_key",
    "quasi_identifiers",
]
