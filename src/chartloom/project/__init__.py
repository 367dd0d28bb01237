"""The site folder: read it, check it, make a new one."""

from chartloom.formats.tables import line_of
from chartloom.project.feed_model import FeedSettings
from chartloom.project.model import Settings
from chartloom.project.read import (
    Finding,
    MappingSource,
    Project,
    feeds_by_name,
    load_project,
    read_project,
)
from chartloom.project.template import write_site

__all__ = [
    "FeedSettings",
    "Finding",
    "MappingSource",
    "Project",
    "Settings",
    "feeds_by_name",
    "line_of",
    "load_project",
    "read_project",
    "write_site",
]
