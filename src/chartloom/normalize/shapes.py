"""Counts what became of all leaves of a message by the shapes of its segments.

A segment's *shape* is its text with canonical delimiters and one ``x`` in place of each value. It
tells which leaves there are, holds nothing of the patient, and repeats from message to message, so
that counts can be remembered per shape.
"""

from __future__ import annotations

from collections.abc import Sequence

from chartloom.domain.resource import LossCounts
from chartloom.formats.hl7v2 import Delimiters, Segment, Tree
from chartloom.normalize.coverage import Coverage

_DELIMITERS = (b"|", b"~", b"^", b"&")
#: Stands for the end of a line in what is reduced; in texts it is a value like others.
_LINE = b"$"


#: A segment, and the fields of it of which not everything was mapped.
Left = tuple[Segment, tuple[int, ...]]


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
        table = bytearray(b" " * 256)
        table[0x0D] = _LINE[0]
        for mark, canonical in marks.items():
            table[ord(mark)] = ord(canonical)
        self.table = bytes(table)

    def of(self, tree: Tree) -> list[bytes]:
        """One shape per segment; in headers the two delimiter fields are values."""
        text = tree.source.text
        if self.early is None and not tree.issues and "\rFHS" not in text and "\rBHS" not in text:
            # Headers of batches inside a message make it unusual. Else one line is one segment,
            # and no byte of a character beyond ASCII is a delimiter.
            lines = self._reduced(text.encode("utf-8", "surrogatepass")).split(_LINE)
            shapes = [line for line in lines if line]
            if len(shapes) == len(tree.segments):
                shapes[0] = _header_shape(shapes[0])
                return shapes
        return self._one_by_one(tree)

    def _one_by_one(self, tree: Tree) -> list[bytes]:
        shapes = []
        for seg in tree.segments:
            text = self.field.join(_header_fields(seg) if seg.is_header else seg.fields)
            if self.early is not None:
                text = text.translate(self.early)
            shapes.append(self._reduced(text.encode("utf-8", "surrogatepass").replace(b"\r", b"x")))
        return shapes

    def _reduced(self, data: bytes) -> bytes:
        # what is no delimiter becomes blanks, and splitting takes a run of them as one
        marked = b"%b%b%b" % (_LINE, data.translate(self.table), _LINE)
        return b"x".join(marked.split())[1:-1]


def _header_shape(line: bytes) -> bytes:
    """The shape of MSH from its line, in which MSH-1 is no text and MSH-2 is made of delimiters."""
    _, encoding, *rest = line.split(b"|", 2)
    return b"|".join((b"x|x", b"x" if encoding else b"", *rest))


def _header_fields(seg: Segment) -> list[str]:
    """The fields of MSH, FHS or BHS, whose first two are the delimiters themselves: values."""
    return ["x" if text and n < 3 else text for n, text in enumerate(seg.fields)]


def count_losses(
    tree: Tree,
    coverage: Coverage,
    shapes: Shapes,
    ran_by: Sequence[dict[tuple[int, int], None]] | None,
) -> tuple[LossCounts, tuple[str, ...], list[Left]]:
    """Totals over all leaves, the paths of what was not mapped, and where something is left over.

    ran_by None: nothing ran.
    """
    mapped = ignored = unmapped = 0
    paths: dict[str, None] = {}
    left: list[Left] = []
    if not tree.segments:
        return LossCounts(), (), left
    for seg, shape in zip(tree.segments, shapes.of(tree), strict=True):
        ran = tuple(ran_by[seg.index]) if ran_by is not None else ()
        m, i, u, missing, fields = coverage.count(seg.name, ran, shape, _DELIMITERS)
        if fields:
            left.append((seg, fields))
        mapped += m
        ignored += i
        if u:
            unmapped += u
            for path in missing:
                paths[path] = None
    return LossCounts(mapped, ignored, unmapped), tuple(paths), left
