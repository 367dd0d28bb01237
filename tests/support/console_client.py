"""The console as a client without scripts sees it."""

from __future__ import annotations

import contextlib
import http.client
import re
from urllib.parse import urlencode, urlsplit

from tests.support.patience import PATIENCE_S


class Client:
    """A small HTTP client that keeps cookies and never follows a redirect."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.cookie = ""

    def ask(
        self,
        path: str,
        method: str = "GET",
        form: dict[str, object] | None = None,
        data: bytes | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str], str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["Cookie"] = self.cookie
        body: str | bytes | None = data
        if form is not None:
            body = urlencode(form, doseq=True)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self.host, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, path, body, sent)
            with connection.getresponse() as answer:
                text = answer.read().decode("utf-8", "replace")
            received = {name.lower(): value for name, value in answer.getheaders()}
        self._keep([v for name, v in answer.getheaders() if name.lower() == "set-cookie"])
        return answer.status, received, text

    def _keep(self, headers: list[str]) -> None:
        kept = dict(c.split("=", 1) for c in self.cookie.split("; ") if c)
        for header in headers:
            name, _, value = header.partition(";")[0].partition("=")
            kept[name] = value
            if "max-age=0" in header.lower():
                del kept[name]
        self.cookie = "; ".join(f"{name}={value}" for name, value in kept.items())

    def csrf(self, path: str = "/chart") -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.ask(path)[2])
        assert found is not None
        return found[1]


def recent_person(client: Client) -> str:
    found = re.search(r'class="row-link" href="/chart/([^"]+)"', client.ask("/chart")[2])
    assert found is not None
    return found[1]
