"""Where ``send`` sends: a feed of a site, or an address."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.message import Format

_SCHEMES = {"mllp": False, "http": False, "mllps": True, "https": True}


class Target:
    """Where to send and what: a feed of a site, or an address."""

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        path: str = "/",
        format_: Format | None = None,
        authority: Path | None = None,
    ) -> None:
        self.transport, self.is_tls = scheme.removesuffix("s"), _SCHEMES[scheme]
        self.host, self.port, self.path = host, port, path
        self.authority = authority  #: who signs the certificate of a feed of the site
        self.format = format_ or (Format.FHIR if self.transport == "http" else Format.HL7V2)

    @classmethod
    def of(cls, site: Path, feed: str, to: str) -> Target:
        """From ``--to``, or from the feed's own file."""
        if to:
            url = urlsplit(to)
            if url.scheme not in _SCHEMES or not url.hostname or not url.port:
                raise ConfigurationError(
                    f"{to!r} is not an address.",
                    cure="Use mllp://host:port or http://host:port/path; mllps and https for TLS.",
                )
            return cls(url.scheme, url.hostname, url.port, url.path or "/")
        from chartloom.project import feeds_by_name, load_project
        from chartloom.project.tls import internal_authority
        from chartloom.wiring.ports import need_up

        project = load_project(site)
        feeds = feeds_by_name(project)
        if feed not in feeds or feeds[feed].source == "files":
            known = ", ".join(n for n, f in feeds.items() if f.source != "files")
            raise ConfigurationError(
                f"There is no feed {feed!r} that listens.", cure=f"Use --to, or one of: {known}."
            )
        need_up(project)
        return cls._of_feed(feeds[feed], internal_authority(project.settings, project.folder))

    @classmethod
    def _of_feed(cls, feed: Feed, authority: Path | None) -> Target:
        options = feed.options
        host = str(options.get("host", "127.0.0.1"))
        return cls(
            feed.source + ("s" if options.get("tls_cert") else ""),
            "127.0.0.1" if host in ("0.0.0.0", "::") else host,  # noqa: S104 - compared, not bound
            int(options["port"]),
            str(options.get("path", "")) or "/",
            feed.format,
            authority,
        )

    @property
    def media_type(self) -> str:
        """Of the bodies over HTTP."""
        return "application/fhir+json" if self.format is Format.FHIR else "application/hl7-v2"

    def tls(self, ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
        """The context for TLS, None without; raises ``ConfigurationError`` for unusable files."""
        from chartloom.sources.tls import client_context

        if self.is_tls:
            return client_context(ca or self.authority, cert, key)
        if ca or cert or key:
            raise ConfigurationError(
                "This goes without TLS, so certificates are of no use.",
                cure="Use mllps:// or https://, or give the feed tls_cert and tls_key.",
            )
        return None


def token_from(variable: str) -> str:
    """The bearer token in an environment variable; "" without one."""
    if not variable:
        return ""
    token = os.environ.get(variable, "").strip()
    if not token:
        raise ConfigurationError(
            f"The environment variable {variable} is empty.",
            cure="Put the feed's bearer token there.",
        )
    return token
