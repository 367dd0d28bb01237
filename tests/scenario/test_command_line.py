"""The command line against a site that is really up: what the tutorial tells a newcomer to do."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from tests.support.up import (
    ADMIT,
    RESULT,
    WHY,
    chartloom,
    chartloom_process,
    drained,
    site,
    until,
)

__all__ = ["site"]


def test_from_message_to_chart(site: Path, tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_text(ADMIT, newline="")
    (tmp_path / "l.hl7").write_text(RESULT, newline="")
    for feed, file in (("adt", "a.hl7"), ("lab", "l.hl7"), ("adt", "a.hl7")):
        where = ("--feed", feed, "--site", str(site))
        sent = json.loads(chartloom("send", str(tmp_path / file), *where, "--json"))
        assert sent["answers"] == {"AA": 1}
    drained(site)
    rows = until(site, "messages")
    assert [r["control_id"] for r in rows] == ["L0001", "M0001"]
    assert {r["state"] for r in rows} == {"applied"}
    chart = json.loads(chartloom("chart", "100001", "--reason", WHY, "--site", str(site), "--json"))
    assert len(chart["sourcePatients"]) == 2
    assert chart["patient"]["birth_date"] == "2015-04-12"
    [series] = chart["sections"]["results"]["entries"]
    assert series["points"][0]["value"] == "11.50"
    [stay] = chart["sections"]["encounters"]["entries"]
    assert stay["status"] == "in-progress"
    lists = json.loads(chartloom("chart", "100001", "--reconciled", "--site", str(site), "--json"))
    assert chart["complete"] is True
    assert lists.pop("complete") is True
    assert set(lists) == {"medications", "allergies", "problems", "results"}
    assert lists["results"]["lines"][0]["facts"][0]["source"] == "lab"
    shown = chartloom("chart", "100001", "--site", str(site))
    assert "Erika" in shown
    assert "11.50" in shown
    adt = next(f for f in until(site, "feeds") if f["feed"] == "adt")
    assert (adt["received_count"], adt["duplicate_count"]) == (1, 1)


def test_one_message_with_what_became_of_it(site: Path, tmp_path: Path) -> None:
    test_from_message_to_chart_once = until(site, "messages")
    position = test_from_message_to_chart_once[-1]["position"]
    one = json.loads(chartloom("messages", str(position), "--site", str(site), "--json"))
    assert one["body"] == ADMIT
    assert "ZPI-2" in one["unmapped"]
    assert {"Patient", "Encounter"} <= {r["resourceType"] for r in one["resources"]}


def test_what_cannot_be_applied_waits_in_quarantine(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.hl7"
    file.write_bytes(b"MSH|^~\\&|REG|NORTH|||20260301||ADT^A01|M0002|P|2.5.1\rPID|1\r")
    chartloom("send", str(file), "--feed", "adt", "--site", str(site), "--json")
    [row] = until(site, "quarantine")
    assert (row["control_id"], row["quarantine"]) == ("M0002", "no-patient-identifier")
    where = ("--site", str(site))
    closed = chartloom("messages", str(row["position"]), *where, expect=1)
    assert "no-patient-identifier" in closed
    assert "What it says is closed" in closed
    one = ("messages", str(row["position"]), *where)
    assert "characters" in chartloom(*one, "--reason", "short", expect=2)
    opened = json.loads(chartloom(*one, "--reason", "PID is empty, ticket 88", "--json"))
    assert opened["body"].startswith("MSH|^~\\&|REG|NORTH")
    assert "you may see" in chartloom("messages", "999999", *where, expect=2)
    assert "you may see" in chartloom(
        "messages", "999999", *where, "--reason", "PID is empty, ticket 88", expect=2
    )
    assert "1 message" in chartloom("quarantine", "--retry", str(row["position"]), *where)
    drained(site)
    assert [r["control_id"] for r in until(site, "quarantine")] == ["M0002"]


def test_replay_changes_nothing(site: Path) -> None:
    verdict = json.loads(chartloom("replay", "--verify", "--json", "--site", str(site)))
    assert verdict["identical"] is True
    assert verdict["messages"] >= 2


def test_doctor_finds_a_healthy_site_but_for_quarantine(site: Path) -> None:
    looked = chartloom("doctor", "--site", str(site), "--json", expect=1)
    results = {r["check"]: r["ok"] for r in json.loads(looked.splitlines()[0])}
    del results["open files"]  # depends on the machine
    assert [check for check, ok in results.items() if not ok] == ["quarantine"]


def test_a_second_up_is_refused(site: Path) -> None:
    assert "already up" in chartloom_process("up", "--site", str(site), expect=2)


def test_a_store_that_died_is_started_again(site: Path, tmp_path: Path) -> None:
    lock = site / "var" / "postgres" / "cluster" / "postmaster.pid"
    os.kill(int(lock.read_text().splitlines()[0]), signal.SIGKILL)
    file = tmp_path / "after.hl7"
    file.write_text(ADMIT.replace("M0001", "M0009"), newline="")
    chartloom("send", str(file), "--feed", "adt", "--site", str(site))
    rows = until(site, "messages", "--control-id", "M0009", "--state", "applied")
    assert len(rows) == 1


def test_no_log_carries_a_name_or_number(site: Path) -> None:
    for log in (site / "var").rglob("*.log"):
        text = log.read_text(errors="replace")
        for canary in ("Erika", "100001", "Musterweg", "20150412", "2015-04-12"):
            assert canary not in text, log.name


def test_commands_without_a_site_say_what_to_do(tmp_path: Path) -> None:
    assert "chartloom init" in chartloom_process("feeds", "--site", str(tmp_path), expect=2)
    chartloom_process("init", str(tmp_path / "s"))
    assert "chartloom up" in chartloom_process("feeds", "--site", str(tmp_path / "s"), expect=2)


@pytest.mark.parametrize("form", ["json", "text"])
def test_inspect_needs_no_server(tmp_path: Path, form: str) -> None:
    file = tmp_path / "two.hl7"
    file.write_text(ADMIT + RESULT, newline="")
    if form == "text":
        shown = chartloom("inspect", str(tmp_path))
        assert "Loss report" in shown
        assert "ZPI-2" in shown
        return
    lines = [json.loads(x) for x in chartloom("inspect", str(file), "--json").splitlines()]
    assert [x["messageType"] for x in lines] == ["ADT^A01", "ORU^R01"]
    unmapped = [r for r in lines[0]["loss"]["rows"] if r["disposition"] == "unmapped"]
    assert "blue folder" in {r["value"] for r in unmapped}
    counts = lines[0]["loss"]["counts"]
    assert sum(counts.values()) == len(lines[0]["loss"]["rows"])
