"""Transports in: MLLP, HTTP and watched folders, all over one landing; and a client that sends.

A source makes bytes durable through ``Landing`` before it says anything positive to the sender.
See README.md for options, answers and limits.
"""

from chartloom.sources.admission import Admission, asks_nobody
from chartloom.sources.grouping import GroupCommitter
from chartloom.sources.guarded_http import HttpLimits, guarded_http
from chartloom.sources.options import OPTIONS, Option, Problem, validate_options
from chartloom.sources.server import IngestServer, IngestSettings
from chartloom.sources.stats import FeedStats
from chartloom.sources.tls import server_context

__all__ = [
    "OPTIONS",
    "Admission",
    "FeedStats",
    "GroupCommitter",
    "HttpLimits",
    "IngestServer",
    "IngestSettings",
    "Option",
    "Problem",
    "asks_nobody",
    "guarded_http",
    "server_context",
    "validate_options",
]
