"""``ca``: the internal authority, for TLS between machines without a PKI of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from chartloom.cli.output import OUT, Table, print_json, when
from chartloom.cli.site import SiteOption

if TYPE_CHECKING:
    from chartloom.wiring.internal_ca import InternalCa

JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines.")]
_COLOURS = {"in order": "green", "due": "yellow", "ended": "red", "denied": "red"}


def register(app: typer.Typer) -> None:
    """Adds ``ca`` with its commands."""
    ca = typer.Typer(no_args_is_help=True, help="The internal certificate authority of a site.")
    ca.command(epilog="Example:  chartloom ca init --site my-hospital")(init)
    ca.command(
        epilog="Example:  chartloom ca issue lab-engine --as spiffe://my-hospital/lab-engine"
    )(issue)
    ca.command(epilog="Examples:  chartloom ca renew  ·  chartloom ca renew lab-engine")(renew)
    ca.command("list", epilog="Examples:  chartloom ca list  ·  chartloom ca list --json")(list_)
    ca.command(epilog="Example:  chartloom ca deny lab-engine")(deny)
    app.add_typer(ca, name="ca")


def _open(site: SiteOption) -> InternalCa:
    from chartloom.guard import SystemClock
    from chartloom.project import load_project
    from chartloom.wiring.internal_ca import InternalCa

    return InternalCa(load_project(site), SystemClock())


def init(site: SiteOption = Path(), json: JsonOption = False) -> None:
    """Makes the authority and this machine's certificate: `internal` in \\[tls] certificate."""
    authority = _open(site)
    certificate = authority.init()
    if json:
        print_json({"authority": str(certificate), "leaves": authority.leaves()})
        return
    OUT.print(f"[green]Made:[/] {certificate}", highlight=False, soft_wrap=True)
    OUT.print('Give it to those who connect. In chartloom.toml:  [tls] certificate = "internal"')


def issue(
    name: Annotated[str, typer.Argument(help="Name of the leaf's file.")],
    as_: Annotated[
        list[str] | None,
        typer.Option("--as", help="DNS name, IP address or SPIFFE id; may be repeated."),
    ] = None,
    kind: Annotated[
        Literal["client", "server", "peer"], typer.Option(help="What it is for; peer: both.")
    ] = "client",
    hours: Annotated[int, typer.Option(help="How long it lives.", min=1, max=2160)] = 168,
    site: SiteOption = Path(),
    json: JsonOption = False,
) -> None:
    """Issues a certificate with its key, for a sender, a service or another machine."""
    path = _open(site).issue(name, as_ or [name], kind, hours)
    if json:
        print_json({"file": str(path)})
    else:
        OUT.print(f"[green]Issued:[/] {path}", highlight=False, soft_wrap=True)
        OUT.print("The file holds the key: hand it over by a safe way, then keep no copy.")


def renew(
    names: Annotated[list[str] | None, typer.Argument(help="Leaves; by default those due.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    site: SiteOption = Path(),
    json: JsonOption = False,
) -> None:
    """Renews certificates, each with a new key. Running doors take them within half a minute."""
    renewed = _open(site).renew(names or (), all_=all_)
    if json:
        print_json({"renewed": renewed})
    else:
        OUT.print(f"Renewed: {', '.join(renewed)}" if renewed else "Nothing is due.")


def list_(site: SiteOption = Path(), json: JsonOption = False) -> None:
    """Lists the certificates that were issued here and are kept here."""
    leaves = _open(site).leaves()
    if json:
        print_json(leaves)
        return
    table = Table("Leaf", "For", "Names", "Ends (UTC)", "State")
    for leaf in leaves:
        state = Text(leaf.state, style=_COLOURS[leaf.state])
        table.add_row(leaf.name, leaf.kind, "\n".join(leaf.names), when(leaf.ends_at_us), state)
    OUT.print(table)


def deny(
    leaf: Annotated[str, typer.Argument(help="Name of a leaf, or a PEM file of it.")],
    site: SiteOption = Path(),
    json: JsonOption = False,
) -> None:
    """Lets a certificate in nowhere any more. New connections are refused at once."""
    status = _open(site).deny(leaf)
    if json:
        print_json(status)
    else:
        OUT.print(f"[red]Denied:[/] {status.name} (serial {status.serial})", highlight=False)
