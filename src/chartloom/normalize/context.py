"""What mapping code has at hand while it runs: environment, sink, message, group instances."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.ids import id_maker
from chartloom.domain.issues import Issue
from chartloom.domain.resource import Contribution, FhirJson
from chartloom.formats.fhir import keep
from chartloom.formats.hl7v2 import Segment, Tree, unescape
from chartloom.normalize.instance import UNSURE as UNSURE
from chartloom.normalize.instance import Instance as Instance
from chartloom.normalize.instance import Reads as Reads
from chartloom.normalize.model import ConceptMap

if TYPE_CHECKING:
    from chartloom.formats.hl7v2 import Delimiters

#: Bound of one memo; when it is full it starts anew.
MEMO_ENTRIES_MAX = 8192

#: Longer texts are not remembered.
MEMO_LENGTH_MAX = 1024

Function = Callable[..., Any]


class Env:
    """What is the same for all messages of one feed with the same delimiters."""

    __slots__ = (
        "authorities",
        "comp",
        "delimiters",
        "esc",
        "feed",
        "make_id",
        "memos",
        "namespace",
        "patients",
        "ranges",
        "rep",
        "scope",
        "shared",
        "sub",
        "systems",
        "units",
        "zone",
    )

    def __init__(
        self,
        feed: Feed,
        namespace: UUID,
        delimiters: Delimiters,
        systems: dict[str, str],
        units: dict[str, str],
        shift: str = "",
    ) -> None:
        self.feed, self.namespace, self.delimiters = feed, namespace, delimiters
        self.scope = feed.patient_namespace
        #: the id of a business key in the feed's patient namespace
        self.make_id = id_maker(namespace, self.scope)
        self.comp, self.rep = delimiters.split_component, delimiters.split_repetition
        self.sub, self.esc = delimiters.split_subcomponent, delimiters.escape
        self.systems, self.units = systems, units
        try:
            self.zone: tzinfo = ZoneInfo(feed.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ConfigurationError(
                f"zone {feed.zone!r} is not an IANA time zone.",
                where=f"feeds/{feed.name}.toml",
                cure="Write a zone such as Europe/Berlin.",
            ) from error
        if shift:  # MSH-7 names another one than the feed's: it holds for the whole message
            self.zone = datetime.strptime(shift, "%z").tzinfo or self.zone
        self.memos: list[Memo] = []
        self.shared: dict[str, Contribution] = {}
        #: (OBX-7, OBX-6) -> reference range and Issue code; not to be changed
        self.ranges: dict[tuple[str, str], tuple[FhirJson, str]] = {}
        self.authorities: dict[str, tuple[str, str]] = {}  #: HD text -> (URI, name)
        self.patients: dict[tuple[str, str], str] = {}  #: (codec, PID) -> source patient

    def forget(self) -> None:
        """Forgets all texts that were seen."""
        for memo in self.memos:
            memo.forget()
        for known in (self.shared, self.ranges, self.authorities, self.patients):
            known.clear()


class Sink:
    """Where datatype functions put what is not their value: Issues and directory resources."""

    __slots__ = ("bad", "directory", "env", "special")

    def __init__(self, env: Env) -> None:
        self.env = env
        self.special = True  #: escapes or nulls may occur
        self.bad: list[tuple[str, str]] = []  #: (issue code, detail)
        self.directory: dict[str, Contribution] = {}

    def clean(self, text: str) -> str:
        """Unescaped text of a leaf; a null leaf (``""``) is no text."""
        if text == '""':
            return ""
        esc = self.env.esc
        if esc and esc in text:
            text = unescape(text, self.env.delimiters)
        return text if text.isprintable() else _CONTROL.sub("\ufffd", text)

    def leaf(self, text: str) -> str:
        """Like :meth:`clean`, of a component that may hold only delimiters or blanks."""
        text = text.strip()
        if not self.special or text.isalnum():
            return text
        return self.clean(text)

    def complain(self, code: str, detail: str = "") -> None:
        """Reports an Issue about the field that is being read."""
        self.bad.append((code, detail))

    def add_directory(self, resource: FhirJson) -> None:
        """A Practitioner, Organization or Location that the message names."""
        id = resource["id"]
        known = self.env.shared.get(id)
        if known is None or known.resource != resource:
            known = Contribution(resource, "", directory=True)
            if len(self.env.shared) > MEMO_ENTRIES_MAX:
                self.env.shared.clear()
            self.env.shared[id] = known
        self.directory[id] = known


#: No directory resources; not to be changed.
_NOBODY: dict[str, Contribution] = {}


class Memo(dict[str, tuple[Any, tuple[tuple[str, str], ...], dict[str, Contribution]]]):
    """Remembers what a pure datatype function made of a text: (value, issues, directory)."""

    __slots__ = ("call", "env", "old", "sink")

    def __init__(self, call: Function, env: Env) -> None:
        super().__init__()
        self.call, self.env = call, env
        self.sink = Sink(env)  #: used until something is put into it
        #: what was remembered before it was last full
        self.old: dict[str, tuple[Any, tuple[tuple[str, str], ...], dict[str, Contribution]]] = {}

    def __missing__(
        self, text: str
    ) -> tuple[Any, tuple[tuple[str, str], ...], dict[str, Contribution]]:
        result = self.old.get(text)
        if result is None:
            sink = self.sink
            value = self.call(text, sink)
            if sink.bad or sink.directory:
                self.sink = Sink(self.env)
                result = (value, tuple(sink.bad), sink.directory)
            else:
                result = (value, (), _NOBODY)
            keep(value)
        if len(text) <= MEMO_LENGTH_MAX:
            if len(self) >= MEMO_ENTRIES_MAX:
                self.old = dict(self)
                self.clear()
            self[text] = result
        return result

    def forget(self) -> None:
        """Forgets everything."""
        self.old = {}
        self.clear()


class Msg(Sink):
    """One message while it is being mapped."""

    __slots__ = (
        "_event",
        "_event_us",
        "coverage",
        "issues",
        "padded",
        "reads",
        "received_at_us",
        "tracer",
        "tree",
    )

    unit_slot = 0  #: the memo of CWE.unit
    time_slot = 1  #: the memo of DTM.dateTime

    def __init__(self, env: Env, tree: Tree, received_at_us: int) -> None:
        super().__init__(env)
        self.tree = tree
        self.received_at_us = received_at_us
        self._event = ""
        self._event_us = received_at_us
        self.reads: Reads | None = None  #: notes what is looked at, if not None
        self.issues: list[Issue] = []
        #: per segment: the tables that ran over it, with the conditions that held
        self.coverage: list[dict[tuple[int, int], None]] = [{} for _ in tree.segments]
        self.padded: dict[int, list[str]] = {}
        self.tracer: Any = None

    @property
    def event(self) -> str:
        """Trigger event, ``A01``."""
        if self.reads is not None:
            self.reads.append(("event", None, self._event))
        return self._event

    @event.setter
    def event(self, event: str) -> None:
        self._event = event

    @property
    def event_us(self) -> int:
        """When the event took place."""
        if self.reads is not None:
            self.reads.append((UNSURE, None, None))
        return self._event_us

    @event_us.setter
    def event_us(self, event_us: int) -> None:
        self._event_us = event_us

    def is_after(self, us: int) -> bool:
        """Whether a time is after the event."""
        after = us > self._event_us
        if self.reads is not None:
            self.reads.append(("after", us, after))
        return after

    def part(self, text: str, comp: int) -> str:
        """A component of the first repetition, unescaped."""
        env = self.env
        if env.rep in text:
            text = text.split(env.rep, 1)[0]
        if env.comp in text:
            parts = text.split(env.comp, comp)
            text = parts[comp - 1] if len(parts) >= comp else ""
        elif comp > 1:
            return ""
        return self.clean(text.split(env.sub, 1)[0]).strip()

    def flush(self, seg: Segment, field: int, rep: int = 0, extra: Any = None) -> None:
        """Turns what functions complained about into Issues at this place."""
        complaints = self.bad
        if extra:
            complaints = [*complaints, *extra]
        for code, detail in complaints:
            self.issue(code, seg, field, rep, detail)
        self.bad.clear()

    def issue(
        self, code: str, seg: Segment | None, field: int = 0, rep: int = 0, detail: str = ""
    ) -> None:
        """Reports an Issue at a field (0: the whole segment) of a segment."""
        if seg is None:
            self.issues.append(Issue(code, "", detail))
            return
        nth = f"[{seg.ordinal}]" if seg.ordinal > 1 else ""
        where = f"{seg.name}{nth}"
        span = (seg.start, seg.end)
        if field:
            where = f"{where}-{field}" + (f"[{rep}]" if rep else "")
            span = seg.span(field, rep or None)
        self.issues.append(Issue(code, where, detail, span))


class Prim:
    """A primitive value (None if it cannot be said), and an extension that stands beside it."""

    __slots__ = ("extension", "value")

    def __init__(self, value: Any, extension: FhirJson | None = None) -> None:
        self.value, self.extension = value, extension


def thaw(value: Any) -> Any:
    """A copy of a remembered value, for rows that will change parts of it."""
    if isinstance(value, dict):
        return {k: v if v.__class__ is str else thaw(v) for k, v in value.items()}
    return [thaw(v) for v in value] if isinstance(value, list) else value


#: Keeps the text of a value that is not valid FHIR.
ORIGINAL_TEXT = "http://hl7.org/fhir/StructureDefinition/originalText"
#: Keeps the code that a FHIR code was mapped from.
ALTERNATE_CODES = "http://hl7.org/fhir/StructureDefinition/alternate-codes"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def raw(text: str) -> Prim:
    """No value, but the text that was sent."""
    return Prim(None, {"url": ORIGINAL_TEXT, "valueString": text})


def coded(concept: ConceptMap, code: str, target: str | None) -> Prim:
    """A FHIR code with the original code beside it."""
    coding = (
        {"system": concept.source_system, "code": code} if concept.source_system else {"code": code}
    )
    return Prim(target, {"url": ALTERNATE_CODES, "valueCodeableConcept": {"coding": [coding]}})
