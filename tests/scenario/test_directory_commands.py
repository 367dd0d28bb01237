"""The directory at the command line of a running site: questions, answers, what was said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.directory_house import TABLES
from tests.support.up import chartloom, site

__all__ = ["site"]


def test_questions_are_answered_and_taken_back(site: Path) -> None:
    def run(*command: str, expect: int = 0) -> str:
        return chartloom("directory", *command, "--site", str(site), expect=expect)

    def asked(code: str, *command: str) -> dict[str, Any]:
        (one,) = (q for q in json.loads(run(*command, "--json")) if q["code"] == code)
        found: dict[str, Any] = one
        return found

    folder = site / "registry" / "directory"
    folder.mkdir(parents=True, exist_ok=True)
    assert "no directory yet" in run("questions")
    for name, content in TABLES.items():
        (folder / name).write_bytes(content)
    shared = asked("directory-number-shared", "questions")

    assert "the same" in run("decide", shared["key"][:8], "same", "--note", "She married")
    (word,) = json.loads(run("said", "--json"))
    assert (word["said"], word["note"], word["counts"]) == ("same", "She married", True)
    assert word["by"].startswith("operator:")
    (okafor,) = json.loads(run("show", "4711", "--json"))
    assert okafor["members"] == ["cred|9", "ehr|4711", "hr|E17"]
    (then,) = json.loads(run("show", "4711", "--at", "2024-06-01", "--json"))
    assert then["members"] == ["hr|E17"]
    assert "480-112-0001" in run("history", "4711")

    run("decide", shared["key"], "withdraw")
    assert asked("directory-number-shared", "questions")["key"] == shared["key"]
    differ = asked("directory-values-differ", "questions")
    run("decide", differ["key"], "keep", "--value", "nobody's", expect=2)
    run("decide", "ffffffff", "same", expect=2)
    told = json.loads(run("decide", differ["key"], "keep", "--value", "555-0101", "--json"))
    assert told["text"] == "555-0101"
    assert asked("directory-values-differ", "questions", "--view", "decided")["state"] == "decided"
    npi = asked("npi-check-digit", "questions")
    run("decide", npi["key"], "ignore")
    assert asked("npi-check-digit", "questions", "--view", "later")["word"]["said"] == "ignore"
    assert "is known" in run("unresolved")
