"""Counts what became of all leaves of a message by the shapes of its segments.

A segment's *shape* is its text with canonical delimiters and one ``x`` in place of each value. It
tells which leaves there are, holds nothing of the patient, and repeats from message to message, so
that counts can be remembered per shape.
"""

from __future__ import annotations

from collections.abc import Sequence

from chartloom.domain.resource import LossCounts
from chartloom.formats.hl7v2 import Delimiters, Tree
from chartloom.normalize.coverage import Coverage

_DELIMITERS = (b"|", b"~", b"^", b"&")
#: Between segments in one text of all; turned into text by the table where a field holds it.
_SEGMENT = "\x1e"


class Shapes:
    """Reduces messages with certain delimiters to shapes."""

    def __init__(self, d: Delimiters) -> None:
        marks = dict(zip((d.field, d.repetition, d.component, d.subcomponent), "|~^&", strict=True))
        marks.pop("", None)
        self.field = d.field
        #: Delimiters outside ASCII are replaced before encoding, None where there are none.
        self.early: dict[int, int | str | None] | None = None
        if not "".join(marks).isascii():
            early: dict[str, int | str | None] = {**dict.fromkeys("|~^&", "x"), **marks}
            self.early = str.maketrans(early)
            marks = {c: c for c in "|~^&"}
        table = bytearray(b"x" * 256)
        table[0x1E] = 0x1E
        for mark, canonical in marks.items():
            table[ord(mark)] = ord(canonical)
        self.table = bytes(table)

    def of(self, tree: Tree) -> list[bytes]:
        """One shape per segment; in headers the two delimiter fields are values."""
        field = self.field
        texts = []
        for seg in tree.segments:
            fields = seg.fields
            if seg.is_header:
                fields = ["x", "x", "x"[: len(fields) - 2], *fields[3:]]
            texts.append(field.join(fields))
        text = _SEGMENT.join(texts)
        if text.count(_SEGMENT) != len(texts) - 1:  # a field holds it: look at them one by one
            return [self._reduce(t.replace(_SEGMENT, "x")) for t in texts]
        return self._reduce(text).split(b"\x1e")

    def _reduce(self, text: str) -> bytes:
        if self.early is not None:
            text = text.translate(self.early)
        shape = text.encode("utf-8", "surrogatepass").translate(self.table)
        shape = shape.replace(b"xxxxxxxxxxxxxxxx", b"x").replace(b"xxxx", b"x").replace(b"xx", b"x")
        while b"xx" in shape:
            shape = shape.replace(b"xx", b"x")
        return shape


def count_losses(
    tree: Tree,
    coverage: Coverage,
    shapes: Shapes,
    ran_by: Sequence[dict[tuple[int, int], None]] | None,
) -> tuple[LossCounts, tuple[str, ...]]:
    """Totals over all leaves, and the paths of what was not mapped. ran_by None: nothing ran."""
    mapped = ignored = unmapped = 0
    paths: dict[str, None] = {}
    if not tree.segments:
        return LossCounts(), ()
    for seg, shape in zip(tree.segments, shapes.of(tree), strict=True):
        ran = tuple(ran_by[seg.index]) if ran_by is not None else ()
        m, i, u, missing = coverage.count(seg.name, ran, shape, _DELIMITERS)
        mapped += m
        ignored += i
        if u:
            unmapped += u
            for path in missing:
                paths[path] = None
    return LossCounts(mapped, ignored, unmapped), tuple(paths)
