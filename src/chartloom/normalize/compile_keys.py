"""Business keys to Python functions: they are asked for every resource of every message.

``key(at, tree, seen) -> tuple | None`` gives the first complete key of a group instance; ``seen``
counts the keys of a message that are numbered. ``value(at, tree) -> str`` gives the first value of
some fields. Both look at an instance before anything is noted of it (``Instance.reads``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from chartloom.formats.hl7v2 import Tree
from chartloom.normalize.context import Instance
from chartloom.normalize.source_writer import Writer, compiled

#: (segment, field, component) of each source of a key part.
Reads = tuple[tuple[str, int, int], ...]
#: Per part: sources, role, constant, whether it counts, whether it may be empty.
PlainKey = tuple[tuple[Reads, str, str, bool, bool], ...]

Seen = dict[tuple[str, ...], int]
KeyFunction = Callable[[Instance, Tree, Seen], "tuple[str, ...] | None"]
ValueFunction = Callable[[Instance, Tree], str]


@lru_cache(maxsize=8192)
def key_function(kind: str, keys: tuple[PlainKey, ...]) -> KeyFunction:
    """The function for the keys of a resource type; the first complete one holds."""
    w = Writer()
    with w.block("def key(at, tree, seen):"):
        w("sight = at.sight")
        for key in keys:
            with w.block("while True:"):
                _alternative(w, kind, key)
        w("return None")
    function: KeyFunction = _compiled(w, "key")
    return function


@lru_cache(maxsize=8192)
def value_function(reads: Reads) -> ValueFunction:
    """The function for the first value of some sources; ``""`` if none has one."""
    w = Writer()
    with w.block("def value(at, tree):"):
        w("sight = at.sight")
        _first(w, reads)
        w("return v")
    function: ValueFunction = _compiled(w, "value")
    return function


def _compiled(w: Writer, name: str) -> Any:
    space: dict[str, Any] = {"whole": whole}
    exec(compiled(w.text, name), space)  # noqa: S102  (our own output)
    return space[name]


def _alternative(w: Writer, kind: str, key: PlainKey) -> None:
    names: list[str] = []
    for number, (reads, role, constant, counts, optional) in enumerate(key):
        if reads:
            _first(w, reads)
        elif counts:
            w(f"so_far = ({', '.join([repr(kind), 'at.patient', *names])})")
            w("seen[so_far] = n = seen.get(so_far, 0) + 1")
            w("v = str(n)")
        elif role:
            w(f"v = at.id_of({role!r})")
            w("v = v[1] if v is not None else ''")
        else:
            w(f"v = {constant!r}")
        if not optional:
            w("if not v: break")
        w(f"v{number} = v")
        names.append(f"v{number}")
    w(f"return ({''.join(n + ', ' for n in names)})")


def _first(w: Writer, reads: Reads) -> None:
    """Code that puts the first value into ``v``; ``""`` if no source has one."""
    w("v = ''")
    for number, (segment, field, comp) in enumerate(reads):
        if number:
            w("if not v:")
            w.depth += 1
        w(f"g = sight.get({segment!r})")
        with w.block("if g is not None:"):
            w("f = g[0].fields")
            with w.block(f"if len(f) > {field}:"):
                w(f"v = f[{field}]")
                if not comp:
                    w("if v and not v.isalnum(): v = whole(v, tree)")
                elif comp == 1:
                    w(f"if v and not v.isalnum(): v = g[0].value({field})")
                else:  # a text without delimiters is its own first component
                    w(f"if v: v = '' if v.isalnum() else g[0].value({field}, 1, {comp})")
        if number:
            w.depth -= 1


def whole(text: str, tree: Tree) -> str:
    """A whole first repetition without trailing delimiters."""
    d = tree.delimiters
    text = text.split(d.split_repetition, 1)[0]
    text = text.rstrip(d.component + d.subcomponent + " ")
    return "" if text == '""' else text
