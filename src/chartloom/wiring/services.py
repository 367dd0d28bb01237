"""Services at the doors: this site's token key, who verifies its tokens, who may send."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ports import Clock
from chartloom.guard.ca import DenyList
from chartloom.guard.keys.files import read, write
from chartloom.guard.tokens import AccessVerifier, TokenIssuer, signing_key
from chartloom.project import Project
from chartloom.project.clients import load_clients
from chartloom.project.tls import deny_file
from chartloom.sources import Admission
from chartloom.wiring.address import console_address

_KEY = "token.key"


def token_issuer(project: Project, clock: Clock) -> TokenIssuer:
    """Issues this site's access tokens; its key is made when absent, in the key folder (0600).

    Tokens live five minutes: a lost key is no loss. Raises ``ConfigurationError``.
    """
    path = project.key_dir / _KEY
    if not path.exists():
        pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            write(path, pem)
        except ConfigurationError:
            if not path.exists():
                raise  # else another process was faster, and its key is the one
    return TokenIssuer(signing_key(read(path)), site_name(project), clock)


def site_name(project: Project) -> str:
    """Issuer and audience of this site's access tokens: the console's address."""
    return console_address(project)


def access_verifier(project: Project, clock: Clock) -> AccessVerifier:
    """Verifies this site's access tokens."""
    name = site_name(project)
    return AccessVerifier(token_issuer(project, clock).public_keys(), name, name, clock)


def admission_of(project: Project, clock: Clock) -> Admission:
    """Who may send to this site's feeds."""
    return Admission(
        load_clients(project),
        access_verifier(project, clock),
        DenyList(deny_file(project.settings, project.folder)),
        clock,
    )
