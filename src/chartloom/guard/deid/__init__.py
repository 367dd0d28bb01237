"""Leaving the house: de-identified and limited data sets. Start with :class:`Deidentifier`."""

from chartloom.guard.deid.deidentify import Deidentifier, Profile, Project, project_key
from chartloom.guard.deid.kanonymity import KReport, k_report, quasi_identifiers
from chartloom.guard.deid.tables import fields_that_may_leave

__all__ = [
    "Deidentifier",
    "KReport",
    "Profile",
    "Project",
    "fields_that_may_leave",
    "k_report",
    "project_key",
    "quasi_identifiers",
]
