"""A clinician's decision about a line of a reconciled list, as a chart entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chartloom.chart.elements import first, plain_code
from chartloom.domain.decisions import ACTOR, CONTENT, FLAG, LINE

_Json = dict[str, Any]


def decision(r: _Json) -> _Json:
    """A ``List`` that says something about one line; other lists have no ``said``."""
    line: _Json = next((e for e in r.get("extension", ()) if e.get("url") == LINE), {})
    entries = r.get("entry", ())
    flag: _Json = next((c for c in first(entries).get("flag", {}).get("coding", ())), {})
    by = r.get("source", {}).get("identifier", {})
    return {
        "status": r.get("status"),
        "list": plain_code(r.get("code")),
        "key": line.get("valueString"),
        "said": flag.get("code") if flag.get("system") == FLAG else None,
        "by": by.get("value") if by.get("system") == ACTOR else None,
        "time": r.get("date"),
        "items": [str(e.get("item", {}).get("reference", "")).rpartition("/")[2] for e in entries],
        "contents": _contents(entries),
        "text": r.get("title"),
    }


def _contents(entries: Sequence[_Json]) -> dict[str, str]:
    """Resource id -> digest of what it said when it was decided about."""
    return {
        str(e.get("item", {}).get("reference", "")).rpartition("/")[2]: str(x.get("valueString"))
        for e in entries
        for x in e.get("extension", ())
        if x.get("url") == CONTENT
    }
