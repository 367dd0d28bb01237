"""Mutants of code that guards: each has one check less than the original.

Not mutation testing in general: only changes that let more through are made. Python checks are
found in the syntax tree; Cedar policies and SQL are in ``_mutants_text``.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_CALLS = re.compile(
    r"_?(verify|require|check|ensure|refuse|validate|must|deny|reject|demand|forbid|permit|settle|"
    r"admit|confirm|record|submit|wait)(_\w+)?\Z"
)
#: Functions that answer true when something is wrong; "nothing is wrong" is the weaker answer.
_WRONG = re.compile(r"(denied|expired|revoked|over\b|stale|wrong|bad|damaged|own\b|guards)")


@dataclass(frozen=True)
class Mutant:
    """One file with one check less.

    where: the function, or what a policy or rule is called; at, end: lines of what was changed;
    what: the text that was there; number: of those that are alike in all this.
    """

    path: str
    at: int
    kind: str
    what: str
    text: str
    where: str = ""
    end: int = 0
    number: int = 1

    @property
    def name(self) -> str:
        """Where and what; lines that move do not change it."""
        again = f" #{self.number}" if self.number > 1 else ""
        return f"{self.path} {self.where} {self.kind}: {self.what}{again}"


def numbered(found: list[Mutant], original: str) -> list[Mutant]:
    """Each once, in the order of the lines, with names of their own."""
    unique = {m.text: m for m in reversed(found) if m.text != original}
    seen: Counter[str] = Counter()
    answer = []
    for mutant in sorted(unique.values(), key=lambda m: (m.at, m.kind, m.what)):
        seen[mutant.name] += 1
        answer.append(replace(mutant, number=seen[mutant.name]))
    return answer


def of_python(root: Path, path: str, *, only_raising: bool = False) -> list[Mutant]:
    """All mutants of a module. only_raising: only where a check ends in an error."""
    text = (root / path).read_text(encoding="utf-8")
    return numbered(list(_Finder(path, text, only_raising).found()), text)


class _Finder:
    def __init__(self, path: str, text: str, only_raising: bool) -> None:
        self._path, self._raw, self._only_raising = path, text.encode(), only_raising
        self._tree = ast.parse(text)
        self._starts = [0]
        for line in self._raw.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._where = ""

    def found(self) -> Iterator[Mutant]:
        yield from self._of_scope(self._tree, "")

    def _of_scope(self, scope: ast.AST, where: str) -> Iterator[Mutant]:
        """Everything in a module, class or function, inner ones under their own names."""
        waiting: list[ast.AST] = [scope]
        inner: list[tuple[ast.AST, str]] = []
        while waiting:
            node = waiting.pop()
            self._where = where
            yield from self._of_node(node)
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    inner.append((child, f"{where}.{child.name}".strip(".")))
                else:
                    waiting.append(child)
        for child, name in inner:
            yield from self._of_scope(child, name)

    def _of_node(self, node: ast.AST) -> Iterator[Mutant]:
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                yield from self._of_block(node, statements)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _answers_bool(node):
            yield from self._of_judgement(node)
        if self._only_raising:
            return
        if isinstance(node, ast.ExceptHandler):
            last = node.body[-1]
            value = last.value if isinstance(last, ast.Return) else None
            if isinstance(value, ast.Constant) and value.value is False:
                yield self._changed(value, "True", "trouble passes")
        if isinstance(node, ast.IfExp):
            if _refuses_value(node.orelse) and not _is_part_of(node.test, node.body):
                yield self._changed(node.test, "True", "always passes")
                yield from self._without_operands(node.test, ast.And)
            elif _refuses_value(node.body):
                yield self._changed(node.test, "False", "never refuses")
                yield from self._without_operands(node.test, ast.Or)
        if isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield self._changed(test, "True", "filter dropped")
                yield from self._without_operands(test, ast.And)

    def _of_block(self, owner: ast.AST, statements: list[ast.stmt]) -> Iterator[Mutant]:
        for at, node in enumerate(statements):
            if isinstance(node, ast.If):
                yield from self._of_if(owner, node, statements[at + 1 :])
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
                call = node.value.value if isinstance(node.value, ast.Await) else node.value
                if isinstance(call, ast.Call) and _CALLS.match(_last_name(call.func)):
                    yield self._changed(node, "pass", "not called")

    def _of_if(self, owner: ast.AST, node: ast.If, following: list[ast.stmt]) -> Iterator[Mutant]:
        refuses = _raises if self._only_raising else _refuses
        if refuses(node.body):
            yield self._changed(node.test, "False", "never refuses")
            yield from self._without_operands(node.test, ast.Or)
        elif refuses(node.orelse) or (following and refuses(following[:1])):
            yield self._changed(node.test, "True", "always passes")
            yield from self._without_operands(node.test, ast.And)
        elif isinstance(owner, ast.For) and not node.orelse and not self._only_raising:
            # Kept, or given, only if: what is looked through is not all that is let through.
            yield self._changed(node.test, "True", "always kept")
            yield from self._without_operands(node.test, ast.And)

    def _of_judgement(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mutant]:
        wrong = bool(_WRONG.search(function.name))
        weak, kind = ("False", ast.Or) if wrong else ("True", ast.And)
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                if not isinstance(node.value, ast.Constant):
                    yield self._changed(node.value, weak, f"always {weak}")
                    yield from self._without_operands(node.value, kind)
                elif node.value.value is wrong:
                    yield self._changed(node.value, weak, f"always {weak}")

    def _without_operands(self, test: ast.expr, kind: type[ast.boolop]) -> Iterator[Mutant]:
        """Every boolean with one operand less that lets more through."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield from self._without_operands(test.operand, _other(kind))
            return
        if not isinstance(test, ast.BoolOp):
            return
        if isinstance(test.op, kind):
            neutral = "True" if kind is ast.And else "False"
            for value in test.values:
                yield self._changed(value, neutral, f"without operand ({neutral})")
        for value in test.values:
            yield from self._without_operands(value, kind)

    def _changed(self, node: ast.expr | ast.stmt, into: str, kind: str) -> Mutant:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._starts[node.lineno - 1] + node.col_offset
        end = self._starts[node.end_lineno - 1] + node.end_col_offset
        text = (self._raw[:start] + into.encode() + self._raw[end:]).decode()
        what = " ".join(self._raw[start:end].decode().split())[:100]
        return Mutant(self._path, node.lineno, kind, what, text, self._where, node.end_lineno)


def _raises(block: list[ast.stmt]) -> bool:
    return bool(block) and isinstance(block[-1], ast.Raise)


def _refuses(block: list[ast.stmt]) -> bool:
    """Whether a block ends by refusing: it raises, gives nothing back, or goes to the next."""
    if not block:
        return False
    last = block[-1]
    if isinstance(last, ast.Raise | ast.Continue):
        return True
    if isinstance(last, ast.Expr):
        return _finds_fault(last.value)
    return isinstance(last, ast.Return) and (last.value is None or _refuses_value(last.value))


def _finds_fault(value: ast.expr) -> bool:
    """``yield "what is wrong"``, ``issues.append(...)``."""
    if isinstance(value, ast.Yield):
        return True
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    on = value.func.value
    named = isinstance(on, ast.Name) and on.id in ("issues", "findings", "problems", "wrong")
    return named and value.func.attr in ("append", "extend")


def _refuses_value(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return value.value in (None, False, "", 0, b"")
    if isinstance(value, ast.Tuple | ast.List | ast.Set):
        return not value.elts
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.Call):
        name = _last_name(value.func)
        empty = not value.args and not value.keywords
        return (
            "refuse" in name
            or "denied" in name.lower()
            or name in ("Issue", "Finding")
            or (empty and (name in ("frozenset", "set", "tuple", "list", "dict") or name.istitle()))
        )
    return False


def _is_part_of(tested: ast.expr, value: ast.expr) -> bool:
    """``x[0] if x else ""``, ``x.y if x is not None else 0``: without the test it is an error, and
    lets nothing through."""
    parts = [n for n in ast.walk(value) if isinstance(n, ast.Subscript | ast.Attribute)]
    if isinstance(tested, ast.Compare) and isinstance(tested.ops[0], ast.IsNot):
        tested = tested.left
    return any(ast.dump(part.value) == ast.dump(tested) for part in parts)


def _other(kind: type[ast.boolop]) -> type[ast.boolop]:
    return ast.And if kind is ast.Or else ast.Or


def _answers_bool(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return isinstance(node.returns, ast.Name) and node.returns.id == "bool"


def _last_name(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


# What pages ask for


def of_needs(path: str, text: str) -> list[Mutant]:
    """Every ``Need`` asking for what anybody may, and without each of its conditions."""
    finder, found = _Finder(path, text, False), []
    for statement in ast.parse(text).body:
        name = getattr(statement, "name", "")
        for node in ast.walk(statement):
            if not (isinstance(node, ast.Call) and _last_name(node.func) == "Need"):
                continue
            finder._where = name or "Need"
            own = "((Action.VIEW_OWN_ACCESS, _OPERATE),)"
            found.append(finder._changed(node.args[0], own, "anybody may"))
            for keyword in node.keywords:
                if keyword.arg in ("reason", "mine"):
                    into = "True" if keyword.arg == "reason" else "False"
                    found.append(finder._changed(keyword.value, into, f"without {keyword.arg}"))
    return numbered(found, text)
