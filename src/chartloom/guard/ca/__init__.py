"""The site's own certificate authority and TLS contexts. Start with :class:`Authority`."""

from chartloom.guard.ca.authority import Authority, Leaf, names_of, spiffe_id
from chartloom.guard.ca.contexts import client_tls, load_chain, server_tls
from chartloom.guard.ca.denylist import DenyList

__all__ = [
    "Authority",
    "DenyList",
    "Leaf",
    "client_tls",
    "load_chain",
    "names_of",
    "server_tls",
    "spiffe_id",
]
