"""Keys and audit on a site that is really up, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.up import ADMIT, RESULT, WHY, chartloom, drained, site, until

__all__ = ["site"]


def asked(where: Path, *args: str, expect: int = 0) -> Any:
    return json.loads(chartloom(*args, "--site", str(where), "--json", expect=expect))


def test_keys_and_audit_from_the_command_line(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ADMIT.replace("100001", "100002").replace("M0001", "M0002").replace("Erika", "Otto")
    for feed, text in (("adt", ADMIT), ("lab", RESULT), ("adt", other)):
        file = tmp_path / "m.hl7"
        file.write_text(text, newline="")
        chartloom("send", str(file), "--feed", feed, "--site", str(site), "--json")
    drained(site)
    assert len(until(site, "messages")) == 3

    # Rotation, while the site is up; what was sealed before still opens in every process.
    before = asked(site, "keys", "status")
    assert (before["kind"], before["generation"]) == ("file", 1)
    assert before["counts"]["1"] >= 4  # three source patients and the hospital
    rotated = asked(site, "keys", "rotate", "--retire")
    assert rotated["rotation"]["left"] == 0
    assert rotated["retired"] == [1]
    assert asked(site, "keys", "status")["counts"] == {"2": sum(before["counts"].values())}
    file.write_text(ADMIT.replace("M0001", "M0003"), newline="")
    chartloom("send", str(file), "--feed", "adt", "--site", str(site), "--json")
    drained(site)
    assert asked(site, "chart", "100001", "--reason", WHY)["patient"]["birth_date"] == "2015-04-12"

    # Shredding: gone for everybody, the other one is not.
    chart = asked(site, "chart", "100002", "--reason", WHY)
    request = asked(site, "keys", "shred", "100001", "--reason", "patient-request")
    assert len(request["source_patients"]) == 2
    approved = (
        "keys",
        "shred",
        "--approved",
        request["id"],
        "--yes",
        "--site",
        str(site),
        "--json",
    )
    chartloom(*approved, expect=2)
    chartloom("keys", "decide", request["id"], "approve", "--site", str(site), expect=2)
    assert asked(site, "keys", "status")["destroyed"] == 0
    with monkeypatch.context() as patch:  # another user of the machine
        patch.setattr("os.getuid", lambda: 4711)
        assert asked(site, "keys", "decide", request["id"], "approve")["state"] == "approved"
    assert [r["state"] for r in asked(site, "keys", "requests")] == ["approved"]
    chartloom(*[a for a in approved if a != "--yes"], expect=2)  # nobody can be asked
    assert asked(site, "keys", "status")["destroyed"] == 0
    shredded = asked(site, "keys", "shred", "--approved", request["id"], "--yes")
    assert len(shredded["records"]) == 2
    assert [r["state"] for r in asked(site, "keys", "requests")] == ["done"]
    chartloom(*approved, expect=2)
    chartloom("chart", "100001", "--site", str(site), expect=1)
    again = asked(site, "chart", "100002")
    assert again["sections"] == chart["sections"]
    assert asked(site, "keys", "status")["destroyed"] == 2
    file.write_text(RESULT.replace("L0001", "L0002"), newline="")
    chartloom("send", str(file), "--feed", "lab", "--site", str(site), "--json")
    drained(site)
    assert [r["quarantine"] for r in until(site, "quarantine")] == ["subject-shredded"]
    chartloom("chart", "100001", "--site", str(site), expect=1)
    replayed = asked(site, "replay")
    assert replayed["messages"] == 5
    chartloom("chart", "100001", "--site", str(site), expect=1)
    assert asked(site, "chart", "100002")["sections"] == chart["sections"]

    # The log tells all of it, in order, and holds.
    verdict = asked(site, "audit", "verify")
    assert verdict["sound"]
    seen = asked(site, "audit", "who-saw", shredded["records"][0])
    assert sorted(v["purpose"] for v in seen) == ["BTG", "HOPERAT"]
    assert asked(site, "audit", "report") is not None
    assert asked(site, "audit", "disclosures", "100002") == []
    lines = chartloom("audit", "export", "--site", str(site)).splitlines()
    exported = [json.loads(line) for line in lines]
    assert [e["seq"] for e in exported] == list(range(1, len(exported) + 1))
    kinds = [e["event"]["subtype"][1]["code"] for e in exported]
    assert [k for k in kinds if k.startswith("key-")] == [
        "key-created",
        "key-rotated",
        "key-retired",
        "key-shredded",
        "key-shredded",
    ]
    assert kinds.count("transform") >= 5
    things = json.dumps(exported)
    for text in ("Erika", "Example", "100001", "Musterweg"):
        assert text not in things
    for command in ("verify", "who-saw", "report", "disclosures", "export"):
        assert things.count(f"audit/{command}") == 1

    for command in (
        ("keys", "status"),
        ("audit", "verify"),
        ("audit", "who-saw", "100002"),
        ("audit", "report"),
        ("audit", "disclosures", "100002"),
    ):
        shown = chartloom(*command, "--site", str(site))
        assert max(map(len, shown.splitlines())) <= 80 or "keys" in command, command
