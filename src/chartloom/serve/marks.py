"""The small parts of a chart page of which there are hundreds: values that link to their evidence.

Written in Python because a macro call costs ten times as much. All text is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from chartloom.serve import words
from chartloom.serve.tracing import evidence_href

#: What is escaped part by part.
_whole: Final = Markup
_Times = Callable[[Mapping[str, Any], str, str], Markup]


def ev(id: str, element: str, text: object, kind: str = "") -> Markup:
    """A value as a link to what proves it."""
    href = escape(evidence_href(id, element))
    return _whole(f'<a class="ev {escape(kind)}" href="{href}" data-evidence>{escape(text)}</a>')


def evo(id: str, element: str, text: object, otherwise: str) -> Markup:
    """The same; without a text, a link to the resource."""
    if text:
        return ev(id, element, text)
    return _whole(f'<a class="ev" href="/resources/{escape(id)}">{escape(otherwise)}</a>')


def when_in(zone: ZoneInfo) -> _Times:
    """How times of entries are written in a zone: as links to what proves them."""

    def when(entry: Mapping[str, Any], element: str, value: str) -> Markup:
        if not value:
            return _whole("")
        shown = ev(entry["id"], element, words.fhir_time(value, zone))
        return _whole(f'<span class="when">{shown}</span>')

    return when
