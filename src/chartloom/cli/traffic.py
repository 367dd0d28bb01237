"""``send``, ``simulate`` and ``demo``: bringing messages to a site."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chartloom.cli.output import ERR, OUT, print_json
from chartloom.cli.site import SiteOption
from chartloom.cli.target import Target, token_from

if TYPE_CHECKING:
    from chartloom.sources.send import SendReport


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(
        epilog="Examples:  chartloom send messages/ --feed adt --site my-hospital"
        "  ·  chartloom send big.hl7 --to mllp://127.0.0.1:26610 --connections 16 --rate 500"
        "  ·  chartloom send in/ --to mllps://lab.example.org:2575 --tls-ca ca.crt"
    )(send)
    app.command(epilog="Example:  chartloom simulate hospital/ --days 30 --patients 100 --seed 7")(
        simulate
    )
    app.command(epilog="Examples:  chartloom demo  ·  chartloom demo --speed 600")(demo)


def send(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders with messages.")],
    site: SiteOption = Path(),
    feed: Annotated[str, typer.Option(help="Feed of the site to send to.")] = "adt",
    to: Annotated[
        str, typer.Option(help="Address instead of a feed: mllp(s):// or http(s)://")
    ] = "",
    connections: Annotated[int, typer.Option(help="Connections.", min=1, max=1024)] = 1,
    rate: Annotated[float, typer.Option(help="Messages per second; 0: as fast as it goes.")] = 0,
    repeat: Annotated[int, typer.Option(help="Send all of it so often.", min=1)] = 1,
    timeout_s: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 30.0,
    tls_ca: Annotated[
        Path | None, typer.Option(help="PEM of the authority that the receiver's is checked with.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM of a client certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM of its key.")] = None,
    token_env: Annotated[str, typer.Option(help="Environment variable with a bearer token.")] = "",
    show: Annotated[bool, typer.Option(help="Print the answers, as HL7 v2 ones come.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Sends messages over MLLP or HTTP, each waiting for its answer, with progress and rate."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from chartloom.sources.send import SendOptions, read_messages, send_http, send_mllp

    target = Target.of(site, feed, to)
    tls, token = target.tls(tls_ca, tls_cert, tls_key), token_from(token_env)
    messages = (m for _ in range(repeat) for m in read_messages(paths, target.format))
    options = SendOptions(connections=connections, rate_per_s=rate, timeout_s=timeout_s)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=ERR, disable=json) as bar:
        task = bar.add_task("Connecting…", total=None)

        def progress(report: SendReport) -> None:
            bar.update(
                task,
                description=f"{report.accepted_count:,} accepted, "
                f"{report.refused_count:,} refused, {report.rate_per_s:,.0f}/s",
            )

        to_host = (messages, target.host, target.port)
        run = (
            send_http(
                *to_host,
                path=target.path,
                media_type=target.media_type,
                token=token,
                options=options,
                tls=tls,
                progress=progress,
            )
            if target.transport == "http"
            else send_mllp(
                *to_host,
                options=options,
                tls=tls,
                progress=progress,
                heard=_print_answer if show else lambda _: None,
            )
        )
        report = asyncio.run(run)
    _print_report(report, json)
    if not report.is_complete:
        raise typer.Exit(1)


def _print_answer(answer: bytes) -> None:
    """One line per segment. Control characters, which a terminal would obey, are left out."""
    for segment in answer.decode("utf-8", "replace").split("\r"):
        if line := "".join(c for c in segment if c.isprintable()):
            OUT.print(line, markup=False, highlight=False, soft_wrap=True)


def _print_report(report: SendReport, json: bool) -> None:
    latency = report.latency
    if json:
        print_json(
            {
                "sent": report.sent_count,
                "accepted": report.accepted_count,
                "refused": report.refused_count,
                "unanswered": report.unanswered_count,
                "resent": report.resent_count,
                "answers": dict(report.answers),
                "seconds": round(report.elapsed_s, 3),
                "perSecond": round(report.rate_per_s, 1),
                "latency": latency,
                "failure": report.failure or None,
            }
        )
        return
    answers = ", ".join(f"{count:,} {code}" for code, count in report.answers.most_common())
    OUT.print(
        f"{report.accepted_count:,} of {report.sent_count:,} accepted ({answers or 'no answers'}) "
        f"in {report.elapsed_s:.1f} s, {report.rate_per_s:,.0f}/s"
    )
    if latency:
        OUT.print(
            f"Answer after p50 {latency.p50_ms:.1f} ms, p95 {latency.p95_ms:.1f} ms, "
            f"p99 {latency.p99_ms:.1f} ms, max {latency.max_ms:.1f} ms"
        )
    if report.failure:
        ERR.print(f"[red]Ended early:[/] {report.failure}")


def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")],
    days: Annotated[float, typer.Option(help="Days to simulate after the history.")] = 7,
    patients: Annotated[int, typer.Option(help="People.", min=1, max=100_000)] = 200,
    history_days: Annotated[int, typer.Option(help="Days of history before.", min=0)] = 180,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Writes the messages of a simulated hospital, one file each, and the ground truth beside."""
    from chartloom.simulate import Hospital

    hospital = Hospital(seed, patients=patients, history_days=history_days)
    with ERR.status("Simulating…"):
        count = hospital.write_messages(folder / "messages", days=days)
        hospital.write_truth(folder / "truth.json", days=days)
    OUT.print(f"{count:,} messages in {folder / 'messages'}, truth in {folder / 'truth.json'}")


def demo(
    folder: Annotated[Path, typer.Option(help="Site folder of the demo.")] = Path("demo-hospital"),
    seed: Annotated[int, typer.Option(help="Which hospital.")] = 7,
    patients: Annotated[int, typer.Option(help="People.", min=1, max=5000)] = 150,
    speed: Annotated[
        float,
        typer.Option(
            help="Simulated seconds per second, until the hospital has caught up with the clock"
            " (about an hour); then real time.",
            min=1,
        ),
    ] = 16.0,
    open_browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the console in a browser.")
    ] = True,
) -> None:
    """Starts Chartloom with a simulated hospital that sends over real connections.

    The first start makes the site and sends half a year of history; later starts keep the data and
    go on where the hospital was. For about an hour its life runs faster than the clock; then it has
    caught up, and a message comes every few minutes: nothing is sent before it happens. Ctrl-C
    stops everything.
    """
    import signal
    import webbrowser

    from chartloom.project import load_project
    from chartloom.wiring import running_site
    from chartloom.wiring.demo import DemoDriver, prepare_demo_site
    from chartloom.wiring.demo_data_use import propose_data_use
    from chartloom.wiring.demo_people import PEOPLE

    began_s = time.monotonic()
    OUT.print("Starting: the store, its keys and the feeds. This takes some seconds…")
    made = prepare_demo_site(folder, seed)
    if made:
        OUT.print(f"Made a demo site in {folder}/")
    with running_site(load_project(folder)) as running:
        OUT.print(f"[green]Chartloom is up[/] after {time.monotonic() - began_s:.1f} s.\n")
        link = running.console_url
        OUT.print(f"  Console   [bold]{link}[/]\n", highlight=False, soft_wrap=True)
        if running.project.settings.sign_in.builtin:
            OUT.print("Sign in, without a password, as one of:")
            for who, what in PEOPLE:
                OUT.print(f"  {who:18} {what}", highlight=False)
            OUT.print()
        if made:
            propose_data_use(running.project)
        with DemoDriver(running.project, seed, patients, speed) as driver:
            OUT.print(
                "What to look at:\n"
                "  Feeds       ten feeds of a hospital; rate, latency, freshness\n"
                "  Chart       pick a recently changed patient; click any value for its bytes\n"
                "  Messages    what each message became, and what of it was not carried over\n"
                "  Quarantine  the simulated hospital also sends some garbage on purpose\n"
                "  Identity    (data steward) records that may be one person, side by side\n"
                "  Audit       (privacy officer) who saw whom, and when\n"
                "  Data uses   (privacy officer) approve the analyst's, and export it\n\n"
                f"{driver.rhythm()}\n"
                f"In another terminal:  chartloom feeds --site {folder}\n"
                "Ctrl-C stops everything; a second start keeps the data.\n"
            )
            if open_browser:
                webbrowser.open(link)
            if ERR.is_terminal:
                driver.show_progress(ERR)
            running.watch_until(signal.SIGINT, signal.SIGTERM)
            OUT.print("Stopping…")
