"""The chart: what is believed of each resource, where it stands, and the views people read.

Pure functions over :mod:`chartloom.domain`: no IO, no clock. Start with the README of this room.
"""

from chartloom.chart.batch import (
    Change,
    Folded,
    care_of,
    fold_batch,
    merge_batch,
    plan_batch,
    rank_directory,
    refill_view,
    views_of,
)
from chartloom.chart.fold import BOUNDS, REFILL_LIMIT, Bound, fold, rebuild_part, view_key
from chartloom.chart.merge import WHOLE, merge, stamp_of
from chartloom.chart.overlay import release_at, stop_overlays
from chartloom.chart.place import place
from chartloom.chart.summary import ChartSection, ChartSummary, summary

__all__ = [
    "BOUNDS",
    "REFILL_LIMIT",
    "WHOLE",
    "Bound",
    "Change",
    "ChartSection",
    "ChartSummary",
    "Folded",
    "care_of",
    "fold",
    "fold_batch",
    "merge",
    "merge_batch",
    "place",
    "plan_batch",
    "rank_directory",
    "rebuild_part",
    "refill_view",
    "release_at",
    "stamp_of",
    "stop_overlays",
    "summary",
    "view_key",
    "views_of",
]
