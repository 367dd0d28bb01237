"""The console: server-rendered pages for people, and a small JSON API. See the room's README."""

from chartloom.serve.access import sign_in_path
from chartloom.serve.app import LOCAL_HOSTS, create_app
from chartloom.serve.console import ProjectInfo
from chartloom.serve.directory import DirectoryDoor
from chartloom.serve.doors import Doors, GlassRules, KeyStatus, LogCheck, Services
from chartloom.serve.earlier import earlier_mapping
from chartloom.serve.identity import IdentityDoor
from chartloom.serve.labels.door import LabelDoor
from chartloom.serve.limits import Door, Rate
from chartloom.serve.readiness import MetricsRule
from chartloom.serve.sessions import Limits
from chartloom.serve.trouble import StoreWatch

__all__ = [
    "LOCAL_HOSTS",
    "DirectoryDoor",
    "Door",
    "Doors",
    "GlassRules",
    "IdentityDoor",
    "KeyStatus",
    "LabelDoor",
    "Limits",
    "LogCheck",
    "MetricsRule",
    "ProjectInfo",
    "Rate",
    "Services",
    "StoreWatch",
    "create_app",
    "earlier_mapping",
    "sign_in_path",
]
