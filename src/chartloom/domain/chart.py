"""The shapes in which a chart is stored: sections, views, and where a resource stands in them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec

from chartloom.domain.resource import ResourceState


class Section(IntEnum):
    """The sections of a chart; the numbers are stored and never change."""

    NONE = 0  #: kept, but in no section (directory resources, Specimen, ...)
    DEMOGRAPHICS = 1
    ENCOUNTERS = 2
    PROBLEMS = 3
    MEDICATIONS = 4
    ALLERGIES = 5
    RESULTS = 6
    IMMUNISATIONS = 7
    DOCUMENTS = 8
    APPOINTMENTS = 9
    ORDERS = 10
    REPORTS = 11
    COVERAGE = 12
    CHARGES = 13
    DECISIONS = 14  #: what clinicians decided about lines of reconciled lists


class ViewKey(msgspec.Struct, frozen=True, order=True):
    """Names one view row. ``part`` splits large sections so that every row stays bounded.

    labels: the compartment; a row holds resources of exactly this mask of sensitivity labels, so
    that whoever may not see them sees neither them nor how many there are.
    """

    source_patient: str
    section: Section
    part: int = 0
    labels: int = 0


class SectionView(msgspec.Struct, frozen=True):
    """The materialised answer for one section (or part) of one source patient's chart.

    total: how many resources the section holds (entries are bounded, the total is not).
    entries: newest first, shaped for display, each with the ``id`` of its resource.
    """

    key: ViewKey
    total: int
    entries: tuple[dict[str, Any], ...]


class PlacedState(msgspec.Struct, frozen=True):
    """A resource state and where it stands: what the store indexes without opening the body.

    sort_us: clinically relevant time for ordering in timeline and section (0 if none is known).
    series: stable small key that groups comparable results, "" otherwise. hidden: entered in error
    or cancelled, so that it does not count in its section. labels: its compartment.
    """

    state: ResourceState
    section: Section
    part: int = 0
    sort_us: int = 0
    series: str = ""
    hidden: bool = False
    labels: int = 0
