"""``chartloom inspect``: what a message becomes, without any server."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from chartloom.cli.output import ERR, OUT, Table, print_json
from chartloom.domain.errors import ChartloomError
from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Disposition, Traced

if TYPE_CHECKING:
    from chartloom.normalize import Mapping

_COLOURS = {
    Disposition.MAPPED: "green",
    Disposition.IGNORED: "bright_black",
    Disposition.UNMAPPED: "yellow",
}
_SUFFIXES = {".hl7", ".txt", ".dat", ".msg", ".json", ".ndjson"}


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(
                p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in _SUFFIXES
            )
        elif path.exists():
            yield path
        else:
            raise ChartloomError(
                "There is no such file or folder.", where=str(path), cure="Check the path."
            )


def _holds_one(data: bytes) -> bool:
    """Whether there is any message: JSON, or a header segment."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") or any(
        line.lstrip(b"\xef\xbb\xbf\x0b \t")[:3] in (b"MSH", b"FHS", b"BHS")
        for line in data.splitlines()
    )


def _messages(data: bytes) -> list[tuple[bytes, Format]]:
    if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return [(data, Format.FHIR)]
    from chartloom.formats.hl7v2 import split_batch

    return [(data[start:end], Format.HL7V2) for start, end in split_batch(data).spans]


def _mapping(site: Path | None, name: str, format_: Format) -> Mapping:
    from chartloom.normalize import load_mapping

    if site is not None and name:
        from chartloom.project import load_project
        from chartloom.project.sensitivity import load_labeller

        project = load_project(site)
        source = project.mappings.get(name)
        if source is None:
            raise ChartloomError(
                f"The site has no mapping {name!r}.", where=str(site), cure="See its mappings/."
            )
        return load_mapping(source.base, source.overlays, load_labeller(project))
    return load_mapping(name or format_.value)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as e:
        raise ChartloomError(
            "The file cannot be read.", where=str(file), cure=f"{e.strerror or e}."
        ) from e


def _as_json(file: Path, number: int, traced: Traced, data: bytes) -> dict[str, Any]:
    derived = traced.derived
    return {
        "file": str(file),
        "message": number,
        "messageType": derived.message_type,
        "controlId": derived.control_id,
        "quarantine": derived.quarantine or None,
        "resources": [c.resource for c in derived.contributions],
        "provenance": derived.provenance,
        "links": derived.links,
        "issues": [
            {"severity": i.severity, "code": i.code, "location": i.location, "detail": i.detail}
            for i in derived.issues
        ],
        "loss": {
            "counts": traced.loss.counts,
            "rows": [
                {
                    "location": r.location,
                    "span": r.span,
                    "value": data[slice(*r.span)].decode("utf-8", "replace"),
                    "disposition": r.disposition,
                    "rule": r.rule,
                    "targets": r.targets,
                    "reason": r.reason,
                }
                for r in traced.loss.rows
            ],
        },
    }


def _show_segments(data: bytes, format_: Format) -> None:
    if format_ is Format.FHIR:
        return
    from chartloom.formats.hl7v2 import parse

    for segment in parse(data).segments:
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{segment.start:>6}  ", style="bright_black")
        raw = data[segment.start : segment.end].decode("utf-8", "replace").rstrip("\r\n")
        line.append(raw[:3], style="bold cyan")
        for character in raw[3:400]:
            line.append(character, style="bright_black" if character in "|^~\\&" else "")
        OUT.print(line)


def _show(traced: Traced, data: bytes, format_: Format, only: Disposition | None) -> None:
    derived = traced.derived
    _show_segments(data, format_)
    if derived.quarantine:
        OUT.print(f"\n[bold red]Would be quarantined:[/] {derived.quarantine}")
    if derived.contributions:
        table = Table("Resource", "Id", "Elements", title="Becomes", title_justify="left")
        for contribution in derived.contributions:
            elements = [k for k in contribution.resource if k not in ("resourceType", "id", "meta")]
            table.add_row(contribution.type, contribution.id[:8] + "…", ", ".join(elements))
        OUT.print(table)
    for link in derived.links:
        OUT.print(f"[bold]{link.kind.value}[/] {link.prior[:8]}… → {link.surviving[:8]}…")
    if derived.issues:
        table = Table("Severity", "Code", "Where", "Detail", title="Issues", title_justify="left")
        for issue in derived.issues:
            table.add_row(issue.severity.value, issue.code, issue.location, issue.detail)
        OUT.print(table)
    _show_loss(traced, data, only)


def _show_loss(traced: Traced, data: bytes, only: Disposition | None) -> None:
    counts = traced.loss.counts
    title = (
        f"Loss report: [green]{counts.mapped} mapped[/], "
        f"[bright_black]{counts.ignored} ignored on purpose[/], "
        f"[yellow]{counts.unmapped} unmapped[/]"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("Field", no_wrap=True)
    table.add_column("Value", max_width=30, no_wrap=True)
    table.add_column("What became of it", ratio=1)
    for row in traced.loss.rows:
        if only is not None and row.disposition is not only:
            continue
        what = Text(row.disposition.value, style=_COLOURS[row.disposition])
        if row.targets:
            what.append(" → " + ", ".join(row.targets[:3]), style="default")
            if len(row.targets) > 3:
                what.append(f" +{len(row.targets) - 3}", style="bright_black")
        if row.reason:
            what.append(f" {row.reason}", style="default")
        if row.rule:
            what.append(f"  [{row.rule}]", style="bright_black")
        table.add_row(row.location, data[slice(*row.span)].decode("utf-8", "replace"), what)
    OUT.print(table)


def register(app: typer.Typer) -> None:
    """Adds ``inspect``."""

    @app.command(
        epilog="Examples:  chartloom inspect adt.hl7  ·  chartloom inspect folder/ --only unmapped"
        "  ·  chartloom inspect lab.hl7 --json | jq '.loss.counts'"
    )
    def inspect(
        paths: Annotated[list[Path], typer.Argument(help="Files or folders with messages.")],
        json: Annotated[bool, typer.Option("--json", help="One JSON line per message.")] = False,
        only: Annotated[
            Disposition | None, typer.Option(help="Only these rows of the loss report.")
        ] = None,
        mapping: Annotated[str, typer.Option(help="Mapping to use; needs --site if its own.")] = "",
        site: Annotated[Path | None, typer.Option(help="Site folder with own mappings.")] = None,
        zone: Annotated[str, typer.Option(help="Zone of times that carry none.")] = "UTC",
    ) -> None:
        """Shows the resources a message becomes, and what of it is not carried over."""
        mappings: dict[Format, Mapping] = {}
        seen, empty = 0, False
        for file in _files(paths):
            content = _content(file)
            if not _holds_one(content):
                ERR.print(
                    f"{file}: no message is in it: neither HL7 v2 (MSH) nor FHIR (JSON).",
                    markup=False,
                    highlight=False,
                )
                empty = True
                continue
            for number, (data, format_) in enumerate(_messages(content), start=1):
                if format_ not in mappings:
                    mappings[format_] = _mapping(site, mapping, format_)
                feed = Feed("inspect", "-", "-", "files", format_, zone=zone)
                message = Message(0, feed.name, data, 0, hashlib.sha256(data).digest())
                traced = mappings[format_].trace(message, feed, EXAMPLE_NAMESPACE)
                seen += 1
                if json:
                    print_json(_as_json(file, number, traced, data))
                    continue
                OUT.rule(f"{file.name} · message {number} · {traced.derived.message_type or '?'}")
                _show(traced, data, format_, only)
        if empty:
            raise typer.Exit(1)
        if not seen:
            ERR.print("No messages found. A folder is searched for " + ", ".join(sorted(_SUFFIXES)))
            raise typer.Exit(1)
