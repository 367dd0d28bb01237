"""``service``: a key and a token for a program that asks this site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chartloom.cli.output import OUT

NameArgument = Annotated[str, typer.Argument(help="Id of the service in clients.toml.")]


def register(app: typer.Typer) -> None:
    """Adds ``service`` with its commands."""
    service = typer.Typer(
        no_args_is_help=True, help="Keys and tokens of services: programs that ask a site."
    )
    service.command(epilog="Example:  chartloom service key registry --folder clients")(key)
    service.command(
        epilog="Example:  chartloom service token registry --key clients/registry.pem "
        "--at http://127.0.0.1:8420"
    )(token)
    app.add_typer(service, name="service")


def key(
    service: NameArgument,
    folder: Annotated[Path, typer.Option(help="Where to write the two files.")] = Path(),
) -> None:
    """Makes a key for a service, and its public set (jwks) for clients.toml of the site."""
    from chartloom.wiring.service_keys import make_service_key

    private, public = make_service_key(folder, service)
    OUT.print(f"{private}: the key, for the service alone", highlight=False)
    OUT.print(f"{public}: its public set, for clients.toml", highlight=False)


def token(
    service: NameArgument,
    key: Annotated[Path, typer.Option(help="PEM of the service's key.")],
    at: Annotated[
        str, typer.Option(help="Address of the site's console.")
    ] = "http://127.0.0.1:8420",
    scope: Annotated[list[str] | None, typer.Option(help="Scopes; again for more.")] = None,
    purpose: Annotated[str, typer.Option(help="Purpose of use: TREAT, HOPERAT.")] = "",
    tls_ca: Annotated[
        Path | None, typer.Option(help="PEM of the authority that the console is checked with.")
    ] = None,
) -> None:
    """Prints an access token, good for five minutes: for curl, and for trying doors by hand."""
    from chartloom.wiring.service_keys import fetch_token

    scopes = scope or ["system/Patient.rs"]
    found = fetch_token(at, service, key, scopes, purpose=purpose, ca=tls_ca)
    OUT.print(found, markup=False, highlight=False, soft_wrap=True)
