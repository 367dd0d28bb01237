"""A small HTTPS client for the few services the guard itself calls: key services and issuers.

One client speaks with one origin and with nothing else: no redirects, no proxies, no cookies,
bounded time and size. The name is resolved once per request, every address is looked at, and the
connection goes to an address that was looked at, so that a name cannot point elsewhere in between.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from chartloom.domain.errors import ChartloomError, ConfigurationError

#: Seconds for one whole request, connection included.
TIMEOUT_S: Final = 10.0
#: Largest answer that is read.
ANSWER_BYTES_MAX: Final = 1_048_576

_LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ServiceUnavailable(ChartloomError):
    """A service cannot be reached, or does not answer in time or in size."""


class AddressRefused(ChartloomError):
    """An address is not one that this client may speak with."""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer: status code, content type in lower case without parameters, body."""

    status: int
    content_type: str
    body: bytes


class HttpsOrigin:
    """Speaks with exactly one origin (scheme, host, port). Thread-safe: nothing is kept open.

    ca: PEM file with the only authorities to believe, instead of the system's. allow_private:
    whether the host may have loopback, private or link-local addresses (a key service in the
    hospital: yes; an address that came from elsewhere: no). allow_loopback_http: plain HTTP to
    this very machine, for the built-in identity provider of the demo.
    """

    def __init__(
        self,
        url: str,
        *,
        ca: Path | None = None,
        timeout_s: float = TIMEOUT_S,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        allow_private: bool = False,
        allow_loopback_http: bool = False,
    ) -> None:
        """Raises ``ConfigurationError`` unless ``url`` is an origin (a path is not allowed)."""
        self.origin, self._host, self._port, self._tls = _parse(url, allow_loopback_http)
        #: As requests say it: without the default port.
        self._host_header = urlsplit(self.origin).netloc.removesuffix(":443")
        self._timeout_s = timeout_s
        self._answer_bytes_max = answer_bytes_max
        self._allow_private = allow_private or not self._tls
        self._context = _context(ca) if self._tls else None

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """One request; any status is an answer, redirects too (they are never followed).

        ``path`` starts with one slash and holds no control characters. Raises
        ``ServiceUnavailable`` or ``AddressRefused``.
        """
        if not path.startswith("/") or path.startswith("//") or not _plain(path):
            raise AddressRefused("the path of a request is not plain.", where=self.origin)
        deadline = time.monotonic() + self._timeout_s
        try:
            return self._exchange(method, path, dict(headers or {}), body, deadline)
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnavailable(
                f"the service does not answer ({type(error).__name__}).",
                where=self.origin,
                cure="Check its address, its certificate and the network.",
            ) from error

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes, deadline: float
    ) -> Answer:
        sock = self._connect(deadline)
        # A socket's own timeout starts anew with every byte; the deadline does not.
        alarm = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, (sock,))
        alarm.daemon = True
        alarm.start()
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = sock
        try:
            always = {"Host": self._host_header, "Accept-Encoding": "identity"}
            always["Connection"] = "close"
            connection.request(method, path, body=body or None, headers={**always, **headers})
            response = connection.getresponse()
            kind = (response.getheader("Content-Type") or "").partition(";")[0].strip().lower()
            content = self._read(response)
            if time.monotonic() >= deadline:
                raise TimeoutError  # the alarm may have cut it short
            return Answer(response.status, kind, content)
        finally:
            alarm.cancel()
            connection.close()
            sock.close()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        content = response.read(self._answer_bytes_max + 1)
        if len(content) > self._answer_bytes_max:
            raise ServiceUnavailable(
                f"the answer is larger than {self._answer_bytes_max} bytes.", where=self.origin
            )
        if response.length:  # closed before all that was promised had come
            raise http.client.IncompleteRead(b"")
        return content

    def _connect(self, deadline: float) -> socket.socket:
        sock = self._open(deadline)
        if self._context is None:
            return sock
        try:
            # An end that the peer did not announce is an error, not the end of an answer.
            return self._context.wrap_socket(
                sock, server_hostname=self._host, suppress_ragged_eofs=False
            )
        except BaseException:
            sock.close()
            raise

    def _open(self, deadline: float) -> socket.socket:
        """A connection to the first of the name's addresses that takes one."""
        *others, last = self._addresses()
        for address in others:
            with suppress(OSError):
                return self._dial(address, deadline)
        return self._dial(last, deadline)

    def _dial(self, address: str, deadline: float) -> socket.socket:
        left = max(0.001, deadline - time.monotonic())
        return socket.create_connection((address, self._port), timeout=left)

    def _addresses(self) -> list[str]:
        """The addresses to connect to; every address of the name must be allowed."""
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not self._allow_private and not all(map(is_public, addresses)):
            raise AddressRefused(
                "the host has an address that is not public.",
                where=self.origin,
                cure="Allow private addresses for this service if that is meant.",
            )
        if not self._tls and not all(ipaddress.ip_address(a).is_loopback for a in addresses):
            raise AddressRefused("plain HTTP would leave this machine.", where=self.origin)
        return addresses


def is_public(address: str) -> bool:
    """Whether an IP address is a global unicast one (also when it is an IPv4 inside an IPv6)."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        nat64 = ip in ipaddress.ip_network("64:ff9b::/96")
        if nat64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def origin_of(url: str) -> str:
    """``scheme://host:port`` of an absolute URL, port always written, host in lower case.

    Raises ``ConfigurationError`` for anything unusual: user information, fragments, other schemes,
    control characters, non-ASCII hosts.
    """
    return _split(url)[0]


def _split(url: str) -> tuple[str, str, str, int, str]:
    problem = ConfigurationError(
        "this is not a plain absolute http(s) address.", cure="Write https://host[:port]/path."
    )
    if not _plain(url) or "\\" in url or "#" in url:
        raise problem
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise problem from error
    host = (parts.hostname or "").lower()
    scheme = parts.scheme
    if scheme not in ("http", "https") or not host or "@" in parts.netloc or "%" in host:
        raise problem
    if port is None:
        port = 443 if scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return f"{scheme}://{shown}:{port}", scheme, host, port, target


def path_of(url: str) -> str:
    """Path and query of an absolute URL, as they are sent. Raises like :func:`origin_of`."""
    return _split(url)[4]


def _parse(url: str, allow_loopback_http: bool) -> tuple[str, str, int, bool]:
    origin, scheme, host, port, target = _split(url)
    if target != "/":
        raise ConfigurationError("an origin has no path.", where=origin, cure="Leave the path out.")
    if scheme != "https" and not (allow_loopback_http and host in _LOOPBACK_NAMES):
        raise ConfigurationError("the service must be spoken to by HTTPS.", where=origin)
    return origin, host, port, scheme == "https"


def _cut(sock: socket.socket) -> None:
    """Ends whatever waits on a socket, below TLS, which is not asked."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            "the certificate authority cannot be read.",
            where=str(ca),
            cure="Give a PEM file with the authority's certificates.",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _plain(text: str) -> bool:
    return all(" " < c < "\x7f" for c in text)
