"""Mutants of code that guards: each has one check less than the original.

Not mutation testing in general: only changes that let more through are made. Python checks are
found in the syntax tree, Cedar policies and SQL by their own marks.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CALLS = re.compile(
    r"_?(verify|require|check|ensure|refuse|validate|must|deny|reject|demand|forbid)\w*\Z"
)
#: Functions that answer true when something is wrong; "nothing is wrong" is the weaker answer.
_WRONG = re.compile(r"(denied|expired|revoked|over\b|stale|wrong|bad|damaged|own\b|guards)")


@dataclass(frozen=True)
class Mutant:
    """One file with one check less. at: line; what: kind and the text that was there."""

    path: str
    at: int
    kind: str
    what: str
    text: str

    @property
    def name(self) -> str:
        """Where and what, stable as long as the line does not change."""
        return f"{self.path}:{self.at} {self.kind}: {self.what}"


def mutants(root: Path, path: str) -> list[Mutant]:
    """All mutants of a file, in the order of its lines."""
    text = (root / path).read_text(encoding="utf-8")
    if path.endswith(".py"):
        found = list(_of_python(path, text))
    elif path.endswith(".cedar"):
        found = list(_of_cedar(path, text))
    else:
        found = list(_of_sql(path, text))
    unique = {m.text: m for m in reversed(found) if m.text != text}
    return sorted(unique.values(), key=lambda m: (m.at, m.kind, m.what))


# Python


class _Source:
    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self._starts = [0]
        for line in text.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def said(self, node: ast.expr | ast.stmt) -> str:
        start, end = self.span(node)
        return self.text.encode()[start:end].decode()

    def changed(self, node: ast.expr | ast.stmt, into: str, kind: str) -> Mutant:
        start, end = self.span(node)
        raw = self.text.encode()
        text = (raw[:start] + into.encode() + raw[end:]).decode()
        what = " ".join(self.said(node).split())[:100]
        return Mutant(self.path, node.lineno, kind, what, text)


def _of_python(path: str, text: str) -> Iterator[Mutant]:
    tree, source = ast.parse(text), _Source(path, text)
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                yield from _of_block(source, statements)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _answers_bool(node):
            yield from _of_judgement(source, node)
        if isinstance(node, ast.ExceptHandler):
            yield from _of_handler(source, node)
        if isinstance(node, ast.IfExp) and _refuses_value(node.orelse):
            yield from _without_operands(source, node.test, ast.And)


def _of_block(source: _Source, statements: list[ast.stmt]) -> Iterator[Mutant]:
    for at, node in enumerate(statements):
        if isinstance(node, ast.If):
            following = statements[at + 1 :]
            if _refuses(node.body):
                yield source.changed(node.test, "False", "never refuses")
                yield from _without_operands(source, node.test, ast.Or)
            elif _refuses(node.orelse) or (following and _refuses(following[:1])):
                yield source.changed(node.test, "True", "always passes")
                yield from _without_operands(source, node.test, ast.And)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await):
            call = node.value.value if isinstance(node.value, ast.Await) else node.value
            if isinstance(call, ast.Call) and _CALLS.match(_last_name(call.func)):
                yield source.changed(node, "pass", "not called")
        elif isinstance(node, ast.Assert):
            continue  # for the type checker; nothing rests on them


def _refuses(block: list[ast.stmt]) -> bool:
    """Whether a block ends by refusing: it raises, gives nothing back, or goes to the next."""
    if not block:
        return False
    last = block[-1]
    if isinstance(last, ast.Raise | ast.Continue):
        return True
    return isinstance(last, ast.Return) and (last.value is None or _refuses_value(last.value))


def _refuses_value(value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        return value.value in (None, False, "", 0, b"")
    if isinstance(value, ast.Tuple | ast.List | ast.Set):
        return not value.elts
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.Call):
        name = _last_name(value.func)
        return (
            "refuse" in name
            or "denied" in name.lower()
            or (name in ("frozenset", "set", "tuple", "list", "dict") and not value.args)
        )
    return False


def _without_operands(source: _Source, test: ast.expr, kind: type[ast.boolop]) -> Iterator[Mutant]:
    """Every boolean with one operand less that lets more through."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield from _without_operands(source, test.operand, _other(kind))
        return
    if not isinstance(test, ast.BoolOp):
        return
    if isinstance(test.op, kind):
        neutral = "True" if kind is ast.And else "False"
        for value in test.values:
            yield source.changed(value, neutral, f"without operand ({neutral})")
    for value in test.values:
        yield from _without_operands(source, value, kind)


def _other(kind: type[ast.boolop]) -> type[ast.boolop]:
    return ast.And if kind is ast.Or else ast.Or


def _answers_bool(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return isinstance(node.returns, ast.Name) and node.returns.id == "bool"


def _of_judgement(
    source: _Source, function: ast.FunctionDef | ast.AsyncFunctionDef
) -> Iterator[Mutant]:
    wrong = bool(_WRONG.search(function.name))
    weak, kind = ("False", ast.Or) if wrong else ("True", ast.And)
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            if not isinstance(node.value, ast.Constant):
                yield source.changed(node.value, weak, f"always {weak}")
                yield from _without_operands(source, node.value, kind)
            elif node.value.value is wrong:
                yield source.changed(node.value, weak, f"always {weak}")


def _of_handler(source: _Source, node: ast.ExceptHandler) -> Iterator[Mutant]:
    """A handler that refuses by ``raise`` or an empty answer, swallowing instead."""
    last = node.body[-1]
    value = last.value if isinstance(last, ast.Return) else None
    if isinstance(value, ast.Constant) and value.value is False:
        yield source.changed(value, "True", "trouble passes")


def _last_name(func: ast.expr) -> str:
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


# Cedar

_POLICY = re.compile(r'@id\("([^"]+)"\)(?:\s*@\w+\("[^"]*"\))*\s*(permit|forbid)\s*\(.*?\)\s*'
                     r"(?:when\s*\{.*?\}\s*)?(?:unless\s*\{.*?\}\s*)?;", re.DOTALL)  # fmt: skip


@dataclass(frozen=True)
class _Policy:
    path: str
    text: str
    start: int
    id: str

    def changed(self, kind: str, what: str, start: int, end: int, into: str) -> Mutant:
        at = self.text.count("\n", 0, self.start) + 1
        text = self.text[: self.start + start] + into + self.text[self.start + end :]
        return Mutant(self.path, at, kind, f"{self.id} {what}", text)


def _of_cedar(path: str, text: str) -> Iterator[Mutant]:
    for policy in _POLICY.finditer(text):
        id, effect, whole = policy[1], policy[2], policy[0]

        made = _Policy(path, text, policy.start(), id).changed

        if effect == "forbid":
            yield made("policy dropped", "", 0, len(whole), "")
            actions = re.search(r"action in \[(.*?)\]", whole, re.DOTALL)
            for action in re.finditer(r'Action::"\w+",?\s*', actions[1] if actions else ""):
                start = actions.start(1) + action.start()  # type: ignore[union-attr]
                left = whole[:start] + whole[start + len(action[0]) :]
                left = re.sub(r",\s*\]", "]", left)
                yield made("action dropped", action[0].strip(" ,\n"), 0, len(whole), left)
            clause = re.search(r"unless\s*\{.*?\}", whole, re.DOTALL)
            operands = _operands(clause[0], r"\{(.*)\}", "&&") if clause else []
            for start, end in operands if len(operands) > 1 else []:
                said = clause[0][start:end]  # type: ignore[index]
                shift = clause.start()  # type: ignore[union-attr]
                yield made("unless without", said, shift + start, shift + end, "true")
            continue
        clause = re.search(r"when\s*\{.*?\}", whole, re.DOTALL)
        if clause:
            for start, end in _operands(clause[0], r"\{(.*)\}", "&&"):
                said = " ".join(clause[0][start:end].split())
                yield made(
                    "when without", said, clause.start() + start, clause.start() + end, "true"
                )
        for scope in ("principal is User", "principal is Service", "resource is Person",
                      "resource is Site"):  # fmt: skip
            if scope in whole:
                start = whole.index(scope)
                yield made("scope wider", scope, start, start + len(scope), scope.split()[0])


def _operands(text: str, inside: str, operator: str) -> list[tuple[int, int]]:
    match = re.search(inside, text, re.DOTALL)
    if not match:
        return []
    found, start = [], match.start(1)
    for part in match[1].split(operator):
        lead = len(part) - len(part.lstrip())
        found.append((start + lead, start + len(part.rstrip())))
        start += len(part) + len(operator)
    return found


# SQL

_IF = re.compile(r"(?<!END )\bIF\b([^;]*?)\bTHEN\b(?=\s*(?:RAISE|RETURN\b))", re.DOTALL)


def _of_sql(path: str, text: str) -> Iterator[Mutant]:
    for found in _IF.finditer(text):
        if "EXISTS" in found[1][:8] or "DROP" in found[1]:
            continue
        at = text.count("\n", 0, found.start()) + 1
        what = " ".join(found[1].split())[:100]
        yield Mutant(path, at, "never refuses", what,
                     text[: found.start(1)] + " false " + text[found.end(1) :])  # fmt: skip
        for start, end in _operands(found[0], r"IF(.*)THEN", "\n        OR"):
            said = found[0][start:end]
            if said.count("(") == said.count(")") and (end - start) < len(found[1].strip()):
                yield Mutant(path, at, "without operand", " ".join(said.split())[:100],
                             text[: found.start() + start] + "false"
                             + text[found.start() + end :])  # fmt: skip
    for found in re.finditer(r"^\s*PERFORM (require_\w+)\(.*?\);", text, re.MULTILINE | re.DOTALL):
        at = text.count("\n", 0, found.start()) + 1
        yield Mutant(path, at, "not called", found[1],
                     text[: found.start()] + text[found.end() :])  # fmt: skip


def of_rules(path: str, text: str) -> Iterator[Mutant]:
    """Every rule of a table opened to all, and every grant a bit wider."""
    for found in re.finditer(r'^    "(\w+)": Table\(Rule\.(\w+)', text, re.MULTILINE):
        at = text.count("\n", 0, found.start()) + 1
        for weaker in _WEAKER.get(found[2], ()):
            yield Mutant(path, at, "row policy", f"{found[1]} {found[2]} -> {weaker}",
                         text[: found.start(2)] + weaker + text[found.end(2) :])  # fmt: skip
    for found in re.finditer(r'^    "(\w+)": frozenset\((.*?)\),?$', text, re.MULTILINE):
        at = text.count("\n", 0, found.start()) + 1
        start = text.index("frozenset", found.start())
        after = text[start + len(f"frozenset({found[2]})") :]
        yield Mutant(path, at, "callable by all", found[1], text[:start] + "_ALL" + after)
    for found in re.finditer(r"^    ([A-Z]+) = (f?)(\"\"\".*?\"\"\"|\"[^\"\n]+\")", text,
                             re.MULTILINE | re.DOTALL):  # fmt: skip
        if "SELECT" in found[3]:
            at = text.count("\n", 0, found.start()) + 1
            yield Mutant(path, at, "USING (true)", found[1],
                         text[: found.start(2)] + '"true"' + text[found.end(3) :])  # fmt: skip
            for part in re.finditer(r"\bAND ((?:labels & )?\(SELECT access_\w+\(\)\)[^\n]*= 0"
                                    r"|\(SELECT access_granted\(\)\))", found[3]):  # fmt: skip
                start = found.start(3) + part.start()
                yield Mutant(path, at, "policy without", f"{found[1]} {part[0]}",
                             text[:start] + text[start + len(part[0]) :])  # fmt: skip


_WEAKER = {
    "NOBODY": ("SITE",),
    "EVERYONE": ("SITE",),
    "PERSON": ("SITE",),
    "LINK": ("SITE",),
    "LABELLED": ("PERSON",),
    "RESOURCE": ("LABELLED", "PERSON"),
    "LANDING": ("PERSON",),
}
