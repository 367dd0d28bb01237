"""Puts the segments of a message into groups: tolerant of what is missing, extra or repeated.

A segment goes to the innermost open group that knows it, or that has a sub-group which it opens.
A group's ``opens`` lists the segments that can begin it, in their order: it begins anew when one
arrives that, or a later one of which, it already has. So ``ORC OBR`` is one order, ``OBR OBR`` two.
"""

from __future__ import annotations

from chartloom.formats.hl7v2 import Segment, Tree
from chartloom.normalize.context import Instance
from chartloom.normalize.model import GroupDef, MessageDef


class Structure:
    """The grouping rules of one message definition, with remembered transitions."""

    def __init__(self, definition: MessageDef) -> None:
        self.groups = definition.groups
        self.root = next(g.name for g in self.groups.values() if not g.within)
        self.children: dict[str, list[GroupDef]] = {name: [] for name in self.groups}
        for group in self.groups.values():
            if group.within:
                self.children[group.within].append(group)
        #: (current group, segment) -> (levels up, groups to open, reopen check) or None
        self._moves: dict[tuple[str, str], tuple[int, tuple[str, ...], bool] | None] = {}

    def arrange(self, tree: Tree) -> tuple[list[Instance], list[Segment]]:
        """The instances, each behind its parent, and the segments that found no place."""
        current = Instance(self.root, None)
        instances = [current]
        unplaced: list[Segment] = []
        moves = self._moves
        for segment in tree.segments:
            name = segment.name
            key = (current.group, name)
            move = moves[key] if key in moves else self._find(key)
            if move is None:
                unplaced.append(segment)
                continue
            up, opened, check = move
            for _ in range(up):
                assert current.parent is not None
                current = current.parent
            if check and self._must_reopen(current, name):
                parent = current.parent
                assert parent is not None
                current = self._open(current.group, parent)
                instances.append(current)
            for group in opened:
                current = self._open(group, current)
                instances.append(current)
            held = current.held.get(name)
            if held is None:
                current.held[name] = [segment]
            else:
                held.append(segment)
        for instance in instances:
            if instance.parent is not None:
                instance.sight = {**instance.parent.sight, **instance.held}
        return instances, unplaced

    @staticmethod
    def _open(group: str, parent: Instance) -> Instance:
        instance = Instance(group, parent)
        parent.children.append(instance)
        return instance

    def _must_reopen(self, instance: Instance, name: str) -> bool:
        opens = self.groups[instance.group].opens
        return any(o in instance.held for o in opens[opens.index(name) :])

    def _find(self, key: tuple[str, str]) -> tuple[int, tuple[str, ...], bool] | None:
        group, name = key
        at: str = group
        up = 0
        result: tuple[int, tuple[str, ...], bool] | None = None
        while result is None:
            definition = self.groups[at]
            if name in definition.opens and definition.within:
                result = (up, (), True)
            elif name in definition.segments or name in definition.opens:
                result = (up, (), False)
            elif way := self._way_down(at, name):
                result = (up, way, False)
            elif not definition.within:
                break
            else:
                at, up = definition.within, up + 1
        if len(self._moves) < 4096:
            self._moves[key] = result
        return result

    def _way_down(self, group: str, name: str) -> tuple[str, ...]:
        """Groups to open, outermost first, so that ``name`` can stand in the last of them."""
        level: list[tuple[str, ...]] = [(c.name,) for c in self.children[group]]
        while level:
            for way in level:
                if name in self.groups[way[-1]].opens:
                    return way
            level = [(*w, c.name) for w in level for c in self.children[w[-1]]]
        return ()
