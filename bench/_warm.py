"""A pytest run that has collected once and then runs chosen tests in forks, each with a mutant.

    python -m bench._warm REQUESTS ANSWERS -- tests/unit/guard tests/security ...

Requests and answers are lines of JSON on the two file descriptors. A mutant is put into the fork by
changing the code of the functions that live there: nothing is imported or collected again. What
cannot be changed so (code that ran at import) is answered with ``{"swapped": 0}``; a fork that
imports everything anew does those (``fresh``).
"""

from __future__ import annotations

import ast
import contextlib
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest

#: Fixtures that need a Chromium: too slow for a mutant, and the console is tested without.
_SLOW_FIXTURES = frozenset({"chromium", "page"})


def settle_hypothesis() -> None:
    """The same examples each time, none kept, and no search for the smallest one that fails."""
    from hypothesis import HealthCheck, Phase, settings

    settings.register_profile(
        "mutants", phases=[Phase.explicit, Phase.generate], derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), deadline=None,
    )  # fmt: skip
    settings.load_profile("mutants")


# Code that is exchanged

#: Never functions of their own for longer than a call.
_INLINE = frozenset({"<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})


def _codes(
    code: CodeType, path: tuple[tuple[str, int], ...] = ()
) -> Iterator[tuple[Any, CodeType]]:
    seen: dict[str, int] = {}
    for const in code.co_consts:
        if isinstance(const, CodeType) and const.co_name not in _INLINE:
            number = seen[const.co_name] = seen.get(const.co_name, 0) + 1
            place = (*path, (const.co_name, number))
            yield place, const
            yield from _codes(const, place)


def _own(code: CodeType) -> tuple[Any, ...]:
    """What a piece of code does itself, its inner functions apart."""
    consts = [c for c in code.co_consts if not isinstance(c, CodeType) or c.co_name in _INLINE]
    return code.co_code, consts, code.co_names, code.co_varnames


def _is_function(code: CodeType) -> bool:
    return bool(code.co_flags & 0x2)  # CO_NEWLOCALS: modules and classes have it not


def swap(file: str, old_text: str, new_text: str) -> int:
    """Gives living functions of ``file`` the code of the mutant; how many. 0: it cannot be done."""
    old, new = (compile(text, file, "exec", dont_inherit=True) for text in (old_text, new_text))
    before, after = dict(_codes(old)), dict(_codes(new))
    if before.keys() != after.keys() or _own(old) != _own(new):
        return 0
    for place, code in before.items():
        if not _is_function(code) and _own(code) != _own(after[place]):
            return 0
    changed = [(c, after[p]) for p, c in before.items() if _is_function(c) and c != after[p]]
    really = [c for p, c in before.items() if _own(c) != _own(after[p])]
    living = [f for f in gc.get_objects()
              if isinstance(f, FunctionType) and f.__code__.co_filename == file]  # fmt: skip
    count = 0
    for function in living:
        for code, mutated in changed:
            if function.__code__ == code:
                if len(mutated.co_freevars) != len(code.co_freevars):
                    return 0
                function.__code__ = mutated
                count += _holds(code, really)
                break
    return count


def swap_tables(file: str, text: str) -> int:
    """The same for a module of tables: new entries in the dictionaries that all others hold."""
    module = next(m for m in sys.modules.values() if getattr(m, "__file__", None) == file)
    count = 0
    for node in ast.parse(text).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
            continue
        living = getattr(module, node.target.id)
        if node.value is None or not isinstance(living, dict):
            continue
        made = eval(compile(ast.Expression(node.value), file, "eval"), vars(module))
        if made != living:
            living.clear()
            living.update(made)
            count += 1
    return count


def _holds(code: CodeType, really: list[CodeType]) -> bool:
    return any(code == r for r in really) or any(
        isinstance(c, CodeType) and _holds(c, really) for c in code.co_consts
    )


# Lines that are reached


class Reached:
    """Which lines of which files each test reaches; '' is setting up and taking down."""

    def __init__(self, files: list[str]) -> None:
        self._files = set(files)
        self.now = ""
        self.lines: dict[str, set[tuple[str, int]]] = {}

    def start(self) -> None:
        threading.settrace(self._called)
        sys.settrace(self._called)

    def _called(self, frame: FrameType, event: str, arg: object) -> Any:
        if frame.f_code.co_filename not in self._files:
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "line":
            reached = self.lines.get(self.now)
            if reached is None:
                reached = self.lines[self.now] = set()
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line


class Ran:
    """Results of the tests of a fork."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.passed: dict[str, float] = {}
        self.why = ""
        self.reached: Reached | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
            self.why = self.why or str(report.longrepr)[-300:]
        elif report.when == "call" and report.passed:
            self.passed[report.nodeid] = report.duration

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        if self.reached is not None:
            self.reached.now = item.nodeid
        yield
        if self.reached is not None:
            self.reached.now = ""


class Warm:
    """Takes the place of pytest's loop over the tests."""

    def __init__(self, requests: int, answers: int) -> None:
        self._requests, self._answers = os.fdopen(requests), os.fdopen(answers, "w")
        self._ran = Ran()

    def pytest_configure(self, config: pytest.Config) -> None:
        config.pluginmanager.register(self._ran)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {i.nodeid: i for i in session.items
                 if not _SLOW_FIXTURES & set(getattr(i, "fixturenames", ()))}  # fmt: skip
        self._templates()
        gc.collect()
        gc.freeze()
        self._answer({"items": list(items)})
        for line in self._requests:
            asked = json.loads(line)
            self._answer(in_fork(asked, lambda asked=asked: self._child(asked, items)))
        return True

    def _templates(self) -> None:
        """A migrated store to copy, made once for all forks."""
        from tests.support import postgres

        if given := os.environ.get(postgres.DSN_VARIABLE):
            for number in range(postgres._TEMPLATES_MAX):
                postgres._template(postgres.GivenServer(given), number)

    def _child(self, asked: dict[str, Any], items: dict[str, pytest.Item]) -> dict[str, Any]:
        swapped = 1
        if asked.get("text") is not None:
            gc.unfreeze()
            if asked.get("tables"):
                swapped = swap_tables(asked["file"], asked["text"])
            else:
                swapped = swap(asked["file"], asked["original"], asked["text"])
            if not swapped:
                return {"swapped": 0}
        if asked.get("migrate"):
            from tests.support import postgres

            postgres._TEMPLATES.clear()
        if asked.get("trace"):
            self._ran.reached = Reached(asked["trace"])
            self._ran.reached.start()
        chosen = [items[n] for n in asked["nodes"] if n in items]
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            last = None if self._ran.failed else following
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=last)
            if self._ran.failed and not asked.get("trace"):
                break
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        answer: dict[str, Any] = {
            "swapped": swapped, "failed": self._ran.failed, "passed": self._ran.passed,
            "why": self._ran.why,
        }  # fmt: skip
        if self._ran.reached is not None:
            answer["lines"] = {k: sorted(v) for k, v in self._ran.reached.lines.items()}
        return answer

    def _answer(self, answer: dict[str, Any]) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


# Forks


def in_fork(asked: dict[str, Any], work: Any) -> dict[str, Any]:
    """What ``work`` answers in a fork; ``hung`` when it takes too long, ``died`` when it ends."""
    began = time.monotonic()
    out = Path(asked["out"])
    out.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _in_child(asked, out, work)
    status, ended = 0, 0
    while not ended and time.monotonic() - began < asked["timeout_s"]:
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            time.sleep(0.005)
    took = round(time.monotonic() - began, 2)
    # Also what the tests started and left: it is of the fork's own group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
        return {"hung": True, "s": took}
    if not out.exists():
        return {"died": os.waitstatus_to_exitcode(status), "s": took}
    answer: dict[str, Any] = json.loads(out.read_text())
    return answer | {"s": took}


def _in_child(asked: dict[str, Any], out: Path, work: Any) -> None:
    try:
        os.setpgid(0, 0)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        part = out.with_suffix(".part")
        part.write_text(json.dumps(work()))
        part.rename(out)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def fresh(asked: dict[str, Any], imports: dict[str, set[str]]) -> dict[str, Any]:
    """Runs whole test files with the tree as it is on disk now; what rests on ``module`` is
    imported anew. What is no module is read when it is used."""
    for name in dependents(asked.get("module", ""), imports):
        sys.modules.pop(name, None)
        parent, _, last = name.rpartition(".")
        if parent in sys.modules and last in vars(sys.modules[parent]):
            delattr(sys.modules[parent], last)
    assert asked.get("module", "") not in sys.modules
    ran = Ran()
    left_out = [f"--deselect={node}" for node in asked.get("left_out", ())]
    code = pytest.main(
        [*asked["tests"], *left_out, "-x", "-q", "-p", "no:cacheprovider", "--assert=plain"],
        plugins=[ran],
    )
    marked = True
    if asked.get("module"):
        module = sys.modules.get(asked["module"])
        marked = getattr(module, "__mutant__", None) == asked["mark"]
    failed = ran.failed or (["collection"] if code in (2, 3, 4) else [])
    return {"swapped": int(marked), "failed": failed, "passed": ran.passed, "why": ran.why,
            "code": int(code)}  # fmt: skip


def imports_of(package: str) -> dict[str, set[str]]:
    """Which of the loaded modules of ours imports which, rather too many than too few."""
    names = [n for n in sys.modules if n.partition(".")[0] in (package, "tests")]
    found: dict[str, set[str]] = {}
    for name in names:
        file = getattr(sys.modules[name], "__file__", None)
        wanted = {name.rpartition(".")[0]} if "." in name else set()
        for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))) if file else ():
            if isinstance(node, ast.Import):
                wanted |= {a.name for a in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                wanted |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
        found[name] = {f".{w}".rpartition(".")[0][1:] for w in wanted} | wanted
    return found


def dependents(module: str, imports: dict[str, set[str]]) -> set[str]:
    """The module and all that rest on it, directly or not."""
    if not module:
        return set()
    found = {module}
    while more := {n for n, wanted in imports.items() if wanted & found} - found:
        found |= more
    return found


def main() -> None:
    """Serves requests until there are none."""
    requests, answers = int(sys.argv[1]), int(sys.argv[2])
    settle_hypothesis()
    if "--fresh" in sys.argv:
        import chartloom.cli
        import chartloom.serve
        import chartloom.wiring  # noqa: F401 - with all that they need from elsewhere

        imports = imports_of("chartloom")
        out = os.fdopen(answers, "w")
        for line in os.fdopen(requests):
            asked = json.loads(line)
            out.write(json.dumps(in_fork(asked, lambda asked=asked: fresh(asked, imports))) + "\n")
            out.flush()
        return
    tests = sys.argv[sys.argv.index("--") + 1 :]
    pytest.main(
        [*tests, "-q", "-s", "-p", "no:cacheprovider", "--assert=plain"],
        plugins=[Warm(requests, answers)],
    )


if __name__ == "__main__":
    main()
