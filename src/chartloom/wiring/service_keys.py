"""The other side of the token endpoint: a service's own key, and a token for it (SMART Backend
Services), for those who try a door by hand or write a small service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chartloom.domain.errors import ConfigurationError
from chartloom.guard import SystemClock
from chartloom.guard.https import HttpsOrigin
from chartloom.guard.keys.files import write
from chartloom.guard.tokens import TokenIssuer, make_assertion, signing_key
from chartloom.guard.tokens.clients import ASSERTION_TYPE

_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


def make_service_key(folder: Path, service: str) -> tuple[Path, Path]:
    """Makes a key for a service: the key (for it alone, 0600), and its public set for the site.

    Nothing is overwritten; raises ``ConfigurationError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    private, public = folder / f"{service}.pem", folder / f"{service}.jwks.json"
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    if public.exists():
        raise ConfigurationError(
            "The file is there already.", where=str(public), cure="Choose another folder."
        )
    write(private, pem)
    issuer = TokenIssuer(signing_key(pem), service, SystemClock())
    public.write_bytes(msgspec.json.format(msgspec.json.encode(issuer.key_set()), indent=2))
    return private, public


def fetch_token(
    console: str,
    service: str,
    key: Path,
    scopes: Sequence[str],
    *,
    purpose: str = "",
    ca: Path | None = None,
) -> str:
    """An access token for a service, as it gets one itself. console: address of the site.

    Raises ``ConfigurationError`` if it is refused.
    """
    url = urlsplit(console)
    origin = HttpsOrigin(
        f"{url.scheme}://{url.netloc}", ca=ca, allow_private=True, allow_loopback_http=True
    )
    address = f"{console.rstrip('/')}/token"
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(
            signing_key(_read(key)), "ES256", service, address, SystemClock()
        ),
        "scope": " ".join(scopes),
    }
    if purpose:
        form["purpose_of_use"] = purpose
    path = urlsplit(address).path
    answer = origin.request("POST", path, _FORM, urlencode(form).encode())
    try:
        told: dict[str, Any] = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    if answer.status != 200 or not isinstance(told.get("access_token"), str):
        raise ConfigurationError(
            f"No token was given out ({told.get('error', answer.status)}).",
            where=address,
            cure="See clients.toml of the site: id, jwks and scopes; and the record of sign-ins.",
        )
    return str(told["access_token"])


def _read(key: Path) -> bytes:
    try:
        return key.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"The key cannot be read ({error.strerror}).", where=str(key), cure="Check the path."
        ) from error
