"""A registered service gets a token at the console and uses it at a feed, of a site that is up."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest
from tests.support.tokens import ec, public_set
from tests.support.up import chartloom, on_free_ports, running

from chartloom.guard import SystemClock
from chartloom.guard.ca import client_tls
from chartloom.guard.tokens import make_assertion
from chartloom.guard.tokens.clients import ASSERTION_TYPE
from chartloom.project import load_project

CLIENTS = """
[[client]]
id = "clinic"
scopes = ["system/*.c", "system/*.rs"]
feeds = ["fhir"]
jwks = "clinic.json"
certificates = ["spiffe://north/clinic"]
certificate_bound = true
"""
PATIENT = b'{"resourceType": "Patient", "id": "p1"}'


class Up(msgspec.Struct):
    """A site that is up, with TLS everywhere."""

    folder: Path
    console: int
    feed: int

    def ask(
        self,
        port: int,
        who: str,
        path: str,
        body: bytes = b"",
        media_type: str = "",
        token: str = "",
    ) -> tuple[int, bytes]:
        """who: name of a leaf, ``""`` without a certificate."""
        chain = self.folder / "var/ca/leaves" / f"{who}.pem" if who else None
        tls: ssl.SSLContext = client_tls(self.folder / "var/ca/ca.pem", chain=chain)
        headers = {"content-type": media_type} if media_type else {}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        connection = http.client.HTTPSConnection("localhost", port, context=tls, timeout=20)
        try:
            connection.request("POST" if body else "GET", path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


KEY = ec()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("token") / "north"
    chartloom("init", str(folder), "--tls")
    for name in ("clinic", "stranger"):
        chartloom("ca", "issue", name, "--as", f"spiffe://north/{name}", "--site", str(folder))
    on_free_ports(folder, "fhir")
    feed = folder / "feeds" / "fhir.toml"
    wanted = 'host = "127.0.0.1"'
    more = f'{wanted}\ntls_client_ca = "internal"\ntls_client_optional = true'
    feed.write_text(feed.read_text().replace(wanted, more))
    (folder / "clients.toml").write_text(CLIENTS)
    (folder / "clinic.json").write_bytes(public_set(KEY))
    [of_feed] = [f.options["port"] for f in load_project(folder).feeds]
    with running(folder):
        yield Up(folder, load_project(folder).settings.console.port, int(of_feed))


def token(up: Up, who: str) -> tuple[int, dict[str, str]]:
    url = f"https://127.0.0.1:{up.console}/token"
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(KEY, "ES256", "clinic", url, SystemClock()),
        "scope": "system/*.c system/*.rs",
    }
    body, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
    status, answer = up.ask(up.console, who, "/token", body, kind)
    return status, json.loads(answer)


def test_a_bound_token_from_the_console_opens_the_feed_to_its_owner_only(up: Up) -> None:
    assert token(up, "")[0] == 401  # a key that was stolen, without the certificate
    assert token(up, "stranger")[0] == 401  # nor with one of somebody else
    status, answer = token(up, "clinic")
    assert status == 200, answer
    given = answer["access_token"]

    def send(who: str, word: str) -> int:
        return up.ask(up.feed, who, "/Patient", PATIENT, "application/fhir+json", word)[0]

    assert send("clinic", given) == 202
    assert send("", given) == 401
    assert send("stranger", given) == 401
    assert send("stranger", "") == 401
    assert send("clinic", given[:-4] + "AAAA") == 401

    def read(who: str) -> int:
        """At the API: 404 is for whoever is let in and asks for what is not there."""
        return up.ask(up.console, who, "/api/chart/nobody", token=given)[0]

    assert read("clinic") == 404
    assert read("") == 401
    assert read("stranger") == 401
