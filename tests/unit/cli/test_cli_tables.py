"""Tables of messages: everything that matters fits 80 columns."""

from __future__ import annotations

import pytest
from rich.console import Console

from chartloom.cli import tables
from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageRow

ROW = MessageRow(
    position=123456,
    feed="immunisation",
    message_type="ADT^A01",
    control_id="A-VERY-LONG-CONTROL-ID-0123456789",
    received_at_us=1_795_329_062_000_000,
    applied_at_us=0,
    state=MessageState.QUARANTINED,
    source_patient="",
    size_bytes=94,
    issue_count=12345,
    unmapped_count=123,
    quarantine="unsupported-message-type",
)


def shown(table: object, width: int = 80) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "OUT", Console(width=80))


def test_the_quarantine_shows_every_reason_in_full() -> None:
    text = shown(tables.quarantine_table([ROW]))
    for word in ("123456", "immunisation", "ADT^A01", "11-22 06:31:02", ROW.quarantine):
        assert word in text
    [cure] = tables.cures([ROW, ROW])
    assert cure.startswith("unsupported-message-type: No mapping reads messages of this type.")
    assert "stop sending the type" in cure


def test_a_list_of_messages_cuts_nothing_but_long_control_ids() -> None:
    text = shown(tables.rows_table([ROW]))
    assert text.splitlines()[3].split()[:6] == [
        *("123456", "immunisation", "ADT^A01", "A-VERY-LON…", "11-22", "06:31")
    ]
    assert text.splitlines()[3].split()[-3:] == ["quarantined", "12345", "123"]


def test_a_wide_list_has_the_reason_and_the_whole_control_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "OUT", Console(width=140))
    text = shown(tables.rows_table([ROW]), 140)
    for word in (ROW.control_id, "11-22 06:31:02", "unsupported-message-type"):
        assert word in text
