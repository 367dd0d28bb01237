"""Takes away one check at a time from guard, doors, policies and row-level security: who notices?

    .venv/bin/python -m bench.campaign_guard_mutants            # goes on where it was cut short
    .venv/bin/python -m bench.campaign_guard_mutants --only guard/tokens --survivors

Works on a copy of the committed tree. Every mutant (``bench._mutants``) gets the tests of its room,
the nearest first; it is killed by the first test that fails. Store tests share one server. Results
stand by mutant in ``bench/results``; a mutant whose line did not change is not tried again unless
it survived and ``--survivors`` is given.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench._mutants import Mutant, mutants, of_rules
from bench._report import RESULTS, Report, commit

from chartloom.engines.postgres import EmbeddedPostgres

ROOT = Path(__file__).parent.parent
_SRC = "src/chartloom/"
_TIMEOUT_S = 240

#: Files that guard (by how their path begins) and the tests that must notice, nearest first.
TESTS: tuple[tuple[str, str], ...] = (
    ("guard/policy/default", "tests/security/test_permitted.py"
     " tests/unit/guard/test_policies.py"),
    ("guard/policy", "tests/security/test_every_check_counts.py"
     " tests/unit/guard/test_policies.py tests/unit/guard/test_relation_windows.py"),
    ("guard/authority", "tests/security/test_every_check_counts.py tests/browser/test_roles.py"),
    ("guard/facts", "tests/security/test_every_check_counts.py tests/browser/test_roles.py"),
    ("guard/consent", "tests/security/test_every_check_counts.py tests/unit/guard/test_consent.py"),
    ("guard/staff", "tests/unit/guard/test_staff.py"),
    ("guard/guard", "tests/security/test_every_check_counts.py tests/unit/guard/test_guard.py"),
    ("guard/tokens/oidc", "tests/unit/guard/test_oidc.py tests/unit/guard/test_tokens.py"),
    ("guard/tokens", "tests/unit/guard/test_tokens.py tests/unit/guard/test_oidc.py"),
    ("guard/https", "tests/unit/guard/test_tokens.py tests/unit/guard/test_oidc.py"
     " tests/unit/guard/test_key_services.py"),
    ("guard/clients", "tests/scenario/test_guarded_http.py tests/scenario/test_internal_tls.py"),
    ("guard/ca", "tests/unit/guard/test_ca.py"),
    ("guard/audit/recorder", "tests/unit/guard/test_audit_recorder.py"),
    ("guard/audit/keeper", "tests/unit/guard/test_audit_recorder.py"),
    ("guard/audit", "tests/unit/guard/test_merkle.py tests/property/test_audit_tampering.py"
     " tests/unit/guard/test_audit_events.py tests/unit/guard/test_audit_reports.py"),
    ("guard/keys", "tests/unit/guard/test_key_broker.py tests/unit/guard/test_key_services.py"),
    ("guard/keyfiles", "tests/unit/guard/test_guard.py tests/unit/guard/test_audit_recorder.py"),
    ("guard/deid", "tests/unit/guard/test_deid.py tests/unit/guard/test_kanonymity.py"),
    ("serve/shield", "tests/browser/test_console_http.py tests/browser/test_roles.py"),
    ("serve/sessions", "tests/unit/serve/test_serve_access.py tests/browser/test_roles.py"),
    ("serve/access", "tests/unit/serve/test_serve_access.py"),
    ("serve/readiness", "tests/unit/serve/test_serve_readiness.py"),
    ("serve/", "tests/browser/test_roles.py"),
    ("sources/", "tests/scenario/test_guarded_http.py tests/scenario/test_internal_tls.py"),
    ("engines/postgres/sql/0006", "tests/contract/test_subject_keys.py"
     " tests/contract/test_audit_log.py tests/contract/test_store_access.py"),
    ("engines/postgres/subject_keys", "tests/contract/test_subject_keys.py"),
    ("engines/postgres/doors", "tests/browser/test_roles.py"),
    ("engines/postgres/", "tests/contract/test_store_access.py"
     " tests/contract/test_store_labels.py tests/contract/test_audit_log.py"),
)  # fmt: skip

#: What is searched for checks. The rest of ``serve`` draws; it decides nothing.
PLACES = (
    "guard/authority.py", "guard/facts.py", "guard/guard.py", "guard/consent.py", "guard/staff.py",
    "guard/policy/**/*.py", "guard/policy/default/*.cedar", "guard/tokens/*.py",
    "engines/postgres/access.py", "engines/postgres/subject_keys.py", "engines/postgres/doors.py",
    "engines/postgres/protection_rules.py", "engines/postgres/sql/000[5-9]*.sql",
    "serve/shield.py", "serve/sessions.py", "serve/access.py", "serve/glass.py", "serve/uses.py",
    "serve/console.py", "serve/readiness.py", "serve/messages.py", "serve/audit.py",
    "serve/quarantine.py", "sources/admission.py", "sources/guarded_http.py", "guard/clients.py",
    "guard/keys/*.py", "guard/keyfiles.py", "guard/https.py", "guard/ca/*.py", "guard/audit/*.py",
    "engines/postgres/protection.py", "guard/deid/*.py",
)  # fmt: skip


def all_mutants(root: Path, only: str = "") -> Iterator[Mutant]:
    """Every mutant of every place, in this order."""
    seen: set[str] = set()
    for place in PLACES:
        for file in sorted((root / _SRC).glob(place)):
            path = str(file.relative_to(root))
            if path in seen or only not in path:
                continue
            seen.add(path)
            yield from mutants(root, path)
            if path.endswith("protection_rules.py"):
                yield from of_rules(path, file.read_text(encoding="utf-8"))


def tests_for(root: Path, path: str) -> list[str]:
    """The tests that must notice; those that are there."""
    wanted = next(t for start, t in TESTS if path.removeprefix(_SRC).startswith(start))
    return [t for t in wanted.split() if (root / t).exists()]


#: Runs in the copy: has everything heavy imported, and forks a child for each mutant.
_SERVER = """
import json, os, sys, time, signal
import pytest, cryptography.x509, cedarpy, psycopg, msgspec, starlette.applications
import joserfc.jwt, uvicorn, jinja2, prometheus_client
for line in sys.stdin:
    asked = json.loads(line)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(log, 1), os.dup2(log, 2), os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = 99
        try:
            code = int(pytest.main([*asked["tests"], "-x", "-q", "-p", "no:cacheprovider",
                                    "--assert=plain", "--timeout", "100"]))
        finally:
            os._exit(code)
    code = None
    while time.monotonic() - began < asked["timeout_s"]:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(0.02)
    if code is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    print(json.dumps({"code": code, "s": round(time.monotonic() - began, 1)}), flush=True)
"""


class Runner:
    """A copy of the committed tree in which tests are run, with one file changed at a time."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.root, self._log = folder / "tree", folder / "log"
        if not self.root.exists():
            self.root.mkdir()
            archive = subprocess.run(
                ["git", "-C", str(ROOT), "archive", "HEAD", "src", "tests", "bench", "tools",
                 "docs", "pyproject.toml", "README.md", "changes"],
                capture_output=True, check=True,
            )  # fmt: skip
            subprocess.run(["tar", "-x", "-C", str(self.root)], input=archive.stdout, check=True)
        env = os.environ | {
            "PYTHONPATH": str(self.root / "src"),
            "CHARTLOOM_TEST_DSN": dsn,
            "HYPOTHESIS_STORAGE_DIRECTORY": str(folder / "hypothesis"),
            "TMPDIR": str(folder),
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=self.root, env=env, text=True,
        )  # fmt: skip

    def run(self, tests: list[str], timeout_s: float = _TIMEOUT_S) -> dict[str, Any]:
        """How the tests end: pytest's exit code, None when they took too long."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        asked = {"tests": tests, "timeout_s": timeout_s, "log": str(self._log)}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        answer["by"] = self._failed()
        return answer

    def _failed(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        for line in reversed(lines):
            if line.startswith(("FAILED ", "ERROR ")):
                return line.partition(" ")[2].partition(" - ")[0][:160]
        return ""

    def close(self) -> None:
        """Ends what runs the tests."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(30)

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """The tree with this mutant in it."""
        file = self.root / mutant.path
        original = file.read_text(encoding="utf-8")
        try:
            self._put(file, mutant.text)
            yield
        finally:
            self._put(file, original)

    def _put(self, file: Path, text: str) -> None:
        file.write_text(text, encoding="utf-8")
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()


def try_one(runner: Runner, mutant: Mutant) -> dict[str, Any]:
    """What became of a mutant: killed (and by what), survived, or untested."""
    tests = tests_for(runner.root, mutant.path)
    if not tests:
        return {"outcome": "untested"}
    took, by = 0.0, ""
    with runner.mutated(mutant):
        for test in tests:
            ended = runner.run([test])
            took += ended["s"]
            if ended["code"] is None:
                return {"outcome": "killed", "by": f"{test} (too long)", "s": took}
            if ended["code"] in (1, 2):
                by = ended["by"] or test
                return {"outcome": "killed", "by": by, "s": round(took, 1)}
            if ended["code"] != 0:
                return {"outcome": "trouble", "by": f"exit {ended['code']}", "s": took}
    return {"outcome": "survived", "s": round(took, 1)}


@contextmanager
def server() -> Iterator[str]:
    """A server for the store's tests; what is not durable there is only faster."""
    folder = Path(tempfile.mkdtemp(prefix="cl-mut-pg-"))
    postgres = EmbeddedPostgres(folder / "pg")
    postgres.start()
    try:
        yield postgres.dsn
    finally:
        postgres.stop()
        shutil.rmtree(folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="part of the path")
    parser.add_argument("--survivors", action="store_true", help="try survivors again")
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("--results", type=Path, default=RESULTS / "guard-mutants.json")
    asked = parser.parse_args()
    known: dict[str, dict[str, Any]] = {}
    if asked.results.exists():
        known = {r["mutant"]: r for r in json.loads(asked.results.read_text())["rows"]}
    end = time.monotonic() + asked.minutes * 60
    folder = Path(tempfile.mkdtemp(prefix="cl-mut-"))
    with server() as dsn:
        runner = Runner(folder, dsn)
        try:
            whole = {m.name for m in all_mutants(runner.root)}
            known = {n: r for n, r in known.items() if n in whole}
            good: dict[str, bool] = {}
            for mutant in all_mutants(runner.root, asked.only):
                before = known.get(mutant.name)
                if before and (
                    before["outcome"] == "killed"
                    or (before["outcome"] == "survived" and not asked.survivors)
                ):
                    continue
                if time.monotonic() > end:
                    break
                for test in tests_for(runner.root, mutant.path):
                    if test not in good:
                        good[test] = runner.run([test])["code"] == 0
                        if not good[test]:
                            print(f"not green without any mutant, left out: {test}", flush=True)
                            (runner.root / test).unlink()
                row = {"mutant": mutant.name, **try_one(runner, mutant)}
                known[mutant.name] = row
                if row["outcome"] != "killed":
                    print(f"{row['outcome']}: {mutant.name}", flush=True)
                save(asked.results, known, len(whole))
        finally:
            runner.close()
            shutil.rmtree(folder, ignore_errors=True)
    counts = save(asked.results, known, len(whole))
    print(json.dumps(counts))
    return 0 if counts.get("survived", 0) == 0 else 1


def save(path: Path, known: dict[str, dict[str, Any]], whole: int) -> dict[str, int]:
    """Writes what is known so far; counts by outcome."""
    counts = dict(Counter(row["outcome"] for row in known.values()))
    about = {"version": commit(), "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", "counts": counts}
    report = Report("guard-mutants", mutants=whole, **about)
    report.rows = list(known.values())
    report.save(path)
    return counts


if __name__ == "__main__":
    sys.exit(main())
