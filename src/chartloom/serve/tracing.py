"""Evidence and loss reports are not stored; they are recomputed here from the landed bytes.

The message is derived again, in traced mode, with the mapping version that was used when it was
applied, so that what is shown is what happened and not what would happen today.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from chartloom.domain import codec
from chartloom.domain.errors import NotFound
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant
from chartloom.domain.message import Format
from chartloom.domain.resource import Evidence, FhirJson, LossReport, Traced
from chartloom.domain.store import MessageDetail
from chartloom.formats import hl7v2
from chartloom.serve import bytes_view
from chartloom.serve.console import Console, Tracer
from chartloom.serve.json_view import plain
from chartloom.serve.layouts import hl7v2_layout, json_layout, plain_layout


class Trace(msgspec.Struct, frozen=True):
    """A message explained. ``note`` says when the explanation is not the one of that time."""

    detail: MessageDetail
    feed: Feed | None
    traced: Traced | None
    note: str = ""
    files: dict[str, bytes] = {}  #: the tables of the mapping that explained it

    @property
    def loss(self) -> LossReport:
        """The loss report, of what is shown; empty if the feed's mapping is gone."""
        rows = self.traced.loss.rows if self.traced else ()
        if shown := self.detail.message.shown:
            rows = tuple(r for r in rows if any(a <= r.span[0] < b for a, b in shown))
        return LossReport(rows)

    def evidence(self, resource_id: str, element: str) -> list[Evidence]:
        """What proves an element: itself or its parts; else the nearest element it is part of."""
        mine = (
            [e for e in self.traced.evidence if e.resource_id == resource_id] if self.traced else []
        )
        found = [e for e in mine if e.element == element or _is_in(e, element)]
        while not found and element:
            element = element.rpartition("[" if element.endswith("]") else ".")[0]
            found = [e for e in mine if element and (e.element == element or _is_in(e, element))]
        return found


def trace(console: Console, grant: Grant, position: int) -> Trace:
    """Reads a message and explains it; raises ``NotFound`` if there is no such message."""
    detail = console.store.detail(grant, position)
    known = console.mappings.get(detail.row.feed)
    if known is None:
        note = "This feed is no longer configured, so its mapping cannot be shown."
        return Trace(detail, None, None, note)
    feed, current = known
    mapping, note = _mapping_of_then(console, grant, detail.project_version, feed, current)
    traced = mapping.trace(detail.message, feed, console.namespace)
    if not note and detail.resources and not _same(traced, detail):
        note = (
            "Deriving this message again gives something else than was stored, so the explanation "
            "may not be the one of that time. Please report this."
        )
    return Trace(detail, feed, traced, note, mapping.files)


def _same(traced: Traced, detail: MessageDetail) -> bool:
    """Is what was recomputed what was stored? Of an excerpt, as far as it goes."""
    of = {r["id"] for r in detail.resources}

    def canonical(resources: Iterable[FhirJson]) -> list[bytes]:
        return sorted(map(codec.encode_sorted, resources))

    part = bool(detail.message.shown)
    said = traced.derived.contributions
    again = (c.resource for c in said if not part or c.resource["id"] in of)
    return canonical(again) == canonical(detail.resources)


def _mapping_of_then(
    console: Console, grant: Grant, version: str, feed: Feed, current: Tracer
) -> tuple[Tracer, str]:
    if not version:
        return current, "Not applied yet: this is what today's mapping would make of it."
    if version == current.fingerprint:
        return current, ""
    try:
        files = console.store.project_version(grant, version)
    except NotFound:
        return current, (
            "The mapping that was active then is not kept; explained with today's mapping."
        )
    earlier = console.mapping_of(feed.mapping, version, files)
    if earlier is None:
        return current, (
            "The mapping that was active then cannot be loaded any more; "
            "explained with today's mapping."
        )
    if earlier.fingerprint != version:
        return earlier, (
            "Chartloom has been updated since: explained with the tables of then by today's code."
        )
    return earlier, ""


def _is_in(evidence: Evidence, element: str) -> bool:
    """Whether it is evidence for a part of the element."""
    return evidence.element.startswith((f"{element}.", f"{element}["))


def narrowed(
    explained: Trace, found: list[Evidence], element: str, value: Any
) -> tuple[list[Evidence], bool]:
    """Evidence for ``element``, and whether it is for that very element.

    A mapping may give evidence for a whole only (``valueQuantity``). For a part of it, the spans
    whose text is the part's value are its own, if there are any; otherwise the whole stands.
    """
    if all(e.element == element or _is_in(e, element) for e in found):
        return found, True
    if isinstance(value, (dict, list)) or value is None:
        return found, False
    body, wanted = explained.detail.message.body, plain(value).encode()
    own = [
        msgspec.structs.replace(e, spans=spans)
        for e in found
        if (spans := tuple(s for s in e.spans if body[slice(*s)].strip() == wanted))
    ]
    return (own, True) if own else (found, False)


def resource_in(explained: Trace, resource_id: str) -> dict[str, Any]:
    """What the message said of a resource; empty if it said nothing of it."""
    derived = explained.traced.derived.contributions if explained.traced else ()
    stated = [*explained.detail.resources, *(c.resource for c in derived)]
    return next((r for r in stated if r.get("id") == resource_id), {})


def field_values(explained: Trace) -> dict[tuple[int, int], str]:
    """The unescaped text of each leaf of an HL7 v2 message, by span; empty for other formats."""
    feed = explained.feed
    if feed is None or feed.format is not Format.HL7V2:
        return {}
    tree = hl7v2.parse(explained.detail.message.body, charset=feed.charset)
    return {(leaf.start, leaf.end): leaf.text for s in tree.segments for leaf in s.leaves()}


def draw(
    trace: Trace, marks: list[tuple[int, int]], shown_bytes_max: int = bytes_view.SHOWN_BYTES_MAX
) -> bytes_view.Page:
    """The message's bytes with ``marks`` highlighted; of a message that is open in parts, those."""
    message = trace.detail.message
    body = message.body
    if trace.feed is None:
        layout = plain_layout(body)
    elif trace.feed.format is Format.HL7V2:
        layout = hl7v2_layout(body, trace.feed.charset)
    else:
        layout = json_layout(body)
    rows = bytes_view.within(layout.rows, message.shown) if message.shown else layout.rows
    page = bytes_view.render(body, rows, layout.regions, marks, layout.charset, shown_bytes_max)
    if rows and (page.start, page.end) == (rows[0].start, rows[-1].end):
        page = msgspec.structs.replace(page, start=0, end=page.total)  # nothing more is open
    return page


@lru_cache(4096)
def evidence_href(resource_id: str, element: str) -> str:
    """The page with the evidence for an element of a resource. A chart has one at each value."""
    return f"/evidence/{quote(resource_id)}/{quote(element, safe='')}"
