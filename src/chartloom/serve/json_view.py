"""A FHIR resource as readable JSON in which every value can lead somewhere. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
from markupsafe import Markup, escape

from chartloom.domain import codec


class Anchor(msgspec.Struct, frozen=True):
    """Where a value leads: a link, a spoken label, and the bytes it came from (if on this page)."""

    href: str
    label: str
    spans: tuple[tuple[int, int], ...] = ()


_LEAF_CHARS_MAX = 300
_INDEX = re.compile("[0-9]{1,9}")

#: Element path (``name[0].family``) -> anchor, or None for a value that leads nowhere.
Lead = Callable[[str], Anchor | None]


def render(resource: dict[str, Any], lead: Lead) -> Markup:
    """The resource as the content of a ``<pre>``."""
    return Markup("").join(_value(resource, "", 0, lead))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a JSON value with its element path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{i}]")
    else:
        yield path, value


def at_path(value: Any, path: str) -> Any:
    """The value at an element path; None if there is none."""
    for step in path.replace("[", ".[").split("."):
        if step.startswith("["):
            index = step[1:-1]
            if not isinstance(value, list) or not _INDEX.fullmatch(index):
                return None
            if int(index) >= len(value):
                return None
            value = value[int(index)]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return None
    return value


def plain(value: Any) -> str:
    """A value on one line: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else codec.encode(value).decode()


def readable(value: Any) -> str:
    """A value for people: its leaves on one line, without the addresses of code systems."""
    if not isinstance(value, (dict, list)):
        return plain(value)
    texts = [plain(leaf) for _, leaf in leaves(value)]
    words = [t for t in texts if not t.startswith(("http://", "https://", "urn:"))] or texts
    return " · ".join(
        dict.fromkeys(t if len(t) <= _LEAF_CHARS_MAX else f"{t[:40]} …" for t in words)
    )


def _value(value: Any, path: str, depth: int, lead: Lead) -> Iterator[Markup]:
    if isinstance(value, dict) and value:
        yield Markup("{")
        for i, (key, inner) in enumerate(value.items()):
            yield Markup("{}\n{}<span class=j-key>{}</span>: ").format(
                "," if i else "", "  " * (depth + 1), f'"{key}"'
            )
            yield from _value(inner, f"{path}.{key}" if path else key, depth + 1, lead)
        yield Markup("\n{}}}").format("  " * depth)
    elif isinstance(value, list) and value:
        yield Markup("[")
        for i, inner in enumerate(value):
            yield Markup("{}\n{}").format("," if i else "", "  " * (depth + 1))
            yield from _value(inner, f"{path}[{i}]", depth + 1, lead)
        yield Markup("\n{}]").format("  " * depth)
    else:
        yield _leaf(value, path, lead)


def _leaf(value: Any, path: str, lead: Lead) -> Markup:
    kind = "j-num" if isinstance(value, (int, float, Decimal)) else "j-str"
    shown = Markup('<span class="{}">{}</span>').format(kind, _literal(value))
    anchor = lead(path)
    if anchor is None:
        return shown
    spans = " ".join(f"{a}-{b}" for a, b in anchor.spans)
    data = Markup(' data-spans="{}"').format(spans) if spans else Markup("")
    return Markup('<a href="{}" title="{}"{}>{}</a>').format(anchor.href, anchor.label, data, shown)


def _literal(value: Any) -> Markup:
    text = codec.encode(value).decode("utf-8", "replace")
    return escape(text)
