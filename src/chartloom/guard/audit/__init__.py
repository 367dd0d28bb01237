"""The audit log: events, chain, signed heads, verification, reports. See the README here."""

from chartloom.guard.audit import events
from chartloom.guard.audit.canonical import canonical, chain, entry, instant, instant_us
from chartloom.guard.audit.heads import Head, HeadFile, read_heads
from chartloom.guard.audit.keeper import HeadKeeper, stream
from chartloom.guard.audit.recorder import Recorder
from chartloom.guard.audit.reports import (
    Concern,
    Disclosed,
    Facts,
    Finding,
    Viewing,
    accounting,
    privacy_report,
    who_saw,
)
from chartloom.guard.audit.seen import Seen, read_event, read_events
from chartloom.guard.audit.shape import Actor, Context, Event
from chartloom.guard.audit.verify import Verdict, verify
from chartloom.guard.audit.vocabulary import Kind

__all__ = [
    "Actor",
    "Concern",
    "Context",
    "Disclosed",
    "Event",
    "Facts",
    "Finding",
    "Head",
    "HeadFile",
    "HeadKeeper",
    "Kind",
    "Recorder",
    "Seen",
    "Verdict",
    "Viewing",
    "accounting",
    "canonical",
    "chain",
    "entry",
    "events",
    "instant",
    "instant_us",
    "privacy_report",
    "read_event",
    "read_events",
    "read_heads",
    "stream",
    "verify",
    "who_saw",
]
