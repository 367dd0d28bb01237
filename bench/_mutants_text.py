"""Mutants of Cedar policies, of SQL and of the tables of protection rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench._mutants import Mutant, numbered


def of_text(root: Path, path: str) -> list[Mutant]:
    """All mutants of a ``.cedar`` or ``.sql`` file, or of the protection rules."""
    text = (root / path).read_text(encoding="utf-8")
    of = _of_cedar if path.endswith(".cedar") else _of_sql if path.endswith(".sql") else _of_rules
    return numbered(list(of(path, text)), text)


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
        return Mutant(self.path, at, kind, " ".join(what.split()), text, self.id)


def _of_cedar(path: str, text: str) -> Iterator[Mutant]:
    for found in _POLICY.finditer(text):
        policy = _Policy(path, text, found.start(), found[1])
        yield from (_of_forbid if found[2] == "forbid" else _of_permit)(policy, found[0])


def _of_forbid(policy: _Policy, whole: str) -> Iterator[Mutant]:
    yield policy.changed("policy dropped", "", 0, len(whole), "")
    actions = re.search(r"action in \[(.*?)\]", whole, re.DOTALL)
    for action in re.finditer(r'Action::"\w+",?\s*', actions[1]) if actions else ():
        start = actions.start(1) + action.start()
        left = re.sub(r",\s*\]", "]", whole[:start] + whole[start + len(action[0]) :])
        yield policy.changed("action dropped", action[0].strip(" ,\n"), 0, len(whole), left)
    for start, end in _clause(whole, "unless", least=2):
        yield policy.changed("unless without", whole[start:end], start, end, "true")


def _of_permit(policy: _Policy, whole: str) -> Iterator[Mutant]:
    for start, end in _clause(whole, "when"):
        yield policy.changed("when without", whole[start:end], start, end, "true")
    for scope in ("principal is User", "principal is Service", "resource is Person",
                  "resource is Site"):  # fmt: skip
        if scope in whole:
            start = whole.index(scope)
            yield policy.changed("scope wider", scope, start, start + len(scope), scope.split()[0])


def _clause(whole: str, word: str, least: int = 1) -> list[tuple[int, int]]:
    """The operands of a clause's condition, where they stand."""
    clause = re.search(rf"{word}\s*\{{.*?\}}", whole, re.DOTALL)
    found = _operands(clause[0], r"\{(.*)\}", r"&&") if clause else []
    at = clause.start() if clause else 0
    return [(at + start, at + end) for start, end in found] if len(found) >= least else []


def _operands(text: str, inside: str, operator: str) -> list[tuple[int, int]]:
    match = re.search(inside, text, re.DOTALL)
    if not match:
        return []
    cuts = [m.span() for m in re.finditer(operator, match[1])]
    starts, ends = [0, *(c[1] for c in cuts)], [*(c[0] for c in cuts), len(match[1])]
    found = []
    for start, end in zip(starts, ends, strict=True):
        part = match[1][start:end]
        lead = len(part) - len(part.lstrip())
        found.append((match.start(1) + start + lead, match.start(1) + start + len(part.rstrip())))
    return found


# SQL

_IF = re.compile(r"(?<!END )\bIF\b(?! NOT EXISTS)([^;]*?)\bTHEN\b", re.DOTALL)
#: Up to what ends it; with brackets that fit.
_WHERE = re.compile(r"\bWHERE ((?:[^;()]|\((?:[^;()]|\([^;()]*\))*\))+?)"
                    r"(?= ORDER BY| LIMIT| FOR |;|\))")  # fmt: skip
_OF_SQL = re.compile(r"CREATE (?:OR REPLACE )?FUNCTION (\w+)(.*?)(?:\$\$;|;\n\n)", re.DOTALL)


def _of_sql(path: str, text: str) -> Iterator[Mutant]:
    for function in _OF_SQL.finditer(text):
        name, start = function[1], function.start()
        for from_, to, kind, into in _in_function(function[0]):
            what = " ".join(function[0][from_:to].split())[:100]
            at = text.count("\n", 0, start + from_) + 1
            changed = text[: start + from_] + into + text[start + to :]
            yield Mutant(path, at, kind, what, changed, name)


def _in_function(body: str) -> Iterator[tuple[int, int, str, str]]:
    """(start, end, kind, what is put there)."""
    for found in _IF.finditer(body):
        refuses = re.match(r"\s*(RAISE\b|RETURN( NULL| false| 0)?;)", body[found.end() :])
        yield (*found.span(1), "never refuses" if refuses else "always",
               " false " if refuses else " true ")  # fmt: skip
        for start, end in _split(body, *found.span(1), "OR" if refuses else "AND"):
            yield start, end, "without operand", "false" if refuses else "true"
    for found in re.finditer(r"^\s*PERFORM (?:public\.)?require_\w+\(.*?\);", body, re.M | re.S):
        yield *found.span(), "not called", ""
    boolean = re.search(r"RETURNS boolean", body)
    for found in re.finditer(r"\bRETURN (?!QUERY|NULL|false|true|NEW)([^;]+)(?:;|\Z)", body):
        if boolean:
            yield *found.span(1), "always true", "true"
            yield from ((s, e, "without operand", "true")
                        for s, e in _split(body, *found.span(1), "AND"))  # fmt: skip
        elif "integer" in body[: found.start()].partition("RETURNS")[2][:10] and "~" in found[1]:
            yield *found.span(1), "nothing forbidden", "0"
    for found in _WHERE.finditer(body):
        yield *found.span(1), "WHERE dropped", "true"
        yield from ((s, e, "WHERE without", "true")
                    for s, e in _split(body, *found.span(1), "AND"))  # fmt: skip
    for found in re.finditer(r"EXECUTE format\('ALTER TABLE [^;]*ROW LEVEL SECURITY'[^;]*;", body):
        yield *found.span(), "not called", "NULL;"


def _split(text: str, start: int, end: int, operator: str) -> list[tuple[int, int]]:
    """Operands of ``operator`` that stand between brackets that fit; none if it is only one."""
    parts = [(start + s, start + e) for s, e in
             _operands(text[start:end], r"\A(.*)\Z", rf"\b{operator}\b")]  # fmt: skip
    fits = [(s, e) for s, e in parts if text[s:e].count("(") == text[s:e].count(")")]
    return fits if len(parts) > 1 else []


# Tables of rules

_WEAKER = {
    "NOBODY": ("SITE",),
    "EVERYONE": ("SITE",),
    "PERSON": ("SITE",),
    "LINK": ("SITE",),
    "LABELLED": ("PERSON",),
    "RESOURCE": ("LABELLED", "PERSON"),
    "LANDING": ("PERSON",),
}


def _of_rules(path: str, text: str) -> Iterator[Mutant]:
    """Every rule of a table opened further, every role given more, every condition left out."""

    def made(start: int, end: int, into: str, kind: str, where: str, what: str) -> Mutant:
        at = text.count("\n", 0, start) + 1
        return Mutant(path, at, kind, what, text[:start] + into + text[end:], where)

    for found in re.finditer(r'^    "(\w+)": Table\(Rule\.(\w+)(.*)\),', text, re.MULTILINE):
        for weaker in _WEAKER.get(found[2], ()):
            yield made(*found.span(2), weaker, "row policy", found[1], f"{found[2]} -> {weaker}")
        for role in ("ingest", "worker", "serve"):
            given = re.search(rf', {role}="([^"]*)"', found[3])
            has = given[1] if given else ""
            lacks = [more for more in "SIUD" if not re.search(rf"{more}(?!\()", has)]
            start, end = given.span() if given else (len(found[3]), len(found[3]))
            # To read more is one thing, to write more another.
            for more in filter(None, ("S" * ("S" in lacks), "".join(lacks).replace("S", ""))):
                put, at = f', {role}="{has}{more}"', found.start(3)
                yield made(at + start, at + end, put, "may more", found[1],
                           f"{role} {has!r} + {more}")  # fmt: skip
    for found in re.finditer(r'^    "(\w+)": (frozenset\(.*?\)),?$', text, re.MULTILINE):
        yield made(*found.span(2), "_ALL", "callable by all", found[1], found[2])
    for found in re.finditer(r"^    ([A-Z]+) = (f?(?:\"\"\".*?\"\"\"|\"[^\"\n]+\"))", text,
                             re.MULTILINE | re.DOTALL):  # fmt: skip
        if "SELECT" not in found[2]:
            continue
        yield made(*found.span(2), '"true"', "USING (true)", found[1], "")
        for part in re.finditer(r"\s*\bAND (?:labels & \(SELECT access_\w+\(\)\) = 0"
                                r"|\(SELECT access_granted\(\)\)"
                                r"|prior = ANY[^\n]*\[\)(?=\"))", found[2]):  # fmt: skip
            start = found.start(2) + part.start()
            what = " ".join(part[0].split())
            yield made(start, start + len(part[0]), "", "policy without", found[1], what)
