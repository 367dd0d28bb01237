"""``feeds``, ``messages``, ``quarantine``, ``chart``: what the console shows, in a terminal."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.text import Text

from chartloom.cli.output import ERR, OUT, Table, age, print_json, sparkline
from chartloom.cli.site import SiteOption
from chartloom.cli.tables import cures, quarantine_table, rows_table
from chartloom.domain.errors import NotFound
from chartloom.domain.feed import Feed
from chartloom.domain.message import MessageState
from chartloom.domain.store import FeedStatus, MessageDetail, MessageFilter, ReplayScope

if TYPE_CHECKING:
    from chartloom.wiring import OpenSite
    from chartloom.wiring.desk import Desk

JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(epilog="Examples:  chartloom feeds  ·  chartloom feeds --watch")(feeds)
    app.command(
        epilog="Examples:  chartloom messages --feed lab --limit 20  ·  chartloom messages 4711"
        '  ·  chartloom messages 4711 --reason "PID is cut off, ticket 88"'
    )(messages)
    app.command(
        epilog="Examples:  chartloom quarantine  ·  chartloom quarantine --retry 17 --retry 23"
        "  ·  chartloom quarantine --retry-all"
    )(quarantine)
    app.command(
        epilog='Examples:  chartloom chart 123456 --reason "asked by Dr. Ames, ticket 4711"'
        "  ·  chartloom chart 123456 --reconciled  ·  chartloom chart 123456 --json"
    )(chart)


def _open(site: Path) -> AbstractContextManager[Desk]:
    from chartloom.project import load_project
    from chartloom.wiring.desk import open_desk

    return open_desk(load_project(site))


def feeds(
    site: SiteOption = Path(),
    json: JsonOption = False,
    watch: Annotated[bool, typer.Option(help="Refresh every two seconds.")] = False,
) -> None:
    """How every feed is doing: rate, last seen, latency, errors, freshness."""
    from chartloom.wiring.desk import FEEDS

    with _open(site) as desk:

        def asked() -> list[FeedStatus]:
            return desk.ask(FEEDS, desk.opened.store.feeds)

        if json:
            print_json(asked())
            return
        if not watch:
            OUT.print(_feeds_table(desk.opened, asked()))
            return
        from rich.live import Live

        with Live(_feeds_table(desk.opened, asked()), console=OUT) as live:
            while True:
                time.sleep(2)
                live.update(_feeds_table(desk.opened, asked()))


def _feeds_table(opened: OpenSite, found: list[FeedStatus]) -> Table:
    now_us = opened.clock.now_us()
    statuses = {s.feed: s for s in found}
    table = Table(
        title=opened.project.settings.site.name,
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 2, 0, 0) if OUT.width >= 110 else (0, 1, 0, 0),
        pad_edge=False,
    )
    wide = OUT.width >= 110
    table.add_column("Feed", no_wrap=True)
    table.add_column("Received", justify="right", no_wrap=True)
    table.add_column("Last", no_wrap=True)
    if wide:
        table.add_column("Last 20 min", no_wrap=True)
    table.add_column("p50/p99 ms", justify="right", no_wrap=True)
    table.add_column("Wait", justify="right", no_wrap=True)
    table.add_column("Held", justify="right", no_wrap=True, style="yellow")
    table.add_column("Data", no_wrap=True)
    for feed in opened.project.all_feeds:
        table.add_row(*_feed_cells(feed, statuses.get(feed.name), now_us, wide))
    table.caption = "p50/p99: accepted to in the chart, last hour. Held: in quarantine."
    return table


def _feed_cells(feed: Feed, status: FeedStatus | None, now_us: int, wide: bool) -> list[str | Text]:
    if status is None:
        return [feed.name, "0", "never", *([""] if wide else []), "-", "0", "0", "none yet"]
    latency = "-"
    if status.latency_p50_ms >= 0:
        latency = f"{status.latency_p50_ms:,.0f}/{status.latency_p99_ms:,.0f}"
    return [
        feed.name,
        f"{status.received_count:,}",
        age(status.last_received_at_us, now_us),
        *([sparkline(status.rate_per_minute[-20:])] if wide else []),
        latency,
        f"{status.waiting_count:,}",
        f"{status.quarantined_count:,}",
        _freshness(feed, status, now_us),
    ]


def _freshness(feed: Feed, status: FeedStatus, now_us: int) -> str | Text:
    if feed.internal:
        return f"internal, {age(status.last_event_us, now_us)}"
    if not status.last_event_us:
        return "unknown"
    fresh = now_us - status.last_event_us <= feed.freshness_max_s * 1_000_000
    word = ("fresh", "green") if fresh else ("stale", "red")
    return Text.assemble(word, f", {age(status.last_event_us, now_us)}")


def messages(
    position: Annotated[int | None, typer.Argument(help="One message by its position.")] = None,
    site: SiteOption = Path(),
    feed: Annotated[str, typer.Option(help="Only this feed.")] = "",
    type_: Annotated[str, typer.Option("--type", help="Only this type, e.g. ADT or ADT^A01.")] = "",
    state: Annotated[MessageState | None, typer.Option(help="Only in this state.")] = None,
    control_id: Annotated[str, typer.Option(help="Only this control id.")] = "",
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 25,
    reason: Annotated[
        str, typer.Option(help="Why you open one in quarantine; kept sealed, for review.")
    ] = "",
    json: JsonOption = False,
) -> None:
    """Lists messages, newest first, or shows one with what became of it.

    What is in quarantine and could not be read opens with --reason, for some hours, on record.
    """
    from chartloom.wiring.desk import MESSAGES

    with _open(site) as desk:
        if position is not None:
            try:
                if reason:
                    _print_message(desk.quarantined(position, reason), json)
                else:
                    _one_message(desk, position, json)
            except NotFound:
                _closed(desk, position)
            return
        where = MessageFilter(
            feed=feed, message_type=type_, state=state, control_id=control_id, limit=limit
        )
        rows = desk.list_messages(MESSAGES, where)
        if json:
            print_json(rows)
        elif rows:
            OUT.print(rows_table(rows))
        else:
            OUT.print("There is no message that you may see here. chartloom quarantine: those that")
            OUT.print("could not be applied; chartloom feeds: what each feed sent.")


def _closed(desk: Desk, position: int) -> None:
    """What is in quarantine is listed for whoever mends it, though not what it says: raises
    ``NotFound`` for anything else."""
    from chartloom.wiring.desk import QUARANTINE

    where = MessageFilter(state=MessageState.QUARANTINED, before=position + 1, limit=1)
    rows = [r for r in desk.list_messages(QUARANTINE, where) if r.position == position]
    if not rows:
        raise NotFound(
            "there is no such message, or you may not see it.", where=f"position {position}"
        )
    OUT.print(quarantine_table(rows))
    ERR.print(
        "What it says is closed: nobody could tell whom it is about, so that it may be about"
        f' anybody. To mend it, say why: chartloom messages {position} --reason "..." (10'
        " characters or more). It opens to you for some hours, is on record, and is reviewed."
    )
    raise typer.Exit(1)


def _one_message(desk: Desk, position: int, json: bool) -> None:
    from chartloom.wiring.desk import message

    _print_message(desk.ask(message(position), desk.opened.store.detail, position), json)


def _print_message(detail: MessageDetail, json: bool) -> None:
    if json:
        print_json(
            {
                "row": detail.row,
                "body": detail.message.body.decode("utf-8", "replace"),
                "resources": detail.resources,
                "provenance": detail.provenance,
                "issues": detail.issues,
                "unmapped": detail.unmapped,
                "projectVersion": detail.project_version,
            }
        )
        return
    OUT.print(rows_table([detail.row]))
    for line in detail.message.body.decode("utf-8", "replace").replace("\n", "\r").split("\r"):
        if line:
            OUT.print(line, highlight=False, markup=False, soft_wrap=True)
    table = Table("Resource", "Id")
    for resource in detail.resources:
        table.add_row(resource["resourceType"], resource["id"])
    OUT.print(table)
    for issue in detail.issues:
        OUT.print(f"{issue.severity.value}: {issue.code} {issue.location} {issue.detail}")
    if detail.unmapped:
        OUT.print("Unmapped: " + ", ".join(detail.unmapped))


def quarantine(
    site: SiteOption = Path(),
    retry: Annotated[list[int] | None, typer.Option(help="Retry this position.")] = None,
    retry_all: Annotated[bool, typer.Option(help="Retry everything in quarantine.")] = False,
    limit: Annotated[int, typer.Option(help="How many to list.", min=1, max=1000)] = 50,
    json: JsonOption = False,
) -> None:
    """Lists messages that could not be applied, with the reason; retries them after a fix."""
    from chartloom.wiring.desk import QUARANTINE, RETRY

    with _open(site) as desk:
        if retry or retry_all:
            scope = ReplayScope(positions=tuple(retry or ()))
            count = desk.opened.store.retry(desk.settle(RETRY), scope)
            OUT.print(f"{count} message(s) put back in front of their lanes.")
            return
        where = MessageFilter(state=MessageState.QUARANTINED, limit=limit)
        rows = desk.list_messages(QUARANTINE, where)
        if json:
            print_json(rows)
        elif rows:
            OUT.print(quarantine_table(rows))
            for line in cures(rows):
                OUT.print(line, highlight=False, markup=False)
        else:
            OUT.print("[green]Quarantine is empty.[/]")


def chart(
    person: Annotated[str, typer.Argument(help="Record number, person id or source patient id.")],
    site: SiteOption = Path(),
    reason: Annotated[str, typer.Option(help="Why you must see it; kept sealed, for review.")] = "",
    reconciled: Annotated[
        bool, typer.Option(help="One list each of all sources, with reasons.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """A patient's summary: problems, medications, allergies, results, encounters and more.

    With --reconciled, one list each of medications, allergies and problems made from all sources:
    status, reason, what does not fit; --json has comparable results as well.

    An operator cares for nobody: the chart opens with a reason, as in an emergency, for as long as
    \\[access] glass_hours says. That is on record, and reviewed in the console.
    """
    from chartloom.cli.chart import NOT_WHOLE, chart_json, print_chart
    from chartloom.domain.grant import Purpose

    with _open(site) as desk:
        hits = desk.find(person, Purpose.BREAK_GLASS)
        if not hits:
            ERR.print("Nobody is found under that. Try a record number as the source wrote it.")
            raise typer.Exit(1)
        if len(hits) > 1:
            table = Table("Person", "Records", title=f"{len(hits)} persons; name one by its id")
            for hit in hits:
                table.add_row(hit.person_id, str(len(hit.source_patients)))
            OUT.print(table)
            raise typer.Exit(1)
        permit = desk.chart(hits[0].person_id, reason)
        views = permit.run(desk.opened.store.sections, hits[0].source_patients)
        now_us = desk.opened.clock.now_us()
        anew = desk.opened.store.made_anew(permit.grant)
        if anew:
            ERR.print(f"[yellow]{NOT_WHOLE}[/yellow]")
        if reconciled:
            from chartloom.chart import summary
            from chartloom.cli.reconciled import SPOKEN_SECTIONS, show_lists

            made = summary(views, now_us)
            speakers = permit.run(
                desk.opened.store.speakers, hits[0].source_patients, SPOKEN_SECTIONS
            )
            show_lists(desk.opened.project, made, speakers, json, complete=not anew)
        elif json:
            print_json(chart_json(hits[0], views, now_us, complete=not anew))
        else:
            print_chart(views, now_us)
