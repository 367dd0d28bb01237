"""Which tests reach which lines of the code that guards: a mutant is for those that pass by it.

The map is made once by running the tests with a trace, file by file, and kept between runs of the
campaign; a test file is run again when it changed. Where code changed, lines that stayed keep what
is known of them (``--map`` elsewhere begins anew).
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FILE_S = 400.0
_OF_EACH_FILE = 4
#: Of those that cost less than this, there is no need to choose.
_CHEAP = 0.1


@dataclass
class TestFile:
    """What is known of one. passed: seconds by test; lines: by test and path ("" is set-up)."""

    digest: str
    overhead_s: float
    passed: dict[str, float]
    failed: list[str]
    lines: dict[str, dict[str, list[int]]]


@dataclass
class Reach:
    """The map of all test files. kills: how often a test was the one that noticed."""

    root: Path
    files: dict[str, TestFile] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    _there: frozenset[str] = frozenset()
    _texts: dict[str, str] = field(default_factory=dict)

    def load(self, path: Path) -> None:
        """What was found before."""
        if path.exists():
            known = json.loads(path.read_text())
            self.files = {name: TestFile(**entry) for name, entry in known["files"].items()}
            self._texts = known["texts"]

    def save(self, path: Path) -> None:
        """Keeps it for next time."""
        files = {name: vars(entry) for name, entry in self.files.items()}
        path.write_text(json.dumps({"files": files, "texts": self._texts}))

    def refresh(
        self, run: Any, items: list[str], sources: list[str], kept: Path, place: str
    ) -> None:
        """Runs the test files of ``place`` that have changed; writes to ``kept``."""
        by_file: dict[str, list[str]] = {}
        for item in items:
            by_file.setdefault(item.partition("::")[0], []).append(item)
        self._there = frozenset(items)
        self._follow(sources)
        trace = [str(self.root / path) for path in sources]
        for name, nodes in sorted(by_file.items()):
            digest = _digest(self.root / name)
            known = self.files.get(name)
            if not name.startswith(tuple(place.split(","))):
                continue
            if known and known.digest == digest and {*known.passed, *known.failed} >= set(nodes):
                continue
            answer = run(nodes=nodes, trace=trace, timeout_s=_FILE_S)
            self.files[name] = self._read(digest, answer)
            self.save(kept)
            print(f"{name}: {len(self.files[name].passed)} tests, {answer['s']} s", flush=True)
            for bad in self.files[name].failed[:5]:
                print(f"  not green without any mutant, left out: {bad}", flush=True)

    def _follow(self, sources: list[str]) -> None:
        """Gives lines of code that changed the numbers that they have now."""
        for path in sources:
            text = (self.root / path).read_text(encoding="utf-8")
            before = self._texts.get(path, text)
            self._texts[path] = text
            if before == text:
                continue
            matcher = difflib.SequenceMatcher(None, before.splitlines(), text.splitlines(), False)
            now = {m.a + n + 1: m.b + n + 1
                   for m in matcher.get_matching_blocks() for n in range(m.size)}  # fmt: skip
            for entry in self.files.values():
                for by_path in entry.lines.values():
                    if path in by_path:
                        by_path[path] = [now[n] for n in by_path[path] if n in now]

    def _read(self, digest: str, answer: dict[str, Any]) -> TestFile:
        lines: dict[str, dict[str, list[int]]] = {}
        for node, reached in answer.get("lines", {}).items():
            for file, line in reached:
                path = str(Path(file).relative_to(self.root))
                lines.setdefault(node, {}).setdefault(path, []).append(line)
        failed = answer.get("failed") or ([] if "passed" in answer else ["all (too long)"])
        passed = {n: s for n, s in answer.get("passed", {}).items() if n not in failed}
        overhead = max(0.0, answer["s"] - sum(passed.values()))
        return TestFile(digest, overhead, passed, failed, lines)

    def tests_for(self, path: str, first: int, last: int, *, wide: bool = False) -> list[str]:
        """Tests that reach these lines, the most likely and quickest first, a few of each file
        before more of any: many that are alike notice the same.

        Then those of files that reach them in set-up; with none, those of the function around.
        """
        found = self._reaching(path, first, last)
        if not found or wide:
            around = _function(self.root / path, first)
            found = {**self._reaching(path, *around), **found} if around else found
        quickest = sorted(found, key=found.__getitem__)
        seen: Counter[str] = Counter()
        round_: dict[str, int] = {}
        for node in quickest:
            file = node.partition("::")[0]
            round_[node] = seen[file] // _OF_EACH_FILE if found[node] > _CHEAP else 0
            seen[file] += 1
        return sorted(quickest, key=lambda n: (round_[n], found[n]))

    def _reaching(self, path: str, first: int, last: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for entry in self.files.values():
            shared = any(first <= n <= last for n in entry.lines.get("", {}).get(path, ()))
            share = entry.overhead_s / max(1, len(entry.passed))
            for node, took in entry.passed.items():
                if node not in self._there:
                    continue
                reached = entry.lines.get(node, {})
                if any(first <= n <= last for n in reached.get(path, ())):
                    # What reaches little else is about this.
                    special = 0.1 + sum(map(len, reached.values())) / 300
                    found[node] = (took + 2 * share) * special / (1 + self.kills[node]) ** 0.5
                elif shared:
                    found[node] = 1.0 + 2 * took + entry.overhead_s / (1 + self.kills[node]) ** 0.5
        return found

    def seconds(self, nodes: list[str]) -> float:
        """How long tests take, about."""
        files = {n.partition("::")[0] for n in nodes}
        own = sum(self.files[n.partition("::")[0]].passed[n] for n in nodes)
        return own + sum(self.files[f].overhead_s for f in files)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""


def _function(file: Path, line: int) -> tuple[int, int] | None:
    around = None
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            if node.body[0].lineno <= line <= node.end_lineno:
                around = (node.body[0].lineno, node.end_lineno)
    return around
