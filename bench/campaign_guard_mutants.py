"""Takes away one check at a time from guard, doors, policies and row-level security: who notices?

    .venv/bin/python -m bench.campaign_guard_mutants               # all
    .venv/bin/python -m bench.campaign_guard_mutants --survivors   # those that were not killed
    .venv/bin/python -m bench.campaign_guard_mutants --only guard/tokens --show

Works on a copy of the committed tree. Every mutant (``_mutants``, ``_mutants_text``) gets the tests
that reach its lines (``_reached``), in a fork of a process that has everything imported
(``_warm``); it is killed by the first test that fails. Those that cannot be noticed are in
``guard-mutants-equivalent.txt``, each with its reason, and are reported apart.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from bench._guard_places import (
    LEFT_OUT,
    QUICK_TESTS,
    TESTS,
    all_mutants,
    files_for,
    is_passed_by_all,
    migrates,
)
from bench._mutants import Mutant
from bench._reached import Reach
from bench._report import RESULTS, Report, commit

from chartloom.engines.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
EQUIVALENT = Path(__file__).with_name("guard-mutants-equivalent.txt")
_COPIED = ("src", "tests", "bench", "tools", "docs", "pyproject.toml", "README.md", "changes")
_TESTS_S = 90.0
_WIDE_S = 600.0
_NOT_GREEN_MAX = 4


class Process:
    """One process of ``_warm`` in the copy of the tree."""

    def __init__(self, folder: Path, root: Path, env: dict[str, str], *arguments: str) -> None:
        self._out, self._log = folder / "out", folder / "log"
        (asks, self._asks), (self._answers, answers) = os.pipe(), os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench._warm", str(asks), str(answers), *arguments],
            cwd=root, env=env, pass_fds=(asks, answers), stdout=(folder / "server.log").open("ab"),
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        os.close(asks)
        os.close(answers)
        self._to, self._from = os.fdopen(self._asks, "w"), os.fdopen(self._answers)

    def answer(self) -> dict[str, Any]:
        """The next answer."""
        line = self._from.readline()
        if not line:
            raise RuntimeError(f"the process ended: see {self._log.parent}/server.log")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def run(self, **asked: Any) -> dict[str, Any]:
        """Asks for something to be run in a fork."""
        asked |= {"out": str(self._out), "log": str(self._log)}
        self._to.write(json.dumps(asked) + "\n")
        self._to.flush()
        return self.answer()

    def close(self) -> None:
        """Ends it."""
        self._to.close()
        self._process.wait(30)


class Tree:
    """A copy of the committed tree, in which tests are run with one mutant at a time."""

    def __init__(self, folder: Path, dsn: str, tests: tuple[str, ...]) -> None:
        self.root, self._folder = folder / "tree", folder
        self.root.mkdir()
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", "HEAD", *_COPIED],
                                 capture_output=True, check=True)  # fmt: skip
        subprocess.run(["tar", "-x", "-C", str(self.root)], input=archive.stdout, check=True)
        self._env = os.environ | {
            "PYTHONPATH": f"{self.root / 'src'}:{self.root}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "CHARTLOOM_CORPORA": os.environ.get(
                "CHARTLOOM_CORPORA", str((ROOT / "../shared/data").resolve())
            ),
            "CHARTLOOM_TEST_DSN": dsn,
            "CHARTLOOM_TEST_TEMPLATES": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
            "TMPDIR": str(folder),
        }
        subprocess.run([sys.executable, "-m", "compileall", "-q", "src", "tests"], cwd=self.root,
                       check=True)  # fmt: skip
        self.warm = Process(folder, self.root, self._env, "--",
                            *(t for t in tests if (self.root / t).exists()))  # fmt: skip
        items: list[str] = self.warm.answer()["items"]
        self.items = [i for i in items if i.partition("::")[0] not in LEFT_OUT]
        self._not_green: dict[tuple[str, str], list[str] | None] = {}
        self.fresh = Process(folder, self.root, self._env, "--fresh")

    def swapped(self, mutant: Mutant, nodes: list[str], timeout_s: float) -> dict[str, Any]:
        """Runs tests with a mutant whose functions are exchanged where they live."""
        file = self.root / mutant.path
        return self.warm.run(
            file=str(file), original=file.read_text(encoding="utf-8"), text=mutant.text,
            nodes=nodes, timeout_s=timeout_s, migrate=migrates(mutant.path),
            tables=mutant.path.endswith("protection_rules.py"),
        )  # fmt: skip

    def imported(self, mutant: Mutant, test: str, timeout_s: float) -> dict[str, Any] | None:
        """Runs test files (with blanks between) with a mutant that is imported, or read, anew.

        Without those tests that do not pass with the original, put there in the same way; ``None``
        if there are many.
        """
        kind = (mutant.path if mutant.path.endswith(".py") else Path(mutant.path).suffix, test)
        if kind not in self._not_green:
            self._not_green[kind] = self._look(mutant, test)
        wrong = self._not_green[kind]
        return None if wrong is None else self._imported(mutant, test, timeout_s, wrong)

    def _look(self, mutant: Mutant, test: str) -> list[str] | None:
        """The tests that do not pass with the original; ``None`` if more than a few do not."""
        original = (self.root / mutant.path).read_text(encoding="utf-8")
        wrong: list[str] = []
        for _ in range(_NOT_GREEN_MAX):
            answer = self._imported(replace(mutant, text=original), test, 600, wrong)
            if not answer.get("failed", ["hung"]) and answer["passed"]:
                return wrong
            wrong += answer.get("failed", [])
            print(f"not green with the original, left out: {wrong or answer}", flush=True)
        return None

    def _imported(
        self, mutant: Mutant, test: str, timeout_s: float, wrong: list[str]
    ) -> dict[str, Any]:
        file = self.root / mutant.path
        original, mark = file.read_text(encoding="utf-8"), ""
        module = ""
        if mutant.path.endswith(".py"):
            module = mutant.path.removeprefix("src/").removesuffix(".py").replace("/", ".")
            mark = f"\n__mutant__ = {mutant.name!r}\n"
        try:
            self._put(file, mutant.text + mark)
            return self.fresh.run(tests=test.split(), timeout_s=timeout_s, module=module,
                                  mark=mutant.name, left_out=wrong)  # fmt: skip
        finally:
            self._put(file, original)

    def _put(self, file: Path, text: str) -> None:
        file.write_text(text, encoding="utf-8")
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()

    def close(self) -> None:
        """Ends both processes."""
        self.warm.close()
        self.fresh.close()


def try_one(
    tree: Tree, reach: Reach, mutant: Mutant, *, wide: bool, glance: bool, limit_s: float
) -> dict[str, Any]:
    """What became of a mutant: killed (and by what), hung, survived, unreached or trouble.

    glance: what was exchanged in living code is not also imported anew.
    """
    limit_s, tests = _WIDE_S if wide else limit_s, 0
    files = files_for(tree.root, mutant.path)
    if mutant.path.endswith("protection_rules.py"):
        nodes = [n for f in files for n in tree.items if n.startswith(f"{f}::")]
        answer = tree.swapped(mutant, nodes, 600)
        if answer.get("swapped") != 0:
            return judged(answer, reach, len(nodes))
    elif mutant.path.endswith(".py"):
        nodes = reach.tests_for(mutant.path, mutant.at, max(mutant.end, mutant.at), wide=wide)
        if is_passed_by_all(mutant.path):  # those about it first
            nodes.sort(key=lambda n: n.partition("::")[0] not in files)
        while len(nodes) > 8 and reach.seconds(nodes) > limit_s:
            del nodes[-max(1, len(nodes) // 10) :]
        if nodes:
            answer = tree.swapped(mutant, nodes, 15 + 4 * reach.seconds(nodes))
            row = judged(answer, reach, len(nodes))
            if answer.get("swapped") != 0 and (glance or row["outcome"] != "survived"):
                return row
            # What a test file did when it was collected was done without the mutant.
            files = list(dict.fromkeys(n.partition("::")[0] for n in nodes))[: 99 if wide else 4]
        elif not (wide or mutant.where in ("", "Need") or mutant.path.endswith("needs.py")):
            return {"outcome": "unreached"}  # the others ran when something was imported
    else:
        files = [" ".join(files)]  # none of them imports it; one start is enough
    row: dict[str, Any] = {"outcome": "unreached"}
    took = 0.0
    for file in files:
        answer = tree.imported(mutant, file, 600)
        if answer is None:
            continue
        took += answer["s"]
        if not (answer.get("failed") or answer.get("swapped") or "hung" in answer):
            continue  # this file does not import it
        tests += len(answer.get("passed", ()))
        row = judged(answer, reach, tests) | {"s": round(took, 1)}
        if row["outcome"] != "survived":
            break
    return row


def judged(answer: dict[str, Any], reach: Reach, tests: int) -> dict[str, Any]:
    """An answer as a row."""
    row: dict[str, Any] = {"s": answer["s"], "tests": tests}
    if answer.get("hung"):
        return row | {"outcome": "hung"}
    if "died" in answer:
        return row | {"outcome": "trouble", "by": f"exit {answer['died']}"}
    if answer.get("failed"):
        reach.kills[answer["failed"][0]] += 1
        return row | {"outcome": "killed", "by": answer["failed"][0][:160]}
    if not answer["swapped"]:
        return row | {"outcome": "trouble", "by": "the mutant was not the one imported"}
    if not answer["passed"]:
        return row | {"outcome": "unreached"}
    return row | {"outcome": "survived"}


@contextmanager
def server() -> Iterator[str]:
    """A server for the store's tests; what is not durable there is only faster."""
    folder = Path(tempfile.mkdtemp(prefix="cl-mut-pg-"))
    postgres = EmbeddedPostgres(folder / "pg")
    postgres.start()
    try:
        with psycopg.connect(postgres.dsn, autocommit=True) as conn:
            for setting in ("fsync = off", "full_page_writes = off", "synchronous_commit = off"):
                conn.execute(f"ALTER SYSTEM SET {setting}")
            conn.execute("SELECT pg_reload_conf()")
        yield postgres.dsn
    finally:
        postgres.stop()
        shutil.rmtree(folder)


def equivalents() -> dict[str, str]:
    """Mutants that no test can notice, with the reason."""
    found = {}
    for line in EQUIVALENT.read_text(encoding="utf-8").splitlines() if EQUIVALENT.exists() else ():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.partition(" => ")
            if not reason:
                raise SystemExit(f"no reason is given for: {line}")
            found[name.strip()] = reason.strip()
    return found


def baseline(tree: Tree, rows: dict[str, dict[str, Any]]) -> list[str]:
    """Every test that killed something passes without a mutant, in the same process."""
    killers = sorted({r["by"] for r in rows.values() if r["outcome"] == "killed"})
    nodes = [n for n in tree.items if n in killers]
    wrong: list[str] = []
    for at in range(0, len(nodes), 100):
        answer = tree.warm.run(nodes=nodes[at : at + 100], timeout_s=900)
        wrong += answer.get("failed") or ([] if "passed" in answer else ["too long"])
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="parts of paths, with commas")
    parser.add_argument("--survivors", action="store_true", help="all that are not killed so far")
    parser.add_argument("--new", action="store_true", help="those not tried so far")
    parser.add_argument("--text", action="store_true", help="only policies, SQL, rules; no map")
    parser.add_argument("--code", action="store_true", help="only code that is not such")
    parser.add_argument("--quick", action="store_true", help="without tests of a whole site")
    parser.add_argument("--tests", default="", help="only these; what others notice stays open")
    parser.add_argument("--refresh", default="tests/", help="where to look for changed tests")
    parser.add_argument("--seconds", type=float, default=_TESTS_S, help="tests for each mutant")
    parser.add_argument("--glance", action="store_true", help="a first look, not the last word")
    parser.add_argument("--wide", action="store_true", help="more tests, more time for each")
    parser.add_argument("--show", action="store_true", help="say what killed each")
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--results", type=Path, default=RESULTS / "guard-mutants.json")
    parser.add_argument("--map", type=Path,
                        default=Path(tempfile.gettempdir()) / "chartloom-reached.json")  # fmt: skip
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is known is kept
    known: dict[str, dict[str, Any]] = {}
    if asked.results.exists():
        known = {r["mutant"]: r for r in json.loads(asked.results.read_text())["rows"]}
    end, excused = time.monotonic() + asked.minutes * 60, equivalents()
    folder = Path(tempfile.mkdtemp(prefix="cl-mut-"))
    with server() as dsn:
        rules = ("tests/security/test_store_roles.py", "tests/contract")
        tests = rules if asked.text else QUICK_TESTS if asked.quick else TESTS
        if asked.tests:
            tests = tuple(asked.tests.split(","))
        tree = Tree(folder, dsn, tests)
        try:
            mutants = {m.name: m for m in all_mutants(tree.root)}
            known = {n: r for n, r in known.items() if n in mutants}
            if strange := sorted(excused.keys() - mutants.keys()):
                raise SystemExit(f"no mutant is named {strange[0]!r} in {EQUIVALENT.name}")
            reach = Reach(tree.root)
            reach.load(asked.map)
            sources = sorted({m.path for m in mutants.values() if m.path.endswith(".py")})
            place = "-" if asked.text else asked.refresh
            reach.refresh(tree.warm.run, tree.items, sources, asked.map, place)
            for row in known.values():
                reach.kills[row.get("by", "")] += 1
            chosen = [m for m in mutants.values() if wanted(asked, known.get(m.name), m, excused)]
            for mutant in sorted(chosen, key=lambda m: cost(reach, m)):
                if time.monotonic() > end:
                    break
                name = mutant.name
                row = try_one(tree, reach, mutant, wide=asked.wide, glance=asked.glance,
                              limit_s=asked.seconds)  # fmt: skip
                if asked.tests and row["outcome"] not in ("killed", "hung"):
                    continue  # others may notice
                row |= {"mutant": name, "at": mutant.at}
                known[name] = row
                if row["outcome"] != "killed" or asked.show:
                    print(f"{row['outcome']} ({row.get('by', row.get('tests'))}):"
                          f" {name} (line {mutant.at})", flush=True)  # fmt: skip
                save(asked.results, known, excused, len(mutants))
            flaky = [] if asked.glance else baseline(tree, known)
        finally:
            tree.close()
            shutil.rmtree(folder, ignore_errors=True)
    counts = save(asked.results, known, excused, len(mutants), not_green=flaky)
    print(json.dumps(counts), "not green without a mutant:", flaky)
    return 0 if set(counts) <= {"killed", "hung", "equivalent"} and not flaky else 1


def cost(reach: Reach, mutant: Mutant) -> tuple[float, str]:
    """What is likely to be answered soon comes first; one file's together where it is alike."""
    if mutant.path.endswith("protection_rules.py"):
        return 0.0, mutant.path
    if not mutant.path.endswith(".py"):
        return 9.0 if mutant.kind.startswith("WHERE") else 2.0, mutant.path
    nodes = reach.tests_for(mutant.path, mutant.at, max(mutant.end, mutant.at))[:4]
    return round(reach.seconds(nodes)) if nodes else 0.0, mutant.path


def wanted(
    asked: argparse.Namespace,
    before: dict[str, Any] | None,
    mutant: Mutant,
    excused: dict[str, str],
) -> bool:
    """Whether a mutant is tried."""
    if mutant.name in excused or not any(p in mutant.path for p in asked.only.split(",")):
        return False
    is_code = mutant.path.endswith(".py") and "protection_rules" not in mutant.path
    if (asked.text and is_code) or (asked.code and not is_code):
        return False
    if asked.new:
        return before is None
    return not asked.survivors or before is None or before["outcome"] not in ("killed", "hung")


def save(
    path: Path, known: dict[str, dict[str, Any]], excused: dict[str, str], whole: int, **more: Any
) -> dict[str, int]:
    """Writes what is known so far; counts by outcome."""
    rows = [r for n, r in known.items() if n not in excused]
    counts = dict(Counter(row["outcome"] for row in rows)) | {"equivalent": len(excused)}
    if left := whole - sum(counts.values()):
        counts["not tried"] = left
    about = {"version": commit(), "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", "counts": counts}
    report = Report("guard-mutants", mutants=whole, equivalent=excused, **about, **more)
    report.rows = rows
    report.save(path)
    return counts


if __name__ == "__main__":
    sys.exit(main())
