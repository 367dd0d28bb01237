"""The command line against a site that is really up: what the tutorial tells a newcomer to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ADMIT = (
    "MSH|^~\\&|REG|NORTH|CHARTLOOM|NORTH|20260301083000+0100||ADT^A01^ADT_A01|M0001|P|2.5.1\r"
    "EVN|A01|20260301083000+0100\r"
    "PID|1||100001^^^NORTH^MR||Example^Erika^^^^^L||20150412|F|||Musterweg 1^^Berlin^^10115^DE\r"
    "PV1|1|I|PED^12^A^NORTH|E|||1234^Muster^Max^^^Dr||||||||||||V0001^^^NORTH^VN|||||||||||||||||||"
    "||||||20260301082500+0100\r"
    "ZPI|1|blue folder\r"
)
RESULT = (
    "MSH|^~\\&|LAB|NORTH|CHARTLOOM|NORTH|20260301100000+0100||ORU^R01^ORU_R01|L0001|P|2.5.1\r"
    "PID|1||100001^^^NORTH^MR||Example^Erika||20150412|F\r"
    "OBR|1|O1|F1|718-7^Hemoglobin^LN|||20260301093000+0100\r"
    "OBX|1|NM|718-7^Hemoglobin^LN||11.50|g/dL|11.5-15.5|N|||F\r"
)


#: An operator opens a chart with a reason only.
WHY = "to see what the test has sent"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def chartloom(*args: str, expect: int = 0, **more: Any) -> str:
    """Runs the real command; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "chartloom.cli", *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **more,
    )
    assert done.returncode == expect, (args, done.returncode, done.stdout, done.stderr)
    return done.stdout + (done.stderr if expect else "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cli") / "north"
    chartloom("init", str(folder), "--zone", "Europe/Berlin")
    for feed in (folder / "feeds").glob("*.toml"):
        if feed.stem not in ("adt", "lab", "fhir", "inbox"):
            feed.unlink()
        elif feed.stem != "inbox":
            lines = feed.read_text().splitlines()
            lines = [f"port = {_free_port()}" if x.startswith("port =") else x for x in lines]
            feed.write_text("\n".join(lines) + "\n")
    settings = folder / "chartloom.toml"
    settings.write_text(settings.read_text().replace("8420", str(_free_port())))
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "chartloom.cli", "up", "--site", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"COLUMNS": "100"},
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.decode())
        if line.startswith(b"Console"):
            break
    assert process.poll() is None, "".join(said)
    yield folder
    process.send_signal(signal.SIGINT)
    rest = process.stdout.read()
    assert process.wait(30) == 0, rest.decode()
    process.stdout.close()


def _until(site: Path, *args: str, seconds: float = 20) -> Any:
    """Asks until the answer is not empty."""
    end_s = time.monotonic() + seconds
    while not (answer := json.loads(chartloom(*args, "--site", str(site), "--json"))):
        assert time.monotonic() < end_s, args
    return answer


def _drained(site: Path) -> None:
    end_s = time.monotonic() + 20
    while any(f["waiting_count"] for f in _until(site, "feeds")):
        assert time.monotonic() < end_s


def test_from_message_to_chart(site: Path, tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_text(ADMIT, newline="")
    (tmp_path / "l.hl7").write_text(RESULT, newline="")
    for feed, file in (("adt", "a.hl7"), ("lab", "l.hl7"), ("adt", "a.hl7")):
        where = ("--feed", feed, "--site", str(site))
        sent = json.loads(chartloom("send", str(tmp_path / file), *where, "--json"))
        assert sent["answers"] == {"AA": 1}
    _drained(site)
    rows = _until(site, "messages")
    assert [r["control_id"] for r in rows] == ["L0001", "M0001"]
    assert {r["state"] for r in rows} == {"applied"}
    chart = json.loads(chartloom("chart", "100001", "--reason", WHY, "--site", str(site), "--json"))
    assert len(chart["sourcePatients"]) == 2
    assert chart["patient"]["birth_date"] == "2015-04-12"
    [series] = chart["sections"]["results"]["entries"]
    assert series["points"][0]["value"] == "11.50"
    [stay] = chart["sections"]["encounters"]["entries"]
    assert stay["status"] == "in-progress"
    shown = chartloom("chart", "100001", "--site", str(site))
    assert "Erika" in shown
    assert "11.50" in shown
    adt = next(f for f in _until(site, "feeds") if f["feed"] == "adt")
    assert (adt["received_count"], adt["duplicate_count"]) == (1, 1)


def test_one_message_with_what_became_of_it(site: Path, tmp_path: Path) -> None:
    test_from_message_to_chart_once = _until(site, "messages")
    position = test_from_message_to_chart_once[-1]["position"]
    one = json.loads(chartloom("messages", str(position), "--site", str(site), "--json"))
    assert one["body"] == ADMIT
    assert "ZPI-2" in one["unmapped"]
    assert {"Patient", "Encounter"} <= {r["resourceType"] for r in one["resources"]}


def test_what_cannot_be_applied_waits_in_quarantine(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "broken.hl7"
    file.write_bytes(b"MSH|^~\\&|REG|NORTH|||20260301||ADT^A01|M0002|P|2.5.1\rPID|1\r")
    chartloom("send", str(file), "--feed", "adt", "--site", str(site), "--json")
    [row] = _until(site, "quarantine")
    assert (row["control_id"], row["quarantine"]) == ("M0002", "no-patient-identifier")
    where = ("--site", str(site))
    assert "1 message" in chartloom("quarantine", "--retry", str(row["position"]), *where)
    _drained(site)
    assert [r["control_id"] for r in _until(site, "quarantine")] == ["M0002"]


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
    assert "already up" in chartloom("up", "--site", str(site), expect=2)


def test_a_store_that_died_is_started_again(site: Path, tmp_path: Path) -> None:
    lock = site / "var" / "postgres" / "cluster" / "postmaster.pid"
    os.kill(int(lock.read_text().splitlines()[0]), signal.SIGKILL)
    file = tmp_path / "after.hl7"
    file.write_text(ADMIT.replace("M0001", "M0009"), newline="")
    chartloom("send", str(file), "--feed", "adt", "--site", str(site))
    rows = _until(site, "messages", "--control-id", "M0009", "--state", "applied")
    assert len(rows) == 1


def test_no_log_carries_a_name_or_number(site: Path) -> None:
    for log in (site / "var").rglob("*.log"):
        text = log.read_text(errors="replace")
        for canary in ("Erika", "100001", "Musterweg", "20150412", "2015-04-12"):
            assert canary not in text, log.name


def test_commands_without_a_site_say_what_to_do(tmp_path: Path) -> None:
    assert "chartloom init" in chartloom("feeds", "--site", str(tmp_path), expect=2)
    chartloom("init", str(tmp_path / "s"))
    assert "chartloom up" in chartloom("feeds", "--site", str(tmp_path / "s"), expect=2)


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
