"""What became of every input field: mapped by a rule, ignored by a rule, or not mapped.

Rules declare what they read (:class:`~chartloom.normalize.registry.Part`), so the answer for a leaf
follows from the rules that ran and from where the leaf stands. The traced run asks for every leaf.
The untraced run reduces each segment to its *shape* (the delimiters, with one ``x`` for each text)
and remembers the counts per shape, which is the same answer at a fraction of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass

from chartloom.domain.resource import Disposition
from chartloom.normalize.model import Row
from chartloom.normalize.registry import Part


@dataclass(frozen=True, slots=True)
class Cover:
    """What one row reads: its field, the one repetition (0: all), and parts below."""

    row: Row
    bit: int  #: condition that must have held; 0: none
    rep: int
    parts: tuple[Part, ...]

    def part(self, field: int, rep: int, comp: int, sub: int) -> Part | None:
        """The part that answers for a leaf, if any."""
        source = self.row.source
        if source is None or not source.field <= field <= (source.last or source.field):
            return None
        if self.rep and rep != self.rep:
            return None
        if source.comp:
            if comp != source.comp or (source.sub and sub != source.sub):
                return None
            if source.sub:
                return _ALL
            comp, sub = sub, 1
        best: Part | None = None
        for part in self.parts:
            if part.comp not in (0, comp) or part.sub not in (0, sub):
                continue
            at = (part.comp, part.sub)
            # The most precise part answers; among equals one that reads beats one that ignores.
            if best is None or (at, not part.ignore) > ((best.comp, best.sub), not best.ignore):
                best = part
        return best


_ALL = Part(0, 0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a leaf; ``covers`` are the rows that mapped it, with the part they used."""

    disposition: Disposition
    rule: str = ""
    reason: str = ""
    covers: tuple[tuple[Cover, Part], ...] = ()


#: About the exchange: programs and places, and what is unique in every message.
_ENVELOPE = frozenset({"MSH", "EVN", "SFT", "UAC", "MSA"})
#: Leaves mapped, ignored and unmapped; paths of the unmapped; fields in which one was not mapped
#: (but for the envelope).
Counted = tuple[int, int, int, tuple[str, ...], tuple[int, ...]]
#: Tables that ran over a segment: (number, bits of the conditions that held).
Ran = tuple[tuple[int, int], ...]


class Coverage:
    """Answers for all tables of a mapping. ``covers[n]`` belongs to table number ``n``."""

    def __init__(self, covers: list[dict[int, list[Cover]]]) -> None:
        self.covers = covers
        self._counts: dict[tuple[str, Ran, bytes], Counted] = {}

    def answer(self, ran: Ran, field: int, rep: int, comp: int, sub: int) -> Answer:
        """What became of one leaf, given the tables that ran over its segment."""
        mapped: list[tuple[Cover, Part]] = []
        ignored: tuple[Cover, str] | None = None
        for number, bits in ran:
            for cover in self.covers[number].get(field, ()):
                if cover.bit and not cover.bit & bits:
                    continue
                part = cover.part(field, rep, comp, sub)
                if part is None:
                    continue
                if cover.row.ignore or part.ignore:
                    ignored = ignored or (cover, cover.row.ignore or part.ignore)
                else:
                    mapped.append((cover, part))
        if mapped:
            return Answer(Disposition.MAPPED, mapped[0][0].row.rule, "", tuple(mapped))
        if ignored:
            return Answer(Disposition.IGNORED, ignored[0].row.rule, ignored[1])
        return Answer(Disposition.UNMAPPED)

    def unmapped_path(self, name: str, ran: Ran, field: int, comp: int) -> str:
        """``PV1-41`` if no rule that ran reads the field at all, else ``PV1-3.5``."""
        known = any(
            not cover.bit or cover.bit & bits
            for number, bits in ran
            for cover in self.covers[number].get(field, ())
        )
        return f"{name}-{field}.{comp}" if known else f"{name}-{field}"

    def count(
        self, name: str, ran: Ran, shape: bytes, delimiters: tuple[bytes, bytes, bytes, bytes]
    ) -> Counted:
        """What became of the leaves of a segment of this shape."""
        key = (name, ran, shape)
        known = self._counts.get(key)
        if known is None:
            known = self._count(name, ran, shape, delimiters)
            if len(self._counts) > 50_000:
                self._counts.clear()
            self._counts[key] = known
        return known

    def _count(
        self, name: str, ran: Ran, shape: bytes, delimiters: tuple[bytes, bytes, bytes, bytes]
    ) -> Counted:
        totals = dict.fromkeys(Disposition, 0)
        paths: dict[str, None] = {}
        left: dict[int, None] = {}
        by_field, by_rep, by_comp, by_sub = delimiters
        for field, text in enumerate(shape.split(by_field)):
            if not field or not text:
                continue
            for rep, rep_text in enumerate(text.split(by_rep), 1):
                for comp, comp_text in enumerate(rep_text.split(by_comp), 1):
                    for sub, leaf in enumerate(comp_text.split(by_sub), 1):
                        if not leaf:
                            continue
                        answer = self.answer(ran, field, rep, comp, sub)
                        totals[answer.disposition] += 1
                        if answer.disposition is not Disposition.MAPPED and name not in _ENVELOPE:
                            left[field] = None
                        if answer.disposition is Disposition.UNMAPPED:
                            paths[self.unmapped_path(name, ran, field, comp)] = None
        return (
            totals[Disposition.MAPPED],
            totals[Disposition.IGNORED],
            totals[Disposition.UNMAPPED],
            tuple(paths),
            tuple(left),
        )
