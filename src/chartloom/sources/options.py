"""The options each source understands, and what ``chartloom check`` says about wrong ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format

Value = str | int | float | bool


class Problem(NamedTuple):
    """Something wrong with a feed's options. A ``warning`` does not keep the feed from running."""

    key: str
    what: str
    cure: str
    severity: Literal["error", "warning"] = "error"


class Option(NamedTuple):
    """One key of a source's table in a feed file."""

    key: str
    kind: type
    default: Value | None  #: None: must be given
    text: str
    low: float | None = None
    high: float | None = None


_LISTEN: Final = (
    Option("host", str, "127.0.0.1", "Address to listen on; ``0.0.0.0`` for all of IPv4."),
    Option("port", int, None, "Port to listen on.", 0, 65535),
    Option(
        "tls_cert",
        str,
        "",
        "PEM file with the server's certificate, or ``internal``; turns TLS on. "
        "By default that of ``[tls]``; ``off`` goes without.",
    ),
    Option("tls_key", str, "", "PEM file of the certificate's key."),
    Option(
        "tls_client_ca",
        str,
        "",
        "PEM file of the authority, or ``internal``; clients must show its papers.",
    ),
)

#: source -> its options, in the order in which they are documented.
OPTIONS: Final[dict[str, tuple[Option, ...]]] = {
    "mllp": (
        *_LISTEN,
        Option(
            "in_flight_max",
            int,
            64,
            "Messages of one connection that may be on their way; then reading stops.",
            1,
            10_000,
        ),
    ),
    "http": (
        *_LISTEN,
        Option("path", str, "", "Path of the base, such as ``/fhir``."),
        Option(
            "tls_client_optional",
            bool,
            False,
            "With ``tls_client_ca``: senders may come without a certificate, if a token will do.",
        ),
        Option(
            "token_env", str, "", "Environment variable that holds the bearer token to ask for."
        ),
        Option("token_file", str, "", "File that holds the bearer token to ask for."),
    ),
    "files": (
        Option("folder", str, None, "Folder to watch, relative to the site."),
        Option("pattern", str, "*", "Glob pattern of the names to take."),
        Option("poll_s", float, 1.0, "Seconds between two looks into the folder.", 0.01, 3600),
        Option(
            "settle_s", float, 2.0, "A file is complete when it did not change that long.", 0, 3600
        ),
        Option(
            "marker",
            str,
            "",
            "Suffix of an empty file that says that a file is complete, such as ``.done``; "
            "then settle_s does not matter.",
        ),
    ),
}


def validate_options(feed: Feed, base: Path | None = None) -> list[Problem]:
    """All that is wrong with ``feed.options`` and its use of the source; empty if nothing is.

    base: the site's folder; when given, files that options name must exist.
    """
    options = OPTIONS.get(feed.source)
    if options is None:
        known = ", ".join(OPTIONS)
        return [Problem("source", f"There is no source {feed.source!r}.", f"Use one of: {known}.")]
    problems = list(_keys(feed, options))
    if not problems:
        problems += _files_exist(feed, base) if base is not None else []
        problems += _RULES[feed.source](feed)
    return problems


def _keys(feed: Feed, options: tuple[Option, ...]) -> Iterator[Problem]:
    by_key = {o.key: o for o in options}
    for key in feed.options:
        if key in ("token", "password", "secret"):
            yield Problem(
                key,
                "Secrets do not belong into the site folder.",
                "Use token_env or token_file, and change the secret.",
            )
        elif key not in by_key:
            yield Problem(
                key,
                f"The source {feed.source} has no option {key!r}.",
                f"Use one of: {', '.join(by_key)}.",
            )
    for option in options:
        value = feed.options.get(option.key, option.default)
        if value is None or (value == "" and option.default is None):
            yield Problem(option.key, "This option is missing.", option.text)
        elif not _fits(option.kind, value):
            yield Problem(option.key, f"This must be {_KINDS[option.kind]}.", f"{option.text}")
        elif option.low is not None and option.high is not None:
            assert not isinstance(value, str)
            if not option.low <= value <= option.high:
                yield Problem(
                    option.key,
                    "This is out of range.",
                    f"Give a value from {option.low:g} to {option.high:g}.",
                )


_KINDS: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def _fits(kind: type, value: Value) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _files_exist(feed: Feed, base: Path) -> Iterator[Problem]:
    for key in ("tls_cert", "tls_key", "tls_client_ca", "token_file"):
        value = str(feed.options.get(key, ""))
        if value and not (base / value).is_file():
            cure = f"Put it at {base / value}."
            if key.startswith("tls_"):
                cure += " The internal ones are made by `chartloom ca init`."
            yield Problem(key, "There is no such file.", cure)


def _listening(feed: Feed) -> Iterator[Problem]:
    options = feed.options
    if options.get("tls_key") and not options.get("tls_cert"):
        yield Problem("tls_cert", "There is a key but no certificate.", "Add tls_cert.")
    if options.get("tls_client_ca") and not options.get("tls_cert"):
        yield Problem(
            "tls_client_ca",
            "Client certificates need TLS, which is off.",
            "Add tls_cert and tls_key.",
        )
    if not options.get("tls_cert") and not is_loopback(str(options.get("host", "127.0.0.1"))):
        yield Problem(
            "host",
            "Patient data would cross the network in the clear.",
            "Add tls_cert and tls_key, or listen on 127.0.0.1 behind a tunnel.",
            "warning",
        )


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _mllp(feed: Feed) -> Iterator[Problem]:
    if feed.format != Format.HL7V2:
        yield Problem("format", "MLLP carries HL7 v2.", 'Set format = "hl7v2", or source = "http".')
    yield from _listening(feed)


def _http(feed: Feed) -> Iterator[Problem]:
    yield from _listening(feed)
    if feed.options.get("token_env") and feed.options.get("token_file"):
        yield Problem("token_file", "There are two references to the token.", "Remove one.")
    has_token = feed.options.get("token_env") or feed.options.get("token_file")
    if (
        has_token
        and not feed.options.get("tls_cert")
        and not is_loopback(str(feed.options.get("host", "127.0.0.1")))
    ):
        yield Problem("token_env", "The token would cross the network in the clear.", "Add TLS.")


def _files(feed: Feed) -> Iterator[Problem]:
    pattern = str(feed.options.get("pattern", "*"))
    if "/" in pattern:
        yield Problem(
            "pattern", "The pattern must not contain a slash.", "Give a file name pattern."
        )
    marker = str(feed.options.get("marker", ""))
    if marker and not marker.startswith("."):
        yield Problem("marker", "The marker must begin with a dot.", "Write it like .done.")


_RULES: Final = {"mllp": _mllp, "http": _http, "files": _files}
