"""Tables of messages that fit a terminal of 80 columns."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD

from chartloom.cli.output import OUT, Table, when
from chartloom.domain.issues import CATALOGUE
from chartloom.domain.store import MessageRow

_WIDE = 110
_CONTROL_ID_NARROW = 11


def rows_table(rows: list[MessageRow]) -> Table:
    """On a narrow terminal without reasons and seconds, and with long control ids cut."""
    wide = OUT.width >= _WIDE
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0) if wide else 0, pad_edge=False)
    for heading in ("Position", "Feed", "Type", "Control id"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Received (UTC)" if wide else "Received", no_wrap=True)
    table.add_column("State", no_wrap=True)
    table.add_column("Issues", justify="right", no_wrap=True)
    table.add_column("Lost", justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            str(row.position),
            row.feed,
            row.message_type or "unreadable",
            _short(row.control_id),
            _short_time(row.received_at_us)[: None if wide else -3],
            row.quarantine if wide and row.quarantine else row.state.value,
            str(row.issue_count),
            str(row.unmapped_count),
        )
    return table


def quarantine_table(rows: list[MessageRow]) -> Table:
    """The reason in full, and below the table what to do about each."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("Position", "Feed", "Type", "Received (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("Reason", overflow="fold")
    for row in rows:
        table.add_row(
            str(row.position),
            row.feed,
            row.message_type or "unreadable",
            _short_time(row.received_at_us),
            row.quarantine,
        )
    return table


def cures(rows: list[MessageRow]) -> list[str]:
    """What each reason means and how it is mended, once."""
    import chartloom.normalize  # noqa: F401 - registers the reasons

    lines = []
    for reason in dict.fromkeys(row.quarantine for row in rows):
        known = CATALOGUE.get(reason)
        if known is not None:
            lines.append(f"{reason}: {known.title} {known.cure}")
    return lines


def _short(text: str) -> str:
    """Control ids are the sender's to choose; one long one shall not push all columns out."""
    if len(text) <= _CONTROL_ID_NARROW or OUT.width >= _WIDE:
        return text
    return text[: _CONTROL_ID_NARROW - 1] + "…"


def _short_time(at_us: int) -> str:
    return when(at_us)[5:].removesuffix("Z")
