"""Signed tokens: access tokens, client assertions, key sets, OpenID Connect sign-in."""

from chartloom.guard.tokens.access import (
    Access,
    AccessVerifier,
    TokenIssuer,
    certificate_thumbprint,
    signing_key,
)
from chartloom.guard.tokens.clients import (
    AssertionVerifier,
    Client,
    Issued,
    TokenEndpoint,
    TokenError,
    make_assertion,
)
from chartloom.guard.tokens.keysets import (
    FetchedKeys,
    FileKeys,
    FixedKeys,
    KeySource,
    PublicKeys,
    read_keys,
)
from chartloom.guard.tokens.logout import LOGOUT_EVENT, Notice
from chartloom.guard.tokens.oidc import (
    Demands,
    Identity,
    Pending,
    Provider,
    RelyingParty,
    Secret,
    SigningKey,
    discover,
)
from chartloom.guard.tokens.replay import MemoryUsedTokens
from chartloom.guard.tokens.strict import TokenRefused

__all__ = [
    "LOGOUT_EVENT",
    "Access",
    "AccessVerifier",
    "AssertionVerifier",
    "Client",
    "Demands",
    "FetchedKeys",
    "FileKeys",
    "FixedKeys",
    "Identity",
    "Issued",
    "KeySource",
    "MemoryUsedTokens",
    "Notice",
    "Pending",
    "Provider",
    "PublicKeys",
    "RelyingParty",
    "Secret",
    "SigningKey",
    "TokenEndpoint",
    "TokenError",
    "TokenIssuer",
    "TokenRefused",
    "certificate_thumbprint",
    "discover",
    "make_assertion",
    "read_keys",
    "signing_key",
]
