"""The review queue at the command line of a running site: queue, show, say, history."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from tests.support.identity_house import OVERWRITTEN, PEOPLE, admission
from tests.support.patience import PATIENCE_S
from tests.support.up import chartloom, site

__all__ = ["site"]


def test_a_pair_is_found_shown_decided_and_taken_back(site: Path, tmp_path: Path) -> None:
    def run(*command: str, expect: int = 0) -> str:
        return chartloom(*command, "--site", str(site), expect=expect)

    file = tmp_path / "m.hl7"
    for minute, name in enumerate(("twin-a", "twin-b", "same-a", "same-b")):
        file.write_bytes(admission(f"ID{name}", PEOPLE[name], minute))
        run("send", str(file), "--feed", "adt", "--json")
    found: dict[str, Any] = {"reviews": []}
    until_s = time.monotonic() + PATIENCE_S
    while not found["reviews"] and time.monotonic() < until_s:
        found = json.loads(run("identity", "queue", "--json"))
    (review,) = found["reviews"]
    assert (review["reason"], review["state"], review["two"]) == ("twins-same-number", "open", True)
    listed = run("identity", "queue")
    pair = "~".join(id[:8] for id in review["pair"])
    assert pair in listed
    assert "Vandermeer" not in listed

    shown = run("identity", "show", pair)
    for word in ("Vandermeer", "Ella", "Mara", "A national number is the same", "takes two people"):
        assert word in shown
    told = json.loads(run("identity", "show", pair, "--json"))
    assert {row["row"]: row["state"] for row in told["rows"]}["given"] == "differs"

    assert "One of" in run("identity", "say", pair, "same", "--reason", "relatives", expect=2)
    assert "half" in run("identity", "say", pair, "different", "--reason", "relatives")
    assert "already" in run("identity", "say", pair, "different")
    words = json.loads(run("identity", "show", pair, "--json"))["words"]
    assert [(w["kind"], w["reason"]) for w in words] == [("unlink", "relatives")]
    assert words[0]["by"].startswith("operator:")
    assert pair in run("identity", "queue", "--view", "half")
    assert "open" in run("identity", "say", pair, "withdraw")

    joined = json.loads(run("identity", "history", "S1", "--json"))
    assert len(joined["source_patients"]) == 2
    assert joined["joined"][0]["decision"]["rule"] == "national-number"
    assert "the same national number" in run("identity", "history", "S1")
    assert "No pair begins" in run("identity", "show", "00000000~11111111", expect=2)
    assert "No record turned over" in run("identity", "show", pair[:8], expect=2)
    half = pair.partition("~")[0]
    assert half in run("identity", "history", half)
    assert "Nobody is found" in run("identity", "history", "00000000", expect=1)

    over = tmp_path / "over.hl7"
    for minute, person in enumerate((PEOPLE["over"], OVERWRITTEN)):
        over.write_bytes(admission(f"IDover{minute}", person, minute))
        run("send", str(over), "--feed", "adt", "--json")
    while "overlay" not in run("identity", "queue") and time.monotonic() < until_s:
        time.sleep(0.05)
    (turned,) = json.loads(run("identity", "queue", "--reason", "overlay", "--json"))["reviews"]
    shown = run("identity", "show", turned["pair"][0])
    for word in ("Before", "Lindgren", "After", "Petrakis"):
        assert word in shown
    assert "Two people decide" in shown
    record, stopped = turned["pair"][0][:8], re.search(r"Stopped (\d+)", shown)
    assert stopped is not None
    assert f"--up-to {stopped[1]}" in shown
    assert "—" in run("identity", "queue", "--reason", "overlay")
    assert "--up-to" in run("identity", "say", record, "same", expect=2)
    assert "half" in run("identity", "say", record, "same", "--up-to", stopped[1])
    assert "already" in run("identity", "say", record, "same", "--up-to", stopped[1])
    assert "open" in run("identity", "say", record, "withdraw")
    assert "closed" not in json.loads(run("identity", "show", record, "--json"))["review"]["state"]

    train = ("identity", "train", "--reviewed", "--out")
    assert "teach nothing" in run(*train, str(tmp_path / "matcher.json"), expect=2)
    inside = site / "registry" / "persons" / "matcher.json"
    assert "would be in force" in run(*train, str(inside), expect=2)
    assert not list(tmp_path.glob("*.json"))

    log = run("audit", "export")
    said = [e for line in log.splitlines() if (e := json.loads(line)["event"])["action"] == "U"]
    assert [e["subtype"][1]["code"] for e in said] == ["identity-said"] * 4
    assert "Vandermeer" not in log
