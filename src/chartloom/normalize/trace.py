"""Evidence for every value, and what became of every field: the traced run's notebook."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chartloom.domain.resource import Derived, Disposition, Evidence, FhirJson, LossRow
from chartloom.formats.hl7v2 import Leaf, Segment, Tree
from chartloom.normalize.coverage import Answer
from chartloom.normalize.engine import Engine

Record = tuple[int, str, int, Segment, int, int, int, str]


class Tracer:
    """Notes which rule set which element from where, while a traced run goes on."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.names = list(engine.tables.segments)
        self.records: list[Record] = []
        self._table, self._resource = 0, ""
        self._leaves: dict[int, list[Leaf]] = {}
        self._resources: dict[str, FhirJson] = {}
        self._targets: dict[tuple[int, int, int, int, int], dict[str, None]] = {}

    def begin(self, table: int, resource_id: str) -> None:
        """From now on this table fills this resource."""
        self._table, self._resource = table, resource_id

    def record(self, rule: int, seg: Segment, field: int, rep: int, comp: int, path: str) -> None:
        """A rule set the element at ``path``."""
        self.records.append((self._table, self._resource, rule, seg, field, rep, comp, path))

    def leaves(self, seg: Segment) -> list[Leaf]:
        """The leaves of a segment, found once."""
        if seg.index not in self._leaves:
            self._leaves[seg.index] = list(seg.leaves())
        return self._leaves[seg.index]

    def evidence(self, derived: Derived) -> tuple[Evidence, ...]:
        """Where each value came from, in the order in which it was set."""
        for contribution in derived.contributions:
            self._resources[contribution.id] = contribution.resource
        if derived.provenance is not None:
            self._resources[derived.provenance["id"]] = derived.provenance
        result: dict[tuple[str, str, str, str], list[tuple[int, int]]] = {}
        for record in self.records:
            self._explain(record, result)
        return tuple(
            Evidence(resource, element, rule, location, tuple(dict.fromkeys(spans)))
            for (resource, element, rule, location), spans in result.items()
        )

    def _explain(
        self, record: Record, result: dict[tuple[str, str, str, str], list[tuple[int, int]]]
    ) -> None:
        table, id, number, seg, field, rep, _, path = record
        resource = self._resources.get(id)
        if resource is None:
            return
        filler = self.engine.traced[0][self.names[table]]
        row = filler.rules[number]
        if not field:  # a constant or a reference: the segment as a whole is the evidence
            where = _existing(resource, path)
            if where:
                result.setdefault((id, where, row.rule, seg.path), []).append((seg.start, seg.end))
            return
        cover = next(c for c in filler.covers if c.row is row)
        for leaf in self.leaves(seg):
            if leaf.field != field or (rep and leaf.rep != rep):
                continue
            part = cover.part(leaf.field, leaf.rep, leaf.comp, leaf.sub)
            if part is None or part.ignore:
                continue
            paths = [f"{path}.{t}" for t in part.targets if t] or [path]
            found = [w for p in paths if (w := _existing(resource, p))]
            if not found and (whole := _existing(resource, path) or _instead(resource, path)):
                found = [whole]
            found = [_leaf_of(resource, where, leaf.text) for where in found]
            for where in found:
                key = (id, where, row.rule, leaf.path)
                result.setdefault(key, []).append((leaf.start, leaf.end))
                slot = (seg.index, leaf.field, leaf.rep, leaf.comp, leaf.sub)
                target = f"{resource['resourceType']}.{where}"
                self._targets.setdefault(slot, {})[target] = None

    def loss(
        self, tree: Tree, ran_by: Sequence[dict[tuple[int, int], None]] | None
    ) -> tuple[LossRow, ...]:
        """One row per leaf; call :meth:`evidence` first, it finds the targets."""
        rows = []
        for seg in tree.segments:
            ran = tuple(ran_by[seg.index]) if ran_by is not None else ()
            for leaf in self.leaves(seg):
                answer = self.engine.coverage.answer(ran, leaf.field, leaf.rep, leaf.comp, leaf.sub)
                rows.append(self._row(leaf, answer))
        return tuple(rows)

    def _row(self, leaf: Leaf, answer: Answer) -> LossRow:
        slot = (leaf.segment.index, leaf.field, leaf.rep, leaf.comp, leaf.sub)
        targets = tuple(self._targets.get(slot, ()))
        if answer.disposition is Disposition.MAPPED and not targets:
            targets = tuple(dict.fromkeys(_declared(answer)))
        return LossRow(
            leaf.path,
            (leaf.start, leaf.end),
            answer.disposition,
            answer.rule,
            targets if answer.disposition is Disposition.MAPPED else (),
            answer.reason,
        )


def _declared(answer: Answer) -> list[str]:
    """What the rules say they fill, where no value came of it (null, or invalid)."""
    result = []
    for cover, part in answer.covers:
        resource = cover.row.rule.partition(">")[2].partition(".")[0]
        for target in part.targets or ("",):
            path = f"{cover.row.path}.{target}" if target else cover.row.path
            result.append(f"{resource}.{path}" if resource else path)
    return result


def _existing(resource: FhirJson, path: str) -> str:
    """The path if the resource has it; ``value[x]`` as it is spelled there; ``""`` if absent."""
    at: Any = resource
    done: list[str] = []
    for step in path.split("."):
        name, _, index = step.partition("[")
        if not isinstance(at, dict):
            return ""
        name = _spelled(at, name, index == "x]")
        if not name:
            return ""
        at = at[name]
        if not index or index == "x]":
            done.append(name)
            continue
        number = index.rstrip("]")
        if not isinstance(at, list) or not at:
            return ""
        if not number.isdigit():  # a path as a table writes it: the list as a whole
            done.append(name)
            break
        if int(number) >= len(at):
            return ""
        at = at[int(number)]
        done.append(f"{name}[{number}]")
    return ".".join(done)


def _instead(resource: FhirJson, path: str) -> str:
    """Where a value went that R4 does not allow as ``value[x]``: several values, or a document."""
    if path != "value[x]" or resource["resourceType"] != "Observation":
        return ""
    for number, extension in enumerate(resource.get("extension", ())):
        if "valueAttachment" in extension:
            return f"extension[{number}].valueAttachment"
    return "component" if "component" in resource else ""


def _leaf_of(resource: FhirJson, where: str, text: str) -> str:
    """The one value below an element that is the text of a field, else the element."""
    at: Any = resource
    for step in where.split("."):
        name, _, index = step.partition("[")
        at = at[name][int(index[:-1])] if index else at[name]
    same = [path for path, value in _leaves(at, where) if value == text]
    return same[0] if len(same) == 1 else where


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _leaves(below, f"{path}.{name}")
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _leaves(below, f"{path}[{number}]")
    elif not isinstance(value, bool):
        yield path, str(value)


def _spelled(at: FhirJson, name: str, choice: bool) -> str:
    """The property that holds an element: itself, one type of a choice, or only an extension."""
    if choice:
        return next((k for k in at if k.startswith(name) and k != name), "")
    return name if name in at else f"_{name}" if f"_{name}" in at else ""
