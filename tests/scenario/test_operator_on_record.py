"""Each thing that the local operator asks for on the command line is one event, and none is shown
without it."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.support.up import ADMIT, WHY, chartloom, site

from chartloom.engines.postgres import EmbeddedPostgres, audit_log

__all__ = ["site"]


class Here:
    """The command line at one site."""

    def __init__(self, site: Path) -> None:
        self.site = site

    def __call__(self, *command: str, expect: int = 0) -> str:
        return chartloom(*command, "--site", str(self.site), expect=expect)


@pytest.fixture
def here(site: Path) -> Here:
    return Here(site)


def _log(here: Here) -> list[dict[str, Any]]:
    lines = here("audit", "export").splitlines()
    return [json.loads(line)["event"] for line in lines]


def _what(event: dict[str, Any]) -> str:
    """``denied`` or ``done``, the kind, and the first thing that is named."""
    things = [e["what"]["identifier"]["value"] for e in event["entity"] if _is_thing(e)]
    outcome = "done" if event["outcome"] == "0" else "denied"
    return f"{outcome} {event['subtype'][1]['code']} {things[0] if things else ''}".strip()


def _is_thing(entity: dict[str, Any]) -> bool:
    kind = entity.get("type", {}).get("code")
    return kind == "2" and "identifier" in entity.get("what", {})


def _of_operator(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [e for e in log if e["agent"][0]["who"]["identifier"]["value"].startswith("operator:")]


def test_every_access_is_one_event(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "m.hl7"
    file.write_text(ADMIT, newline="")
    here("send", str(file), "--feed", "adt", "--json")
    while "applied" not in (listed := here("messages", "--json")):
        time.sleep(0.05)
    position = str(json.loads(listed)[0]["position"])
    before = len(_of_operator(_log(here)))

    done: Counter[str] = Counter({"done read audit/export": 1})  # of the look above

    def run(*command: str, events: tuple[str, ...], expect: int = 0) -> str:
        done.update(events)
        return here(*command, expect=expect)

    find = "done search"
    run("feeds", events=("done read site/feeds",))
    run("messages", events=("done read site/messages",))
    run("messages", position, events=("done read message",))
    refused = run("messages", "999999", events=("denied read message",), expect=2)
    assert "nothing here" in refused
    run("quarantine", events=("done read site/quarantine",))
    run("quarantine", "--retry-all", events=("done read site/quarantine-retry",))
    closed = run("chart", "100001", events=(find, "denied read glass"), expect=2)
    assert "--reason" in closed
    assert "Erika" not in closed
    chart = ("chart", "100001", "--reason")
    run(*chart, "short", events=(find,), expect=2)
    seen = run(*chart, WHY, events=(find, "done glass-broken", "done read chart/summary"))
    assert "Erika" in seen
    run("chart", "100001", events=(find, "done read chart/summary"))  # the glass is open
    run("chart", "nobody", "--reason", WHY, events=(find,), expect=1)
    run("keys", "status", events=("done read site/keys",))
    run("audit", "who-saw", "100001", events=(find, "done read audit/who-saw"))
    run("audit", "verify", events=("done read audit/verify",))
    run("replay", "--json", events=("done read site/replay",))
    assert Counter(_what(e) for e in _of_operator(_log(here))[before:]) == done

    found = json.loads(here("audit", "report", "--json"))
    assert any("glass" in f["concern"] and "operator:" in f["actor"] for f in found), found


def test_nothing_is_shown_when_nothing_can_be_put_on_record(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(audit_log._SETTINGS, "lock_timeout", "500")
    with psycopg.connect(EmbeddedPostgres(here.site / "var" / "postgres").dsn) as owner:
        owner.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        for command in (("messages",), ("chart", "100001"), ("keys", "status")):
            said = here(*command, expect=2)
            assert "on record" in said, command
            for text in ("ADT", "Erika", "M0001", "eneration"):
                assert text not in said, command
    assert "ADT" in here("messages")
